"""Styles being learned as jobs: executed from a folder, interrupted, taken up again, kept in the library."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fast_kit import SETTINGS, photos, tiny_learning
from PIL import Image
from style_kit import image, stripes, tiny_network

from convolab.errors import DataError, RunError
from convolab.runs import Queue
from convolab.runs.kinds import all_jobs, execute_job, folder_of
from convolab.style.fast import job as job_module
from convolab.style.fast import learning as learning_module
from convolab.style.fast import library
from convolab.style.fast.events import LearnEvent, LearnPaused, LearnRecovered, LearnStep
from convolab.style.fast.job import create_learning, execute_learning
from convolab.style.fast.job_folder import LearnFolder, LearnSpec
from convolab.style.fast.learning import Learning
from convolab.style.fast.settings import LearnSettings
from convolab.style.weights import fetch_weights


@pytest.fixture(autouse=True)
def _tiny(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of each test's own, networks that take no time, every step written down."""

    def learning(folder: LearnFolder, spec: LearnSpec, control: object) -> Learning:
        return Learning(
            folder.painting_path,
            spec.settings,
            photos=photos(),
            title=spec.name,
            network=tiny_network(),
            control=control,  # type: ignore[arg-type]
            checkpoint_path=folder.checkpoint_path,
            checkpoint_every=0,
        )

    monkeypatch.setattr(job_module, "_learning", learning)
    monkeypatch.setattr(job_module, "STEP_SECONDS", 0)
    monkeypatch.setattr(learning_module, "FIRST_PREVIEW", 0)
    monkeypatch.setattr(learning_module, "PREVIEW_SECONDS", 0)
    monkeypatch.setattr(learning_module, "PREVIEW_SHARE", 1e9)
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "shipped")


def new(tmp_path: Path, settings: LearnSettings = SETTINGS) -> LearnFolder:
    stripes().save(tmp_path / "red_stripes.png")
    return LearnFolder(create_learning(tmp_path / "red_stripes.png", settings))


def test_a_style_is_learned_as_without_a_folder_and_is_in_the_library_then(tmp_path: Path) -> None:
    folder = new(tmp_path, SETTINGS.changed(steps=4))
    assert folder.state().state == "queued"
    assert folder.name == "Red stripes"
    assert [job.run_id for job in all_jobs()] == [folder.run_id]
    assert isinstance(folder_of(folder.run_id), LearnFolder)
    assert execute_job(folder.run_id)
    end = execute_learning(folder.run_id)  # once is enough
    assert end is not None
    assert (end.step, end.stopped_because, end.name) == (4, "steps", "red-stripes")
    state = folder.state()
    assert (state.state, state.figures.steps, state.figures.fraction) == ("finished", 4, 1.0)
    assert folder.previews() == [1, 2, 3, 4]
    assert Image.open(folder.preview_path(4)).size == Image.open(folder.photos_path).size
    straight = tiny_learning(SETTINGS.changed(steps=4))
    list(straight.events())
    kept = library.get_style("red-stripes").network.state_dict()
    for name, weight in straight.average.state_dict().items():
        assert torch.equal(kept[name], weight.half().float())
    steps = [entry["step"] for entry in folder.entries()[0] if entry["kind"] == "step"]
    assert steps == [1, 2, 3, 4]


def test_stopped_early_it_is_kept_and_learned_further_it_takes_its_own_place(tmp_path: Path) -> None:
    folder = new(tmp_path, SETTINGS.changed(steps=6))

    def stop(event: LearnEvent) -> None:
        if isinstance(event, LearnStep) and event.step == 2:
            folder.control(stop=True)

    end = execute_learning(folder.run_id, stop)
    assert end is not None
    assert (end.stopped_because, end.name, folder.state().state) == ("user", "red-stripes", "stopped")
    assert library.find_style("red-stripes").card.steps == 2
    end = execute_learning(folder.run_id)
    assert end is not None
    assert (end.step, end.name) == (6, "red-stripes")
    assert [(entry.name, entry.card.steps) for entry in library.styles()] == [("red-stripes", 6)]


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    folder = new(tmp_path)

    class Killed(BaseException):
        pass

    def kill(event: LearnEvent) -> None:
        if isinstance(event, LearnStep) and event.step == 5:
            raise Killed

    with pytest.raises(Killed):
        execute_learning(folder.run_id, kill)
    folder.set_state("running")  # as a process leaves it that has no time for words
    seen: list[LearnEvent] = []
    end = execute_learning(folder.run_id, seen.append)
    assert end is not None
    recovered = [event for event in seen if isinstance(event, LearnRecovered)]
    assert len(recovered) == 1
    assert "goes on by itself from its saved state after 4 steps" in recovered[0].message
    straight = tiny_learning()
    list(straight.events())
    assert straight.finished is not None
    assert end.total == pytest.approx(straight.finished.total, rel=1e-6)


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from fast_kit import tiny_learning
from convolab.style.fast import job, learning
job._learning = lambda folder, spec, control: tiny_learning(
    spec.settings, control=control, checkpoint_path=folder.checkpoint_path, checkpoint_every=0
)
def kill(event):
    if event.kind == "step" and event.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
