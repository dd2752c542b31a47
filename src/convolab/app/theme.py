"""The lab's look: style sheet and script for every page, light and dark, and a few small parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from nicegui import app, events, ui

STATIC = Path(__file__).parent / "static"
THEMES: dict[str, bool | None] = {"auto": None, "light": False, "dark": True}

ButtonKind = Literal["line", "quiet", "link", "main-action", "danger", "mend"]


def install() -> None:
    """Serve the static files and put style sheet and script into every page. Called once, before serving."""
    app.add_static_files("/static", STATIC, max_cache_age=31_536_000)
    # A page that opens while the lab is being updated must not see the files of yesterday.
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))).hexdigest()[
        :12
    ]
    ui.add_head_html(f'<link rel="stylesheet" href="/static/lab.css?{version}">', shared=True)
    ui.add_head_html(f'<script type="module" src="/static/lab.js?{version}"></script>', shared=True)
    ui.add_head_html(
        '<meta name="description" content="A laboratory for convolutional networks">', shared=True
    )
    ui.button.default_props("no-caps unelevated :ripple=false")
    ui.menu.default_props("transition-duration=0")
    ui.dialog.default_props("transition-duration=100")


def chosen() -> str:
    """The visitor's theme: ``auto``, ``light`` or ``dark``."""
    theme = app.storage.user.get("theme", "auto")
    return theme if theme in THEMES else "auto"


def apply() -> Callable[[str], None]:
    """Put the page into the visitor's theme; returns the function that changes it for good."""
    mode = ui.dark_mode(THEMES[chosen()])

    def choose(theme: str) -> None:
        app.storage.user["theme"] = theme
        mode.value = THEMES[theme]

    return choose


def button(
    text: str = "",
    on_click: Callable[..., Any] | None = None,
    *,
    kind: ButtonKind = "line",
    icon: str | None = None,
    label: str = "",
    tip: str = "",
    key: str = "",
) -> ui.button:
    """A button in the lab's look.

    ``label`` names a button that shows only an icon; ``tip`` explains it on hover and long press; ``key`` is
    the name by which lab.js finds it when its key is pressed.
    """
    made = ui.button(text, on_click=on_click, icon=icon, color=None).classes(kind)
    if icon and not text:
        made.classes("icon")
    if label:
        made.props["aria-label"] = label
    if tip or label:
        made.props["data-tip"] = tip or label
    if key:
        made.props["data-key"] = key
    return made


def text(content: str, classes: str = "", tag: str = "div") -> ui.label:
    """Plain text in an element of its own."""
    made = ui.label(content).classes(classes)
    made.tag = tag
    return made


def box(classes: str = "", tag: str = "div") -> ui.element:
    """An element with classes, to put others in."""
    return ui.element(tag).classes(classes)


def upload_box(
    label: str,
    accept: str,
    largest: int,
    on_upload: Callable[[events.UploadEventArguments], Any],
    on_rejected: Callable[[], Any],
    on_begin: Callable[[], Any] | None = None,
) -> ui.upload:
    """A place to drop a file of at most ``largest`` bytes, or to choose one; it is uploaded at once."""
    made = ui.upload(
        label=label,
        max_file_size=largest,
        auto_upload=True,
        on_upload=on_upload,
        on_rejected=on_rejected,
        on_begin_upload=on_begin,
    )
    made.props.update({"accept": accept, "flat": True})
    made.on("vnodeMounted", js_handler=f"() => labUpload({made.html_id!r}, {label!r})")
    return made


def dialog_box(title: str, *, broad: bool = False, once: bool = False) -> tuple[ui.dialog, ui.card]:
    """A dialog with a title and a close button; fill the card and open the dialog.

    ``once``: it is made anew each time, so it goes when it is closed.
    """
    with ui.dialog() as dialog, ui.card().classes("dialog broad" if broad else "dialog") as card:
        card.props["aria-label"] = title
        with box("row-x between"):
            text(title, tag="h2")
            button(icon="o_close", label="Close", kind="quiet", on_click=dialog.close)
    if once:
        dialog.on("hide", dialog.delete)
    return dialog, card
