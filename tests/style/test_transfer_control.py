"""Painting is paused, changed, stopped, saved and gone on with, on a tiny feature network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from style_kit import image
from transfer_kit import Script, of, paint, pixels

from convolab.errors import SettingsError, TrainingError
from convolab.style.control import MemoryTransferControl, TransferCommands
from convolab.style.events import Iterate, TransferPaused, TransferResumed, TransferSaved, WeightsChanged


def test_pause_change_w_and_go_on() -> None:
    other = TransferCommands(weight=0.9, style_weights=(2.0, 1.0, 1.0))
    script = Script(
        (0, TransferCommands()),
        (6, TransferCommands(paused=True)),
        (9, TransferCommands(paused=True, weight=0.9)),
        (11, other),
    )
    _, events = paint(options={"control": script})
    kinds = [type(event) for event in events]
    assert kinds.index(TransferPaused) < kinds.index(WeightsChanged) < kinds.index(TransferResumed)
    iterates = of(Iterate, events)
    assert len(iterates) == 20
    assert [event.weight for event in iterates] == [0.5] * 5 + [0.9] * 15
    changed = of(WeightsChanged, events)[-1]
    assert changed.style_weights == [0.5, 0.25, 0.25]
    last = iterates[-1]
    by_layer = list(last.style_by_layer.values())
    assert last.style == pytest.approx(0.5 * by_layer[0] + 0.25 * by_layer[1] + 0.25 * by_layer[2], rel=1e-5)
    assert events[-1].total < iterates[5].total  # it went on getting better by the new measure


def test_stop_keeps_the_picture() -> None:
    _, events = paint(options={"control": Script((0, TransferCommands()), (8, TransferCommands(stop=True)))})
    assert events[-1].stopped_because == "user"
    assert events[-1].step == 7


def test_memory_control_checks_what_it_is_given() -> None:
    control = MemoryTransferControl()
    control.pause()
    assert control.poll().paused
    control.resume()
    control.change(weight=0.25)
    assert control.poll() == TransferCommands(weight=0.25)
    with pytest.raises(SettingsError, match=r"W must be between 0 and 1, not 1\.5"):
        control.change(weight=1.5)
    with pytest.raises(SettingsError, match="not all 0"):
        control.change(style_weights=(0.0, 0.0))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("at", [3, 9, 14])
def test_resumed_is_uninterrupted(tmp_path: Path, optimizer: str, at: int) -> None:
    values = {"size": 320, "steps": 16, "optimizer": optimizer, "start": "noise"}
    whole, _ = paint(**values)
    path = tmp_path / "state.safetensors"
    first = Script((0, TransferCommands()), (at + 1, TransferCommands(release=True)))
    _, events = paint(options={"control": first, "checkpoint_path": path}, **values)
    assert isinstance(events[-1], TransferPaused)
    assert events[-2] == TransferSaved(step=at, path=str(path))
    again, events = paint(options={"checkpoint_path": path}, **values)
    assert events[0].step == at
    assert events[-1].step == 16
    assert np.array_equal(pixels(whole), pixels(again))
    assert whole.optimizer is not None
    assert again.optimizer is not None
    assert torch.equal(whole.optimizer.picture, again.optimizer.picture)


def test_changed_weights_are_saved_too(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    script = Script((0, TransferCommands(weight=0.8)), (6, TransferCommands(weight=0.8, release=True)))
    paint(options={"control": script, "checkpoint_path": path})
    again, events = paint(options={"checkpoint_path": path})
    assert {event.weight for event in of(Iterate, events)} == {0.8}
    assert again.weights.weight == 0.8


def test_a_state_of_other_pictures_or_none_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    script = Script((0, TransferCommands()), (4, TransferCommands(release=True)))
    paint(options={"control": script, "checkpoint_path": path})
    with pytest.raises(TrainingError, match="other pictures or settings"):
        paint(image(9), options={"checkpoint_path": path})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="damaged or cut short"):
        paint(options={"checkpoint_path": path})


def test_saved_now_and_then(tmp_path: Path) -> None:
    _, events = paint(options={"checkpoint_path": tmp_path / "s.safetensors", "checkpoint_every": 0.0})
    assert len(of(TransferSaved, events)) == 20