job.execute_learning(sys.argv[2], kill)
"""


def test_a_process_that_is_really_killed_loses_nothing(tmp_path: Path) -> None:
    folder = new(tmp_path)
    child = [sys.executable, "-c", KILLED, str(Path(__file__).parent), folder.run_id]
    done = subprocess.run(child, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert folder.written_state().state == "running"
    assert not folder.held()
    assert folder.state().state == "interrupted"
    seen: list[LearnEvent] = []
    end = execute_learning(folder.run_id, seen.append)
    assert [event.step for event in seen if isinstance(event, LearnRecovered)] == [4]
    straight = tiny_learning()
    list(straight.events())
    assert end is not None
    assert straight.finished is not None
    assert end.total == pytest.approx(straight.finished.total, rel=1e-6)
    kept = library.get_style(end.name).network.state_dict()
    for name, weight in straight.average.state_dict().items():
        assert torch.equal(kept[name], weight.half().float())


@pytest.mark.data
def test_a_worker_of_the_queue_that_is_killed_is_replaced_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        fetch_weights("vgg-16")
    except DataError as error:
        pytest.skip(f"VGG-16 cannot be had here: {error}")
    monkeypatch.setenv("CONVOLAB_CHECKPOINT_SECONDS", "0.05")
    (tmp_path / "album").mkdir()
    for seed in range(4):
        image(seed, 60, 48).save(tmp_path / "album" / f"{seed}.png")
    stripes().save(tmp_path / "stripes.png")
    settings = SETTINGS.changed(steps=100_000, content_layer="relu1_2", style_layers="relu1_1")
    folder = LearnFolder(create_learning(tmp_path / "stripes.png", settings, photos=tmp_path / "album"))

    def entries(kind: str) -> list[dict[str, object]]:
        return [entry for entry in folder.entries()[0] if entry["kind"] == kind]

    def until(condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}: {folder.state()}"
            time.sleep(0.05)

    with Queue() as queue:
        queue.submit(folder.run_id)
        until(lambda: entries("saved") and entries("step"), "a saved state")
        worker = folder.written_state().pid
        assert worker
        os.kill(worker, signal.SIGKILL)
        until(lambda: len(entries("started")) == 2, "the next worker")
        resumed = entries("started")[1]["step"]
        assert isinstance(resumed, int)
        assert resumed > 0
        assert f"after {resumed:,} steps" in str(entries("recovered")[0]["message"])
        assert folder.written_state().pid != worker
        queue.stop(folder.run_id)
        until(lambda: entries("finished"), "its end")
    assert library.find_style(str(entries("finished")[0]["name"])).card.steps >= resumed


def test_paused_and_released_it_waits_for_its_next_worker(tmp_path: Path) -> None:
    folder = new(tmp_path)

    def pause(event: LearnEvent) -> None:
        if isinstance(event, LearnStep) and event.step == 3:
            folder.control(paused=True)
        if isinstance(event, LearnPaused):
            folder.control(release=True)

    assert execute_learning(folder.run_id, pause) is None
    assert folder.state().state == "paused"
    assert not library.styles()
    assert execute_learning(folder.run_id) is not None


def test_what_cannot_be_learned_never_becomes_a_job(tmp_path: Path) -> None:
    (tmp_path / "odd.png").write_bytes(b"odd")
    image().save(tmp_path / "good.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"odd\.png cannot be used"):
        create_learning(tmp_path / "odd.png", SETTINGS)
    with pytest.raises(DataError, match="no pictures"):
        create_learning(tmp_path / "good.png", SETTINGS, photos=tmp_path / "empty")
    assert not LearnFolder.all()
    with pytest.raises(RunError, match="no style being learned style-none"):
        execute_learning("style-none")


def test_the_lab_lists_it_among_its_jobs(tmp_path: Path) -> None:
    from convolab.app.jobs import Jobs, address_of

    folder = new(tmp_path, SETTINGS.changed(steps=3))
    assert execute_learning(folder.run_id) is not None
    (job,) = Jobs().refreshed()["jobs"]
    assert (job["name"], job["sentence"]) == ("Red stripes", "Finished at 3 steps.")
    assert job["what"].startswith("learning a style")
    assert folder.run_id in address_of(folder.run_id)
