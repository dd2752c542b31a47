"""The documents say what is true: every module is on the map, every path they name exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "convolab"


def listed() -> set[str]:
    """The paths that docs/ARCHITECTURE.md lists, relative to the package."""
    paths, folder = set(), ""
    for line in (ROOT / "docs" / "ARCHITECTURE.md").read_text().splitlines():
        if heading := re.match(r"### `convolab/(.*)`", line):
            folder = heading[1]
        elif (item := re.match(r"- `([\w.]+)`: ", line)) and "tree" not in folder:
            paths.add(folder + item[1])
    return paths


def test_the_map_lists_exactly_the_modules_there_are() -> None:
    there = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.suffix in (".py", ".js", ".css") and (path.name != "__init__.py" or path.parent == SOURCE)
    }
    assert listed() == there


def test_the_readme_has_every_file_with_a_line_of_its_own() -> None:
    lines = [line.split(maxsplit=1) for line in (ROOT / "README.md").read_text().splitlines()]
    named = [line for line in lines if len(line) == 2 and re.fullmatch(r"[\w/]+\.(py|js|css)", line[0])]
    assert {path for path, _ in named} == listed(), "python docs/file_tree.py writes it anew"


def test_paths_named_in_the_documents_exist() -> None:
    for document in (ROOT / "README.md", ROOT / "benchmarks" / "README.md", ROOT / "CHANGELOG.md"):
        text = document.read_text()
        for path in re.findall(r"`((?:docs|benchmarks|examples|tests|src)/[\w./-]*)`", text):
            assert (ROOT / path).exists(), f"{document.name} names {path}"
        for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
            assert (document.parent / picture).exists(), f"{document.name} shows {picture}"
