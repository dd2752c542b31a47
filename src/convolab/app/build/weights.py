"""Trained weights to take along as a file, and to bring back to look at, test or train on."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nicegui import events, run, ui

from convolab.app.drafts import Start, nameless, set_start
from convolab.app.state import BuildState, dataset_infos
from convolab.app.theme import dialog_box, text, upload_box
from convolab.errors import ConvolabError, NetworkError
from convolab.home import home
from convolab.networks import Network

MAX_UPLOAD = 1_200_000_000
"""Bytes; the largest network the lab trains has a gigabyte of weights."""


def weights_items(state: BuildState, item: Callable[..., ui.menu_item]) -> None:
    """The menu's lines about weights."""
    download = item("o_file_download", "Download the trained weights", lambda: _download(state))
    item("o_file_upload", "Start from a file of weights …", lambda: _upload_dialog(state))

    def follow() -> None:
        download.set_enabled(state.run_id is not None)

    state.subscribe(follow, "run_id")
    follow()


def _download(state: BuildState) -> None:
    from convolab.runs import RunFolder

    try:
        path = RunFolder(str(state.run_id)).weights_path
    except ConvolabError as error:
        _say("There are no weights", str(error))
        return
    if not path.exists():
        _say(
            "There are no weights yet", "They are saved with the first evaluation of the run; try again then."
        )
        return
    ui.download.file(path, f"{state.dataset}-{state.run_id}.safetensors")


def _say(title: str, sentence: str) -> None:
    dialog, card = dialog_box(title, once=True)
    with card:
        text(sentence)
    dialog.open()


def _upload_dialog(state: BuildState) -> None:
    dialog, card = dialog_box("Start from a file of weights", once=True)

    def say(sentence: str, bad: bool = False) -> None:
        message.set_text(sentence)
        message.classes(add="bad") if bad else message.classes(remove="bad")
        message.set_visibility(bool(sentence))

    async def take(event: events.UploadEventArguments) -> None:
        say("Reading …")
        try:
            with tempfile.TemporaryDirectory(prefix="convolab-") as folder:
                arrived = Path(folder) / "weights.safetensors"
                await event.file.save(arrived)
                kept = await run.io_bound(_keep, arrived)
            if kept is None:  # the lab is being closed
                return
            network, name, path = kept
            _start_from(state, network, name, Start(path, event.file.name, nameless(network)))
        except ConvolabError as error:
            upload.reset()
            say(str(error).replace("weights.safetensors", event.file.name), bad=True)
            return
        dialog.close()

    with card:
        text(
            "A file that was downloaded here. Its network takes the place of yours (undo brings that back). "
            "Its weights are shown as they are, and the next run begins with them. On a data set of the same "
            "shape you stay, so that they can be tested on other images."
        )
        upload = upload_box(
            "Choose a file or drop it here",
            ".safetensors",
            MAX_UPLOAD,
            take,
            lambda: say("This is no file of weights (.safetensors), or it is too large.", bad=True),
            lambda: say("Uploading …"),
        )
        message = text("", "note")
        message.props["role"] = "status"
        say("")
    dialog.open()


def _keep(arrived: Path) -> tuple[Network, str, Path]:
    """Check a file and keep it in the lab's home: its network, its data set's name, where it is."""
    from convolab.training.weights import load_weights

    network, _, about = load_weights(arrived)
    with arrived.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    folder = home() / "weights"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{digest}.safetensors"
        shutil.move(arrived, path)
    except OSError as error:
        raise NetworkError(f"The weights cannot be kept in {folder}: {error.strerror}.") from None
    return network, about.dataset, path


def _start_from(state: BuildState, network: Network, dataset: str, start: Start) -> None:
    """Take the network and its weights over, on this data set if they fit it, else on their own."""
    infos = dataset_infos()
    classes = network.output_shape
    fitting = [
        name
        for name in (state.dataset, dataset)
        if name in infos
        and infos[name].input_shape == network.input_shape
        and (len(infos[name].classes),) == classes
    ]
    if not fitting:
        raise NetworkError(
            f'These weights were learned on "{dataset}", which is not here, and they do not fit '
            f"{infos[state.dataset].title}; choose a data set of the same shape first."
        )
    values: dict[str, Any] = {"dataset": fitting[0], "network": network, "run_id": None}
    set_start(state, start)
    state.change(**values)
    state.announce("start")
