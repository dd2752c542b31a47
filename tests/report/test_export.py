"""Exported pages: whole, safe, and asking nobody for anything."""

import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from convolab.errors import ReportError
from convolab.report import PinBlock, TextBlock, add_pin, build, new, remove_pin, to_html


class Elements(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def page(home: Path):
    picture = add_pin(
        "picture",
        'A "fine" <picture>',
        {"view.png": b"png", "data.csv": b"x,y\n1,2\n", "train.py": b"print(1)\n"},
        caption="It *shows* $W$.",
        settings={"weight": 0.5},
        reproduce="convolab look 7.png",
    )
    table = add_pin("statistics", "Table", {"s.csv": b"run,accuracy\n<b>mine</b>,0.97\n"})
    return (
        new("Home & work", author="Ada <3", email="ada@example.org")
        .changed(
            blocks=(
                TextBlock(text="# Words\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
                PinBlock(pin=picture.id, title=picture.title),
                PinBlock(pin=table.id, title=table.title, caption="My own words"),
            )
        )
        .save()
    )


def test_the_folder_holds_the_page_its_pictures_data_and_code(page, tmp_path: Path):
    index = build(page, tmp_path / "out")
    text = index.read_text()
    assert (tmp_path / "out/files/02/view.png").read_bytes() == b"png"
    assert (tmp_path / "out/files/02/train.py.txt").read_text() == "print(1)\n"
    tags = Elements(text).found
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert sources == ["files/02/view.png"]
    for address in [*sources, *(link for link in links if link and not link.startswith("mailto:"))]:
        assert (tmp_path / "out" / str(address)).is_file()
    assert "Home &amp; work" in text
    assert "Ada &lt;3" in text
    assert "&lt;b&gt;mine&lt;/b&gt;" in text
    assert "My own words" in text
    assert "<math" in text
    assert "convolab look 7.png" in text
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    markdown = (tmp_path / "out/page.md").read_text()
    assert '![A "fine" <picture>](files/02/view.png)' in markdown
    assert "| a | b |" in markdown


def test_a_deleted_pin_is_named_and_breaks_nothing(page, tmp_path: Path):
    from convolab.report import find_pin

    remove_pin(find_pin("Table"))
    text = build(page, tmp_path / "out").read_text()
    assert "&quot;Table&quot; was pinned here, but has been deleted from the lab." in text


def test_building_again_replaces_and_a_foreign_folder_is_refused(page, tmp_path: Path):
    build(page, tmp_path / "out")
    shorter = page.changed(blocks=page.blocks[:1])
    packed = build(shorter, tmp_path / "out", archive=True)
    assert not (tmp_path / "out/files").exists()
    with zipfile.ZipFile(packed) as file:
        assert sorted(file.namelist()) == ["out/index.html", "out/page.json", "out/page.md"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    with pytest.raises(ReportError, match="is no exported page"):
        build(page, mine)
    assert (mine / "thesis.txt").read_text() == "precious"


def test_a_full_disk_leaves_the_older_build_whole(page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    build(page, tmp_path / "out")
    before = (tmp_path / "out/index.html").read_text()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convolab.report.export.shutil.copyfile", full)
    with pytest.raises(ReportError, match="no space left"):
        build(page.changed(title="Other"), tmp_path / "out")
    assert (tmp_path / "out/index.html").read_text() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[press](javascript:alert(1))",
        "[press](vbscript:x) and <javascript:alert(1)>",
        "![x](javascript:alert(1))",
        '![x](a.png "a" onload=alert(1))',
        "$\\href{javascript:alert(1)}{x}$",
        "$<script>alert(1)</script>$",
        "$$\\begin{unfinished$$",
        '<a href="data:text/html,<script>alert(1)</script>">x</a>',
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_nothing_that_runs_comes_through(text: str):
    for tag, attributes in Elements(to_html(text)).found:
        assert tag not in ("script", "iframe", "object", "embed", "style", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert not re.match(r"\s*(javascript|vbscript|data):", value or "", re.I)


def test_pictures_from_elsewhere_become_links():
    tags = [tag for tag, _ in Elements(to_html("![a](https://example.org/a.png) ![b](b.png)")).found]
    assert tags.count("img") == 1
    assert tags.count("a") == 1


def test_formulas_are_mathml():
    assert "<mfrac>" in to_html("$$\\frac{1}{2}$$")
    assert "costs 5$ and 6$" in to_html("costs 5$ and 6$")


def test_long_names_of_curves_stand_whole_below_them():
    from xml.etree import ElementTree

    from convolab.report.drawings import Line, lines_svg

    names = ["mnist convolutional 1 · learning rate 0.03, test", "the other"]
    drawn = ElementTree.fromstring(
        lines_svg([Line(name, [0, 1], [0.1, 0.9]) for name in names], "x", "y", percent=True)
    )
    texts = {element.text: element for element in drawn.iter() if element.tag.endswith("text")}
    for name in names:
        assert float(texts[name].attrib["x"]) + 7 * len(name) < 720
        assert float(texts[name].attrib["y"]) < float(drawn.attrib["height"])
    assert "90.0 %" in texts
    short = lines_svg([Line("test", [0, 1], [0.1, 0.9])], "x", "y", percent=True)
    assert ">test 90.0 %<" in short
