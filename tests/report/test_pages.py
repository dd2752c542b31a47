"""Pins and pages: what is kept, what survives damage, what is refused."""

import json
from pathlib import Path

import pytest

from convolab.errors import ReportError
from convolab.report import (
    TEMPLATES,
    PinBlock,
    TextBlock,
    add_pin,
    find_pin,
    new,
    open_report,
    pins,
    remove_pin,
    reports,
)


def test_a_pin_is_kept_with_all_that_belongs_to_it(home: Path):
    made = add_pin(
        "curves",
        "My curves",
        {"curves.svg": b"<svg/>", "curves.csv": b"a,b\n"},
        caption="Up.",
        settings={"learning_rate": 0.1},
        reproduce="convolab train mnist",
    )
    (found,) = pins()
    assert found == made
    assert found.path("curves.csv").read_bytes() == b"a,b\n"
    assert found.pictures == ("curves.svg",)
    assert find_pin("My curves") == find_pin(made.id) == made
    remove_pin(made)
    assert pins() == []
    with pytest.raises(ReportError, match='no pin "My curves"'):
        find_pin("My curves")


@pytest.mark.parametrize("name", ["../x.png", "x.html", "x.js", "a/b.png", ".hidden.png", "x"])
def test_files_that_do_not_belong_on_a_page_are_refused(home: Path, name: str):
    with pytest.raises(ReportError, match="cannot hold a file"):
        add_pin("picture", "p", {name: b""})
    assert pins() == []


def test_a_pin_edited_to_lead_elsewhere_or_cut_short_is_left_out(home: Path):
    made = add_pin("picture", "p", {"p.png": b"x"})
    record = made.folder / "pin.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "files": ["../../../secret.txt"]}))
    assert pins() == []
    record.write_text(json.dumps(content)[:40])
    assert pins() == []


def test_a_page_is_saved_and_its_older_versions_are_kept(home: Path):
    page = new("My résumé / of <CNNs>", author="Ada", email="ada@example.org")
    assert page.name == "my-resume-of-cnns"
    first = page.changed(blocks=(TextBlock(text="one"),)).save()
    second = first.changed(blocks=(TextBlock(text="one"), TextBlock(text="two"))).save()
    assert open_report(page.name) == second
    assert [len(version.blocks) for version in second.versions()] == [1, 0]
    assert second.save() == second  # nothing changed: no new version
    assert len(second.versions()) == 2


def test_a_damaged_page_falls_back_to_its_newest_version(home: Path):
    page = new("Page").changed(title="Better").save()
    (page.folder / "page.json").write_text('{"name": "pa')
    assert open_report("page").title == "Page"
    assert [one.name for one in reports()] == ["page"]


def test_only_the_newest_versions_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("convolab.report.document.VERSIONS", 3)
    page = new("Page")
    for number in range(6):
        page = page.changed(title=f"{number}").save()
    assert [one.title for one in page.versions()] == ["4", "3", "2"]


def test_two_pages_of_one_title_do_not_share_a_folder(home: Path):
    assert new("Homework").name == "homework"
    assert new("Homework").name == "homework-2"


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_make_pages(home: Path, template: str):
    page = new("A", template)
    assert [block.text for block in page.blocks] == list(TEMPLATES[template].texts)  # type: ignore[union-attr]


def test_what_does_not_exist_or_fit_is_one_sentence(home: Path):
    with pytest.raises(ReportError, match=r'no template "assigment".*Did you mean "assignment"'):
        new("A", "assigment")
    with pytest.raises(ReportError, match='There is no page "a" yet'):
        open_report("a")
    page = new("Abc")
    with pytest.raises(ReportError, match='Did you mean "abc"'):
        open_report("abd")
    with pytest.raises(ReportError, match="no page"):
        open_report("../..")
    with pytest.raises(ReportError, match=r"cannot be on a page: title: "):
        page.changed(title="x" * 400)


def test_a_full_disk_leaves_the_older_page_whole(home: Path, monkeypatch: pytest.MonkeyPatch):
    page = new("Page").changed(blocks=(PinBlock(pin="0" * 12, title="t"),)).save()

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convolab.report.document.replace_text", full)
    with pytest.raises(ReportError, match="could not be saved: no space left"):
        page.changed(title="Lost").save()
    assert open_report("page").title == "Page"
