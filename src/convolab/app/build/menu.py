"""What can be taken out of the room and brought in: links, networks, code, weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nicegui import events, ui

from convolab.app.address import to_query
from convolab.app.build.files import original_json
from convolab.app.build.weights import weights_items
from convolab.app.state import BuildState, dataset_infos
from convolab.app.theme import box, button, dialog_box, text, upload_box
from convolab.errors import ConvolabError
from convolab.networks import Network
from convolab.networks.files import MAX_CHARACTERS
from convolab.report import pin_network


def menu(state: BuildState) -> None:
    """Create the copy-link button and the menu in the current slot."""
    copy = button(
        "Copy link", icon="o_link", kind="line", tip="Copy an address that opens this model and its settings"
    )
    copy.classes("copy-link")
    copy.on_click(
        lambda: ui.run_javascript(f"labCopyLink({json.dumps('/build?' + to_query(state, run=False))})")
    )
    opener = button(icon="o_more_vert", label="More", kind="quiet")
    with opener, ui.menu():
        item("o_file_download", "Download the network", lambda: _download(state))
        item(
            "o_file_download", "Download it for the original Model Builder", lambda: _download_original(state)
        )
        item("o_file_upload", "Open a network file …", lambda: _upload_dialog(state))
        item("o_code", "Export as PyTorch code …", lambda: _code_dialog(state))
        item("o_push_pin", "Pin the network to the page", lambda: _pin(state))
        ui.separator()
        weights_items(state, item)
        ui.separator()
        item("o_restart_alt", "Reset to the defaults", state.reset)


def item(icon: str, title: str, on_click: Callable[..., Any]) -> ui.menu_item:
    """One line of the menu."""
    with ui.menu_item(on_click=on_click) as made:
        ui.icon(icon)
        text(title)
    return made


def _download(state: BuildState) -> None:
    ui.download.content(state.network.to_json(), f"{file_name(state)}.json", "application/json")


def _download_original(state: BuildState) -> None:
    try:
        content = original_json(state.network)
    except ConvolabError as error:
        explain("This network cannot be written for the Model Builder", str(error))
        return
    ui.download.content(content, f"{file_name(state)}-model-builder.json", "application/json")


def file_name(state: BuildState) -> str:
    """``mnist-convolutional``."""
    return f"{state.dataset}-{state.preset or 'custom'}"


def explain(title: str, sentence: str) -> None:
    """A dialog with one sentence."""
    dialog, card = dialog_box(title, once=True)
    with card:
        text(sentence)
    dialog.open()


def _upload_dialog(state: BuildState) -> None:
    dialog, card = dialog_box("Open a network file", once=True)
    upload: ui.upload
    problem: ui.label

    def complain(sentence: str) -> None:
        problem.set_text(sentence)
        problem.set_visibility(bool(sentence))

    async def take(event: events.UploadEventArguments) -> None:
        complain("")
        try:
            content = (await event.file.read()).decode("utf-8", errors="replace")
            network = Network.from_json(content, dataset_infos()[state.dataset].input_shape)
        except ConvolabError as error:
            complain(f"{event.file.name}: {error}")
            upload.reset()
            return
        state.change(network=network)
        dialog.close()

    with card:
        text(
            "A network that was downloaded here, or by the original Model Builder. "
            "It takes the place of yours; undo brings that back."
        )
        upload = upload_box(
            "Choose a file or drop it here",
            ".json,application/json,.txt",
            MAX_CHARACTERS,
            take,
            lambda: complain("This file is no JSON text, or too large to be a network."),
        )
        problem = text("", "note bad")
        problem.props["role"] = "alert"
        complain("")
    dialog.open()


def _pin(state: BuildState) -> None:
    try:
        made = pin_network(state.dataset, state.network, state.settings)
    except ConvolabError as error:
        explain("The network cannot be pinned yet", str(error))
        return
    explain(
        "Pinned to the page",
        f"“{made.title}” is among the pins of the room Page: its layers as a table, as JSON, and as code.",
    )


def _code_dialog(state: BuildState) -> None:
    try:
        code = state.network.to_code(state.settings, dataset=state.dataset)
    except ConvolabError as error:
        explain("There is no code for this network yet", str(error))
        return
    dialog, card = dialog_box("PyTorch code", broad=True, once=True)
    name = f"{file_name(state).replace('-', '_')}.py"
    with card:
        text(
            "A script that trains this network with these settings. It needs PyTorch and NumPy, not convolab."
        )
        with box("row-x"):
            copy = button("Copy", icon="o_content_copy", kind="main-action")
            copy.on_click(lambda: ui.run_javascript(f"labCopy({json.dumps(code)})"))
            button(
                f"Download {name}", icon="o_file_download", on_click=lambda: ui.download.content(code, name)
            )
        with box("code", "pre") as shown:
            shown.props.update({"tabindex": 0, "aria-label": "The script"})
            text(code, tag="code")
    dialog.open()
