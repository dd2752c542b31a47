"""The run folder: what every process can read and write at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from subprocess import Popen

import pytest
from runs_kit import new_run, wait_for

from convolab.errors import RunError, SettingsError
from convolab.runs import FolderControl, Recorder, RunFolder
from convolab.runs import control as control_module
from convolab.training.events import Note, Resumed, Started

HOLD = """
import sys, time
from convolab.runs import RunFolder
folder = RunFolder("{}")
with folder.lock():
    folder.set_state("running")
    print("held", flush=True)
    time.sleep(600)
"""


def write(run_id: str, text: str) -> None:
    with RunFolder(run_id).events_path.open("a") as file:
        file.write(text)


def line(**values: object) -> str:
    return json.dumps({"time": 1.0, "kind": "note", "examples": 0, "message": "", **values}) + "\n"


def test_spec_holds_what_was_asked_for(shapes: str) -> None:
    run_id = new_run("first", seed=7, learning_rate=0.25)
    spec = RunFolder(run_id).spec()
    assert (spec.run_id, spec.name, spec.dataset, spec.started_from) == (run_id, "first", "shapes", None)
    assert (spec.settings.seed, spec.settings.learning_rate) == (7, 0.25)
    assert spec.network.parameters == 256 * 8 + 8 + 8 * 3 + 3
    assert spec.created.endswith("Z")


def test_events_are_read_piece_by_piece_and_a_half_written_line_later(shapes: str) -> None:
    folder = RunFolder(new_run())
    assert folder.events() == ([], 0)
    write(folder.run_id, line(message="a") + line(message="b"))
    found, place = folder.events()
    assert found == [Note(message="a"), Note(message="b")]
    whole = line(message="ä")
    write(folder.run_id, whole[:-7])
    assert folder.events(place) == ([], place)
    write(folder.run_id, whole[-7:])
    found, place = folder.events(place)
    assert found == [Note(message="ä")]
    assert folder.events(place) == ([], place)


def test_events_of_a_newer_lab_and_damaged_lines_are_skipped(shapes: str) -> None:
    folder = RunFolder(new_run())
    write(folder.run_id, line(kind="teleported") + "\0\0\n" + '{"kind": "finished"}\n' + line(message="ok"))
    assert folder.events()[0] == [Note(message="ok")]


def test_a_recorder_goes_on_after_a_line_that_a_killed_process_left_unfinished(shapes: str) -> None:
    folder = RunFolder(new_run())
    write(folder.run_id, line(message="whole"))
    _, place = folder.events()
    write(folder.run_id, '{"time": 1.0, "kind": "prog')
    recorder = Recorder(folder, FolderControl(folder.control_path))
    recorder.record(Resumed(examples=5))
    recorder.close()
    assert folder.events(place)[0] == [Resumed(examples=5)]
    assert folder.events()[0] == [Note(message="whole"), Resumed(examples=5)]


def test_wishes_stand_until_changed_and_steps_are_handed_out_once(shapes: str) -> None:
    folder = RunFolder(new_run())
    control = FolderControl(folder.control_path)
    assert not control.poll().paused
    folder.control(paused=True, learning_rate=0.5)
    assert control.poll().paused
    assert control.poll().learning_rate == 0.5
    folder.control(steps=2)
    folder.control(steps=1)
    commands = control.poll()
    assert (commands.steps, commands.paused, commands.learning_rate) == (3, True, 0.5)
    assert control.poll().steps == 0
    folder.control(steps=4)
    folder.control(paused=False)
    commands = control.poll()
    assert (commands.steps, commands.paused) == (0, False)
    folder.control(stop=True)
    assert control.poll().stop
    assert folder.wishes().by  # who it was


def test_a_step_pauses_a_run_that_trains(shapes: str) -> None:
    folder = RunFolder(new_run())
    folder.control(steps=1)
    assert folder.wishes().paused


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_nonsensical_learning_rate_is_refused_and_changes_nothing(shapes: str, rate: float) -> None:
    folder = RunFolder(new_run())
    folder.control(learning_rate=0.5)
    with pytest.raises(SettingsError, match="learning rate"):
        folder.control(learning_rate=rate)
    assert folder.wishes().learning_rate == 0.5


def test_a_look_at_the_wishes_reads_the_file_only_when_it_has_changed(
    shapes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(new_run())
    folder.control(paused=True)
    reads = []
    real = control_module.read_wishes
    monkeypatch.setattr(control_module, "read_wishes", lambda path: reads.append(1) or real(path))
    control = FolderControl(folder.control_path)
    for _ in range(100):
        assert control.poll().paused
    assert len(reads) == 1
    folder.control(paused=False)
    reads.clear()
    for _ in range(100):
        assert not control.poll().paused
    assert len(reads) == 1


def test_a_run_that_pauses_itself_stays_so_until_resume_is_pressed(shapes: str) -> None:
    folder = RunFolder(new_run())
    control = FolderControl(folder.control_path)
    control.hold()
    assert control.poll().paused
    assert folder.wishes().paused
    folder.control(paused=False)
    assert not control.poll().paused


def test_a_hold_that_cannot_be_noted_holds_all_the_same(shapes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(new_run())
    folder.control(paused=False)
    control = FolderControl(folder.control_path)
    assert not control.poll().paused

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(control_module, "replace_text", full)
        control.hold()
        assert control.poll().paused
    folder.control(paused=False)
    assert not control.poll().paused


def test_wishes_of_many_at_once_do_not_get_lost(shapes: str) -> None:
    folder = RunFolder(new_run())
    control = FolderControl(folder.control_path)
    fetched = []
    threads = [threading.Thread(target=lambda: folder.control(steps=1)) for _ in range(24)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        fetched.append(control.poll().steps)
    fetched += [control.poll().steps, control.poll().steps]
    assert sum(fetched) == 24


def test_a_running_run_whose_process_died_reads_as_interrupted(
    shapes: str, python: Callable[[str], Popen[str]]
) -> None:
    folder = RunFolder(new_run())
    holder = python(HOLD.format(folder.run_id))
    assert holder.stdout is not None
    holder.stdout.readline()
    assert folder.state().state == "running"
    assert folder.held()
    with pytest.raises(RunError, match=f"process {holder.pid}"), folder.lock():
        pass
    holder.kill()
    holder.wait()
    assert not folder.held()
    assert folder.state().state == "interrupted"
    assert folder.state().reason
    assert folder.written_state().state == "running"  # looking changes nothing


def test_a_run_that_waited_for_a_process_that_is_gone_reads_as_interrupted(
    shapes: str, python: Callable[[str], Popen[str]]
) -> None:
    maker = python(
        """
        from convolab.runs import create_run
        import sys; sys.path.insert(0, "tests/runs")
        from runs_kit import new_run
        print(new_run(), flush=True)
        input()
        """
    )
    assert maker.stdout is not None
    run_id = maker.stdout.readline().strip()
    assert RunFolder(run_id).state().state == "queued"
    maker.kill()
    maker.wait()
    assert RunFolder(run_id).state().state == "interrupted"


def test_damaged_files_get_a_sentence_or_a_safe_reading(shapes: str) -> None:
    folder = RunFolder(new_run())
    (folder.path / "state.json").write_text("{")
    assert folder.state().state == "interrupted"
    folder.control_path.write_text("[1")
    assert not FolderControl(folder.control_path).poll().stop
    (folder.path / "run.json").write_text('{"run_id": 3}')
    with pytest.raises(RunError, match="damaged"):
        folder.spec()


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "a b", "."])
def test_an_id_never_leads_out_of_the_folder_of_runs(home: object, name: str) -> None:
    with pytest.raises(RunError):
        RunFolder(name)


def test_an_unknown_run_gets_a_sentence(home: object) -> None:
    for ask in (lambda f: f.spec(), lambda f: f.state(), lambda f: f.control(paused=True)):
        with pytest.raises(RunError, match="There is no run abc"):
            ask(RunFolder("abc"))
    assert not RunFolder("abc").path.exists()


def test_states_are_replaced_whole_while_others_read_them(shapes: str) -> None:
    folder = RunFolder(new_run())
    done = threading.Event()

    def write_on() -> None:
        number = 0
        while not done.is_set():
            number += 1
            folder.set_state("paused", "x" * (number % 5000))

    writer = threading.Thread(target=write_on)
    folder.set_state("paused")
    writer.start()
    try:
        for _ in range(300):
            assert folder.written_state().state == "paused"
    finally:
        done.set()
        writer.join()
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_started_again_keeps_the_figures_of_before(shapes: str) -> None:
    folder = RunFolder(new_run())
    recorder = Recorder(folder, FolderControl(folder.control_path))
    recorder.record(
        Started(
            examples=96, parameters=3, train_size=1, test_size=1, device="cpu", precision="fp32",
            precision_reason="", threads=1,
        )
    )  # fmt: skip
    recorder.close()
    assert wait_for(lambda: folder.state().figures).examples == 96
    assert folder.state().figures.parameters == 3
