"""The training column's head: train, pause, step, stop, start anew; the learning rate; figures and state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import run, ui

from convolab.app import background, longwork
from convolab.app.build.fields import Field
from convolab.app.build.shown import differs, follow_source, shown_run
from convolab.app.drafts import start_of
from convolab.app.jobs import JOBS, steer, the_queue
from convolab.app.live import VIEWS, RunView
from convolab.app.state import BuildState, dataset_infos
from convolab.app.theme import box, button, text
from convolab.errors import ConvolabError, RunError
from convolab.spec import knobs
from convolab.training.settings import TrainingSettings
from convolab.widgets.widget import Widget

_UNDER_WAY = ("queued", "running", "paused")
_MAIN = {
    "running": ("Pause", "o_pause", "Wait with a checkpoint (Space)"),
    "paused": ("Resume", "o_play_arrow", "Go on (Space)"),
    "interrupted": ("Resume", "o_play_arrow", "Go on from the last checkpoint (Space)"),
    "stopped": ("Resume", "o_play_arrow", "Go on from the last checkpoint (Space)"),
    "queued": ("Waiting", "o_hourglass_empty", "Its turn comes when the run before it has ended"),
}
_TRAIN = ("Train", "o_play_arrow", "Train the network with these settings (Space)")


def training(state: BuildState) -> None:
    """Create the panel in the current slot."""
    _Panel(state)


class _Panel:
    """The elements of one tab, and what pressing them does."""

    def __init__(self, state: BuildState) -> None:
        self.state = state
        self.view: RunView | None = None
        self.busy = ""
        self._unfollow: Callable[[], None] = lambda: None
        with box("panel training") as self.panel:
            with box("row-x wrap training-buttons"):
                self.main = button(
                    "Train", self.press_main, kind="main-action", icon="o_play_arrow", key="train"
                ).classes("train")
                self.step = button(
                    icon="o_skip_next",
                    label="One batch",
                    tip="Train one batch, then wait",
                    on_click=self.press_step,
                )
                self.stop = button(
                    icon="o_stop",
                    label="Stop",
                    tip="End with a checkpoint and a last evaluation",
                    on_click=self.press_stop,
                )
                self.reset = button(
                    icon="o_replay",
                    label="Start anew",
                    tip="Back to the same initial weights; the next press of Train makes a new run",
                    on_click=self.press_reset,
                )
                rate = next(knob for knob in knobs(TrainingSettings) if knob.name == "learning_rate")
                self.rate = Field(
                    rate,
                    state.settings.learning_rate,
                    self.change_rate,
                    label="Learning rate now",
                    inline=True,
                ).classes("rate-now")
            self.problem = text("", "note bad")
            self.problem.props["role"] = "alert"
            self.start_note = text("", "muted small")
            with box("note other-model") as self.other:
                text("The network or settings have changed since this run was started; it goes on as it was.")
                button("Train the changed one", self.train, icon="o_play_arrow", kind="line")
            self.status = Widget("training_status")
            with ui.element("a").classes("look-inside") as self.inside:
                text("Look inside this network", tag="span")
        follow_source(state, self.status)
        state.subscribe(self.follow_run, "run_id")
        state.subscribe(self.dataset_changed, "dataset")
        state.subscribe(lambda: self.complain(""), "dataset", "network", "settings")
        state.subscribe(self.draw, "dataset", "network", "settings", "start", "data")
        self.follow_run()

    # ---------------------------------------------------------------- what is shown

    def follow_run(self) -> None:
        """Attend to the run that the tab shows now."""
        self._unfollow()
        self.complain("")
        self.view = shown_run(self.state)
        self._unfollow = self.view.on_change(self.state_changed) if self.view else lambda: None
        self.draw()

    def state_changed(self) -> None:
        """Called by the run's view, for every tab that shows it."""
        if self.panel.is_deleted:
            self._unfollow()
            return
        with self.panel:
            self.draw()

    def dataset_changed(self) -> None:
        """A run belongs to its data set; with another one, start with another page."""
        if self.view and self.view.spec.dataset != self.state.dataset:
            self.state.change(run_id=None)

    @property
    def standing(self) -> str:
        """``draft``, or the state of the run."""
        if self.view is None or self.view.state is None:
            return "draft"
        return self.view.state.state

    def draw(self) -> None:
        """Put the buttons into the state of the run. Only what changes is sent."""
        standing = self.standing
        label, icon, tip = _MAIN.get(standing, _TRAIN)
        if self.busy:
            label, icon = self.busy, "o_hourglass_empty"
        if self.main.text != label:
            self.main.set_text(label)
            self.main.set_icon(icon)
            self.main.props["data-tip"] = tip
        _enable(self.main, not self.busy and standing != "queued")
        _enable(self.step, not self.busy and standing in ("draft", "running", "paused", "finished"))
        _enable(self.stop, not self.busy and standing in (*_UNDER_WAY, "interrupted"))
        _enable(self.reset, not self.busy and self.view is not None)
        _show(self.rate, standing in _UNDER_WAY)
        if self.view is not None:
            self.rate.show(self.view.learning_rate_wanted)
            inside = f"/look?run={self.view.run_id}"
            if self.inside.props.get("href") != inside:
                self.inside.props["href"] = inside
        _show(self.inside, self.view is not None)
        _show(
            self.other,
            self.view is not None
            and standing in (*_UNDER_WAY, "interrupted", "stopped")
            and differs(self.state, self.view.spec),
        )
        start = start_of(self.state)
        words = f"Starts from the weights of {start.name}." if start and standing not in _UNDER_WAY else ""
        if self.start_note.text != words:
            self.start_note.set_text(words)
        _show(self.start_note, bool(words))

    def complain(self, sentence: str) -> None:
        """Show what went wrong under the buttons; nothing removes it."""
        if self.problem.text != sentence:
            self.problem.set_text(sentence)
        _show(self.problem, bool(sentence))

    # ---------------------------------------------------------------- what is pressed

    async def press_main(self) -> None:
        """Train, pause or resume: what the button says."""
        standing = self.standing
        if standing == "running":
            await self.ask("pause", "Pausing …")
        elif standing in ("paused", "interrupted", "stopped"):
            await self.ask("resume", "Resuming …")
        elif standing != "queued":
            await self.train()

    async def press_step(self) -> None:
        """One batch; of a new run, if there is none under way."""
        if self.standing in ("running", "paused"):
            await self.ask("step", "One batch …")
        else:
            await self.train(step=True)

    async def press_stop(self) -> None:
        """End the run."""
        await self.ask("stop", "Stopping …")

    async def press_reset(self) -> None:
        """Back to the untrained network with the same initial weights; the run stays in the list."""
        if self.standing in _UNDER_WAY and not await self.ask("stop", "Stopping …"):
            return
        self.state.change(run_id=None)

    def change_rate(self, value: Any) -> None:
        """Give the run another learning rate while it trains. Raises SettingsError, shown under the field."""
        if self.view is None or self.standing not in _UNDER_WAY:
            return
        settings = self.view.spec.settings.changed(learning_rate=value)  # refuses what is out of range
        queue = background.queue()
        if queue is None:
            raise RunError("The lab is still starting its workers; try again in a moment.")
        self.view.learning_rate_wanted = settings.learning_rate
        queue.set_learning_rate(self.view.run_id, settings.learning_rate)

    async def ask(self, action: str, doing: str) -> bool:
        """Ask something of the run that is shown; says whether that worked."""
        view = self.view
        if view is None:
            return False
        return await self.work(doing, lambda: self._asked(view, action))

    async def _asked(self, view: RunView, action: str) -> None:
        before = self.standing
        await steer(action, view.run_id)
        # The worker obeys after the batch at hand; the button says what is happening until then.
        for _ in range(30):
            view.read_again()
            if await run.io_bound(view.refresh):
                view.tell()
            if self.standing != before or action == "step":
                break
            await asyncio.sleep(0.1)

    async def train(self, step: bool = False) -> None:
        """Make a run of the chosen network and settings, and queue it."""
        await self.work("Starting …", lambda: self._trained(step))

    async def _trained(self, step: bool) -> None:
        state = self.state
        network, settings, dataset = state.network, state.settings, state.dataset
        info = dataset_infos()[dataset]
        network.check(len(info.classes), info.input_shape)
        if not info.present:
            await self._fetched(dataset)
        queue = await the_queue()
        start = start_of(state)
        run_id = await run.io_bound(_created, dataset, network, settings, start, step)
        if run_id is None:  # the lab is being closed
            return
        await run.io_bound(queue.submit, run_id)
        JOBS.look_again()
        view = await run.io_bound(VIEWS.run, run_id)
        if view is not None:
            await run.io_bound(view.refresh)
        state.change(run_id=run_id)

    async def _fetched(self, dataset: str) -> None:
        """Wait for the data set, fetching it if nobody does yet."""
        work = longwork.fetch(dataset)
        while not work.finished:
            self.busy = "Fetching …"
            self.draw()
            await asyncio.sleep(0.3)
        if work.error:
            raise ConvolabError(work.error)
        self.state.announce("data")

    async def work(self, doing: str, action: Callable[[], Awaitable[None]]) -> bool:
        """Do something that takes a moment: the button says so, and errors stand under it."""
        if self.busy:
            return False
        self.busy = doing
        self.complain("")
        self.draw()
        try:
            await action()
        except ConvolabError as error:
            self.complain(str(error))
            return False
        finally:
            self.busy = ""
            if not self.panel.is_deleted:
                self.draw()
                self.status.send("news")
        return True


def _created(dataset: str, network: Any, settings: TrainingSettings, start: Any, step: bool) -> str:
    from convolab.runs import RunFolder, create_run

    options = {"initial_weights": start.path, "started_from": start.name} if start else {}
    run_id = create_run(dataset, network, settings, **options)
    if step:
        RunFolder(run_id).control(steps=1)
    return run_id


def _enable(element: ui.button, enabled: bool) -> None:
    if element.enabled != enabled:
        element.set_enabled(enabled)


def _show(element: ui.element, visible: bool) -> None:
    if element.visible != visible:
        element.set_visibility(visible)
