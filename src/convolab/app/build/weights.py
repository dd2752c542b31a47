"""Trained weights to take along and to bring back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from convolab.app.state import BuildState


def weights_items(state: BuildState, item: Callable[..., ui.menu_item]) -> None:
    """The menu's lines about weights."""
    download = item("o_file_download", "Download the trained weights", lambda: _download(state))

    def follow() -> None:
        download.set_enabled(state.run_id is not None)

    state.subscribe(follow, "run_id")
    follow()


def _download(state: BuildState) -> Any:
    from convolab.runs import RunFolder

    path = RunFolder(state.run_id).weights_path
    ui.download.file(path, f"{state.run_id}.safetensors")
