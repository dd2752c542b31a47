"""Writes the file tree of the README anew: each file of the package with the first line of its own words.

python docs/file_tree.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "convolab"
BEGIN, END = "```\nsrc/convolab/\n", "```\n\n</details>"
KINDS = (".py", ".js", ".css")


def first_line(path: Path) -> str:
    """The first sentence of a module's docstring, or the comment a script or style sheet begins with."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        words = " ".join((ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].split())
    else:
        lines = []
        for line in text.splitlines():
            found = re.match(r"\s*(?://|/\*|\*(?!/))\s?(.*)", line)
            if not found:
                break
            lines.append(found[1].replace("*/", "").strip())
            if "*/" in line:
                break
        words = " ".join(lines)
    sentence = re.match(r"(.+?[.])(\s|$)", words)
    return (sentence[1] if sentence else words).rstrip(".:")


def tree() -> str:
    """The lines of all files, those of each folder together."""
    files = [path for path in PACKAGE.rglob("*") if path.suffix in KINDS and "__pycache__" not in path.parts]
    files = [path for path in files if path.name != "__init__.py" or path.parent == PACKAGE]
    files.sort(key=lambda path: (path.parent != PACKAGE, path.relative_to(PACKAGE).as_posix()))
    return "".join(f"  {path.relative_to(PACKAGE).as_posix():36} {first_line(path)}\n" for path in files)


def main() -> None:
    """Puts the tree into the README."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    begin = text.index(BEGIN) + len(BEGIN)
    readme.write_text(text[:begin] + tree() + text[text.index(END, begin) :], encoding="utf-8")


if __name__ == "__main__":
    main()
