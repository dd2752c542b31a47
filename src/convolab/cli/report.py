"""`convolab report`: pin what was made, write the page that is handed in, export it as one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.output import print_json, print_table

if TYPE_CHECKING:
    from convolab.report import Pin, PinBlock

app = typer.Typer(
    help="The page you hand in: pin results, write, export it as one folder.", invoke_without_command=True
)
PAGE = Annotated[str, typer.Argument(help="A page: its short name, as 'convolab report' lists it.")]


@app.callback()
def overview(context: typer.Context, json: JSON_OPTION = False) -> None:
    """List pages and pins."""
    if context.invoked_subcommand is None:
        list_all(json=json)


@app.command("list")
def list_all(json: JSON_OPTION = False) -> None:
    """List pages and pins, newest first."""
    from dataclasses import asdict

    from convolab.report import pins, reports

    pages, pinned = reports(), pins()
    if json:
        print_json(
            {
                "pages": [page.model_dump(mode="json") for page in pages],
                "pins": [asdict(pin) for pin in pinned],
            }
        )
        return
    if pages:
        print_table(
            ["page", "title", "blocks", "saved"],
            [[page.name, page.title, str(len(page.blocks)), page.saved[:16]] for page in pages],
        )
    else:
        print("No page yet; begin one with 'convolab report new \"My title\"'.")
    if pinned:
        print_table(["pin", "kind", "title"], [[pin.id, pin.kind, pin.title] for pin in pinned])


@app.command()
def new(
    title: Annotated[str, typer.Argument(help="The page's title.")],
    template: Annotated[
        str, typer.Option(help="empty, assignment, look-inside, style, experiments or statistics.")
    ] = "assignment",
    author: Annotated[str, typer.Option(help="Your name.")] = "",
    email: Annotated[str, typer.Option(help="Your e-mail address.")] = "",
) -> None:
    """Begin a page, with the assignment's questions as prompts."""
    from convolab.report import new as new_page

    page = new_page(title, template, author=author, email=email)
    print(f"{page.name}: {len(page.blocks)} blocks. Add to it with 'convolab report add {page.name} …'.")


@app.command()
def add(
    page: PAGE,
    run: Annotated[list[str] | None, typer.Option(help="Pin a run; more runs are laid over it.")] = None,
    what: Annotated[str, typer.Option(help="Of the run: curves, confusion, statistics or network.")] = (
        "curves"
    ),
    picture: Annotated[list[Path] | None, typer.Option(help="Pin a file: a picture, data, code.")] = None,
    pin: Annotated[
        str | None, typer.Option(help="Something that is pinned already: its id or title.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Words, in Markdown.")] = None,
    caption: Annotated[str, typer.Option(help="What stands under it.")] = "",
    at: Annotated[
        int | None, typer.Option(help="Before which block, 1 is the first; default: the end.")
    ] = None,
) -> None:
    """Add a run, a picture, a pin or words to a page."""
    from convolab.errors import ReportError
    from convolab.report import TextBlock, add_pin, find_pin, open_report, pin_run

    document = open_report(page)
    blocks: list[PinBlock | TextBlock] = []
    if run:
        blocks.append(_block(pin_run(run[0], what, run[1:]), caption))
    for path in picture or ():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ReportError(f"{path} cannot be read: {error.strerror}.") from None
        name = path.name.replace("_", "-") if path.name.isascii() else f"file{path.suffix.lower()}"
        made = add_pin("file", path.stem, {name: content}, caption=caption)
        blocks.append(_block(made, ""))
    if pin:
        blocks.append(_block(find_pin(pin), caption))
    if text:
        blocks.append(TextBlock(text=text))
    if not blocks:
        raise ReportError("Say what to add: --run, --picture, --pin or --text.")
    place = len(document.blocks) if at is None else max(0, min(at - 1, len(document.blocks)))
    saved = document.changed(blocks=(*document.blocks[:place], *blocks, *document.blocks[place:])).save()
    print(f"{saved.name} has {len(saved.blocks)} blocks now.")


@app.command()
def build(
    page: PAGE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The folder to write to.")] = None,
    archive: Annotated[bool, typer.Option("--zip", help="Also pack it as a zip.")] = False,
    json: JSON_OPTION = False,
) -> None:
    """Export a page as one folder that any host and any browser can show."""
    from convolab.report import build as build_page
    from convolab.report import open_report

    document = open_report(page)
    written = build_page(document, output or Path(document.name), archive=archive)
    if json:
        print_json({"page": document.name, "blocks": len(document.blocks), "written": str(written)})
    else:
        print(f"Written: {written}")


def _block(pin: Pin, caption: str) -> PinBlock:
    from convolab.report import PinBlock

    return PinBlock(pin=pin.id, title=pin.title, caption=caption or None)
