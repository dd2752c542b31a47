"""From a page to one folder: ``index.html``, pictures, data, code, and nothing asked of any other place."""

from __future__ import annotations

import csv
import html
import io
import shutil
import zipfile
from pathlib import Path

from convolab.errors import ReportError
from convolab.report.document import PinBlock, Report
from convolab.report.markdown import to_html
from convolab.report.pinboard import Pin, find_pin
from convolab.runs.files import why

STYLE = Path(__file__).with_name("page.css")
_ROWS = 40
"""Rows of a table that are shown in the page; the file has all of them."""


def build(page: Report, folder: str | Path, *, archive: bool = False) -> Path:
    """Write the page to ``folder`` and give the path of its ``index.html``, or of the zip with ``archive``.

    The folder is new or one that was built before; anything else in the way is refused. ReportError in one
    sentence, also if the disk does not take it; then an older build is still whole.
    """
    target = Path(folder).expanduser()
    if target.exists() and not (target.is_dir() and _is_ours(target)):
        raise ReportError(f"{target} exists and is no exported page; choose another folder.")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _write(page, unfinished)
        if target.exists():
            shutil.rmtree(target)
        unfinished.rename(target)
        if not archive:
            return target / "index.html"
        packed = target.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(target.rglob("*")):
                file.write(path, Path(target.name) / path.relative_to(target))
        return packed
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ReportError(f"The page could not be written to {target}: {why(error)}.") from error


def markdown_of(page: Report) -> str:
    """The page as one Markdown text, with its pictures and files as links into the exported folder."""
    parts = [f"# {page.title or 'Untitled'}"]
    if page.author or page.email:
        parts.append(" · ".join(filter(None, (page.author, page.email))))
    for number, block in enumerate(page.blocks, 1):
        if not isinstance(block, PinBlock):
            parts.append(block.text)
            continue
        pin = _pin(block)
        if pin is None:
            parts.append(f"*{_gone(block)}*")
            continue
        parts.append(f"### {pin.title}")
        parts += [f"![{pin.title}]({_file(number, name)})" for name in pin.pictures]
        caption = pin.caption if block.caption is None else block.caption
        parts += [caption] if caption else []
        others = [name for name in pin.files if name not in pin.pictures]
        if others:
            parts.append("Files: " + ", ".join(f"[{name}]({_file(number, name)})" for name in others))
        if pin.reproduce:
            parts.append(f"To repeat it: `{pin.reproduce}`")
    return "\n\n".join(parts) + "\n"


def body_of(page: Report, address: str = "") -> str:
    """The page's HTML without frame; ``address`` stands before the names of its files."""
    parts = [f"<h1>{html.escape(page.title or 'Untitled')}</h1>"]
    who = [html.escape(page.author)] if page.author else []
    if page.email:
        plain = html.escape(page.email, quote=True)
        who.append(f'<a href="mailto:{plain}">{plain}</a>')
    if who:
        parts.append(f'<p class="author">{" · ".join(who)}</p>')
    for number, block in enumerate(page.blocks, 1):
        if isinstance(block, PinBlock):
            parts.append(_pinned(block, number, address))
        else:
            parts.append(f'<section class="words">{to_html(block.text)}</section>')
    return "\n".join(parts)


def _write(page: Report, folder: Path) -> None:
    for number, block in enumerate(page.blocks, 1):
        pin = _pin(block) if isinstance(block, PinBlock) else None
        if pin is None:
            continue
        place = folder / _file(number, "x").rsplit("/", 1)[0]
        place.mkdir(parents=True)
        for name in pin.files:
            shutil.copyfile(pin.path(name), folder / _file(number, name))
    (folder / "page.json").write_text(page.model_dump_json(indent=1), encoding="utf-8")
    (folder / "page.md").write_text(markdown_of(page), encoding="utf-8")
    (folder / "index.html").write_text(
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="convolab">\n'
        # Nothing may be fetched from elsewhere and nothing run, whatever was written.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; "
        "media-src 'self' file:; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(page.title or 'Untitled')}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n{body_of(page)}\n</main>\n</body>\n</html>\n",
        encoding="utf-8",
    )


def _pinned(block: PinBlock, number: int, address: str) -> str:
    pin = _pin(block)
    if pin is None:
        return f'<p class="gone">{html.escape(_gone(block))}</p>'
    parts = ["<figure>", f"<h3>{html.escape(pin.title)}</h3>"]
    for name in pin.pictures:
        source = html.escape(address + _file(number, name), quote=True)
        parts.append(f'<img src="{source}" alt="{html.escape(pin.title, quote=True)}">')
    if not pin.pictures:
        tables = [name for name in pin.files if name.endswith(".csv")]
        parts += [_table(pin, name) for name in tables[:1]]
    parts += [
        f'<video src="{html.escape(address + _file(number, name), quote=True)}" controls muted loop></video>'
        for name in pin.files
        if name.endswith(".mp4")
    ]
    caption = pin.caption if block.caption is None else block.caption
    if caption:
        parts.append(f"<figcaption>{to_html(caption)}</figcaption>")
    parts.append(_details(pin, number, address))
    return "\n".join([*parts, "</figure>"])


def _details(pin: Pin, number: int, address: str) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in pin.settings.items()
    )
    links = ", ".join(
        f'<a href="{html.escape(address + _file(number, name), quote=True)}">'
        f"{html.escape(_exported(name))}</a>"
        for name in pin.files
    )
    parts = ["<details><summary>Settings and files</summary>"]
    if rows:
        parts.append(f"<table>{rows}</table>")
    if pin.reproduce:
        parts.append(f"<p>To repeat it: <code>{html.escape(pin.reproduce)}</code></p>")
    if links:
        parts.append(f"<p>Files: {links}</p>")
    return "".join([*parts, "</details>"])


def _table(pin: Pin, name: str) -> str:
    try:
        rows = list(csv.reader(io.StringIO(pin.path(name).read_text(encoding="utf-8"))))
    except (OSError, ValueError, csv.Error):
        return ""
    head, *body = rows or [[]]
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body[:_ROWS]
    )
    rest = f"<p>{len(body) - _ROWS:,} more rows are in the file.</p>" if len(body) > _ROWS else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>{rest}"


def _pin(block: PinBlock) -> Pin | None:
    try:
        return find_pin(block.pin)
    except ReportError:
        return None


def _gone(block: PinBlock) -> str:
    return f'"{block.title or block.pin}" was pinned here, but has been deleted from the lab.'


def _file(number: int, name: str) -> str:
    return f"files/{number:02}/{_exported(name)}"


def _exported(name: str) -> str:
    """Programs get a second ending, so that every host shows them as text."""
    return f"{name}.txt" if name.endswith(".py") else name


def _is_ours(folder: Path) -> bool:
    """Whether it is empty or was written by `build`."""
    names = {path.name for path in folder.iterdir()}
    return not names or {"index.html", "page.json", "page.md"} <= names <= {
        "index.html",
        "page.json",
        "page.md",
        "files",
    }
