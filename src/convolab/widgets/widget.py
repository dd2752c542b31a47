"""The host of the lab's own widgets: a NiceGUI element that runs one JavaScript module of this folder.

The modules have anywidget's form, ``export default { render({ model, el }) }``, and import their helpers
(`feed.js`, `look.js`) from beside themselves, so the whole folder is served under one address whose
last part changes with the files: browsers may keep it for as long as they like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from nicegui import app, ui
from nicegui.events import GenericEventArguments

FOLDER = Path(__file__).parent
_YEAR = 365 * 24 * 3600


@cache
def served_at() -> str:
    """The address of this folder on the lab's server, registered there by the first call."""
    stamp = hashlib.sha256()
    for path in sorted([*FOLDER.glob("*.js"), *FOLDER.glob("*.css")]):
        stamp.update(path.name.encode() + path.read_bytes())
    address = f"/_convolab/{stamp.hexdigest()[:12]}"
    app.add_static_files(address, FOLDER, max_cache_age=_YEAR)
    return address


class Widget(ui.element, component="widget.js"):
    """One widget module in the page.

    ``values`` are what the module reads with ``model.get(name)``; `set` changes them later. What the module
    sends with ``model.send(content)`` arrives at ``on_message(content)``.
    """

    def __init__(self, module: str, *, on_message: Callable[[Any], Any] | None = None, **values: Any) -> None:
        super().__init__()
        self._props["src"] = f"{served_at()}/{module}.js"
        self._props["values"] = values
        self._heard = 0
        self._on_message = on_message
        self.on("message", self._receive)

    def _receive(self, event: GenericEventArguments) -> Any:
        """Hand on what the module sent, and say that it was heard: `widget.js` holds older values back."""
        self._heard = int(event.args["number"])
        try:
            return self._on_message(event.args["content"]) if self._on_message else None
        finally:
            if not self.is_deleted:
                self.run_method("setHeard", self._heard)

    def get(self, name: str) -> Any:
        """The value that the module was last given under ``name``."""
        return self._props["values"].get(name)

    def set(self, **values: Any) -> None:
        """Give the module new values; those that are equal to the old ones are not sent again."""
        changed = {name: value for name, value in values.items() if self.get(name) != value}
        if not changed:
            return
        # Kept for when the element is mounted again, without the page-wide update that a changed prop causes.
        with self._props.suspend_updates():
            self._props["values"] = {**self._props["values"], **changed}
        self.run_method("setValues", changed, self._heard)

    def send(self, content: Any) -> None:
        """Send the module a message, received there by ``model.on("msg:custom", …)``."""
        self.run_method("message", content)
