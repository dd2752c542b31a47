"""What one tab of the room does: takes changes over, starts, steers, says what went wrong where it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import run

from convolab.app import jobs
from convolab.app.transfer import grid, library, networks, presets, starting
from convolab.app.transfer.state import (
    DEFAULT_SETTINGS,
    MOST_STYLES,
    PICTURE,
    Wanted,
    of_spec,
    typed_weights,
    weights_text,
)
from convolab.app.transfer.view import VIEWS, TransferView, earlier
from convolab.errors import ConvolabError, DataError, RunError, SettingsError
from convolab.spec import check
from convolab.style.job_folder import TransferFolder
from convolab.style.settings import TransferSettings
from convolab.style.vgg import VGGS
from convolab.widgets.widget import Widget

_LIVE = ("weight", "style_weights", "tv")
"""Settings that a transfer takes over while it is painted."""
_FETCH_LOOK = 0.3


class Room:
    """The state of one tab, with what the page may ask of it. ``on_change(wanted)`` redraws the page."""

    def __init__(self, wanted: Wanted, on_change: Callable[[Wanted], None]) -> None:
        self.wanted = wanted
        self._on_change = on_change
        self._fetching: str = ""
        self.stage: Widget
        self.grid: Widget
        self.layers_widget: Widget

    def take(self, wanted: Wanted) -> None:
        """Show something else, and change what is being painted where that is possible."""
        before, self.wanted = self.wanted, wanted
        if before == wanted:
            return
        self._on_change(wanted)

    async def _take_live(self, wanted: Wanted) -> None:
        """`take`, and tell the shown transfer of other weights if it is under way."""
        before = self.wanted.settings
        self.take(wanted)
        settings = wanted.settings
        if all(getattr(before, name) == getattr(settings, name) for name in _LIVE):
            return
        view = self._view()
        if view is not None:
            await run.io_bound(view.refresh)
        if view is None or not view.under_way or settings.style_names != view.spec.settings.style_names:
            return
        try:
            await jobs.steer(
                "transfer weights",
                wanted.job,
                weight=settings.weight,
                style_weights=settings.layer_weights,
                tv=settings.tv,
            )
        except ConvolabError as error:
            self.stage.send({"error": str(error)})

    # ---------------------------------------------------------------- what is shown

    def layers(self) -> list[networks.LayerInfo]:
        """The layers to choose from; none if the network is gone."""
        try:
            return networks.layers(self.wanted.settings.network)
        except ConvolabError:
            return []

    def differs(self) -> bool:
        """Whether the shown transfer was begun with something else than what is chosen now."""
        view = self._view()
        if view is None:
            return False
        same = {name: getattr(self.wanted.settings, name) for name in _LIVE}
        begun = of_spec(view.spec, self.wanted)
        try:
            begun = begun.changed_settings(**_fitting_live(begun.settings, same))
        except SettingsError:  # one half on its own allows no other W
            return True
        return begun != replace(self.wanted, grid=begun.grid)

    def _view(self) -> TransferView | None:
        if not self.wanted.job:
            return None
        try:
            return VIEWS.get(self.wanted.job)
        except ConvolabError:
            return None

    # ---------------------------------------------------------------- settings

    def take_setting(self, name: str, value: Any) -> None:
        """Take one field over. SettingsError if it does not fit."""
        wanted = self.wanted.changed_settings(**{name: value})
        if name in _LIVE:
            _later(self._take_live(wanted))
        else:
            self.take(wanted)

    def take_network(self, network: str) -> None:
        """Take another feature network, with layers that it has. ConvolabError if it is gone."""
        self.take(replace(self.wanted, settings=networks.fitting(network, self.wanted.settings)))

    def take_view(self, view: str) -> None:
        """Show one picture, or the grid."""
        self.take(replace(self.wanted, view=view))

    async def heard_weight(self, message: dict[str, Any]) -> None:
        """W was moved, or a preset pressed."""
        try:
            if "preset" in message:
                settings = presets.applied(str(message["preset"]), self.wanted.settings)
                await self._take_live(replace(self.wanted, settings=settings))
            elif isinstance(message.get("weight"), int | float):
                await self._take_live(self.wanted.changed_settings(weight=float(message["weight"])))
        except SettingsError as error:  # such as a W above 0 where only the content is rebuilt
            self.stage.send({"error": str(error)})

    async def heard_layers(self, message: dict[str, Any]) -> None:
        """A layer was chosen for content or style, or not any more; or its weight was changed."""
        name = str(message.get("layer"))
        try:
            if "weight" in message:
                wanted = self._weighted(name, float(message["weight"]))
            else:
                wanted = self._switched(name, str(message.get("for")), bool(message.get("on")))
        except (SettingsError, ValueError) as error:
            self.layers_widget.send({"error": str(error)})
            return
        self.layers_widget.send({})
        await self._take_live(wanted)

    def _switched(self, name: str, kind: str, on: bool) -> Wanted:
        """With a layer among those for ``content`` or ``style``, or without it."""
        now = self.wanted.settings
        before = now.content_names if kind == "content" else now.style_names
        order = [layer.name for layer in self.layers()]
        names = [other for other in order if (on if other == name else other in before)]
        if kind == "content":
            return self.wanted.changed_settings(content_layer=names)
        weights = typed_weights(now)
        text = weights_text([weights.get(other, 1.0) for other in names])
        return self.wanted.changed_settings(style_layers=names, style_weights=text)

    def _weighted(self, name: str, weight: float) -> Wanted:
        """With another weight of a style layer."""
        weights = {**typed_weights(self.wanted.settings), name: weight}
        parts = [weights[other] for other in self.wanted.settings.style_names]
        return self.wanted.changed_settings(style_weights=weights_text(parts))

    # ---------------------------------------------------------------- pictures

    async def heard_pictures(self, message: dict[str, Any]) -> None:
        """Another photo, other styles, masks; or a picture that the lab painted, with its settings."""
        try:
            if "photo" in message:
                self.take(replace(self.wanted, photo=library.entry(str(message["photo"])).key, masks=()))
            elif "styles" in message:
                keys = tuple(library.entry(str(key)).key for key in message["styles"])
                if keys:
                    self.take(self.wanted.with_styles(keys))
            elif "masks" in message:
                self.take(replace(self.wanted, masks=tuple(str(key) for key in message["masks"])))
            elif "blend" in message:
                self.take(self.wanted.changed_settings(blend=[f"{part:g}" for part in message["blend"]]))
            elif "start" in message:
                self.take(
                    self.wanted.changed_settings(start=PICTURE + library.entry(str(message["start"])).key)
                )
            elif "painted" in message:
                self._take_painted(message["painted"])
        except ConvolabError as error:
            self.stage.send({"error": str(error)})

    def _take_painted(self, painted: dict[str, Any]) -> None:
        """Settings from a picture; its photo and styles, too, where they are in this lab."""
        settings, keys, count = _noted(painted)
        changes: dict[str, Any] = {}
        missing = []
        photo = _in_library(keys.get("content", ""))
        styles = tuple(_in_library(keys.get(f"style-{i}", "")) for i in range(count))
        if photo:
            changes["photo"] = photo
        else:
            missing.append("its photo")
        if styles and all(styles):
            changes["styles"] = styles
        else:
            missing.append("its style")
            settings = settings.changed(blend="")
        masks = tuple(_in_library(key) for place, key in sorted(keys.items()) if place.startswith("mask-"))
        changes["masks"] = masks if masks and all(masks) and len(masks) == len(styles) else ()
        start = _in_library(keys.get("start", ""))
        if settings.start not in ("noise", "content"):
            settings = settings.changed(start=PICTURE + start if start else DEFAULT_SETTINGS.start)
        network = keys.get("network", settings.network)
        try:
            settings = networks.fitting(network, settings)
        except ConvolabError:
            missing.append("its feature network")
            settings = networks.fitting("vgg-16", settings)
        self.take(replace(self.wanted, settings=settings, job="", **changes))
        if missing:
            gone = " and ".join(missing)
            self.stage.send(
                {"error": f"The settings are loaded; {gone} is not in this lab, so bring it again."}
            )

    # ---------------------------------------------------------------- starting and steering

    async def heard_stage(self, message: dict[str, Any]) -> None:
        """A button above the picture was pressed."""
        action = str(message.get("do"))
        try:
            if action == "paint":
                await self._begin(lambda: starting.paint(self.wanted))
            elif action == "rebuild":
                half: starting.Half = "style" if message.get("half") == "style" else "content"
                await self._begin(lambda: starting.rebuild(self.wanted, half))
            elif action == "anew":
                self.take(replace(self.wanted, job=""))
            elif action == "list":
                self.stage.send({"earlier": await run.io_bound(earlier)})
            elif action == "open":
                self.take(of_spec(VIEWS.get(str(message.get("job"))).spec, self.wanted))
            elif action == "delete":
                await self._delete(str(message.get("job")))
            elif action in ("pause", "resume", "stop") and self.wanted.job:
                await jobs.steer(action, self.wanted.job)
                VIEWS.get(self.wanted.job).read_again()
                self.stage.send({"done": True, "look": True})
        except ConvolabError as error:
            self.stage.send({"error": str(error)})

    async def _delete(self, run_id: str) -> None:
        folder = TransferFolder(run_id)
        if folder.held():
            raise RunError(f"{folder.name} is being painted; stop it first.")
        await run.io_bound(folder.delete)
        VIEWS.forget(run_id)
        jobs.JOBS.look_again()
        if self.wanted.job == run_id:
            self.take(replace(self.wanted, job=""))
        self.stage.send({"earlier": await run.io_bound(earlier)})

    async def heard_grid(self, message: dict[str, Any]) -> None:
        """A grid is to be painted or stopped, or one of its pictures to be shown."""
        try:
            if "open" in message:
                view = VIEWS.get(str(message["open"]))
                wanted = of_spec(view.spec, self.wanted)
                self.take(replace(wanted, view="picture"))
            elif message.get("do") == "stop":
                for run_id in grid.members(self.wanted.grid):
                    if VIEWS.get(run_id).under_way:
                        await jobs.steer("stop", run_id)
            elif message.get("do") == "begin":
                await self._begin_grid(message)
        except ConvolabError as error:
            self.grid.send({"error": str(error)})

    async def _begin_grid(self, message: dict[str, Any]) -> None:
        size = _whole(message.get("size"), "Size", 32, 512)
        steps = _whole(message.get("steps"), "Steps", 1, 1000)
        columns = str(message.get("columns"))
        if columns not in starting.GRIDS:
            raise SettingsError("Choose what the columns of the grid are.")
        await self._have_network()
        made = await run.io_bound(
            starting.grid, self.wanted, columns, str(message.get("weights", "")), size, steps
        )
        assert made is not None
        grid_id, run_ids = made
        queue = await jobs.the_queue()
        for run_id in run_ids:
            await run.io_bound(queue.submit, run_id)
        grid.note(grid_id, run_ids)
        jobs.JOBS.look_again()
        self.take(replace(self.wanted, grid=grid_id))
        self.grid.send({"done": True})

    async def _begin(self, make: Callable[[], str]) -> None:
        await self._have_network()
        queue = await jobs.the_queue()
        run_id = await run.io_bound(make)
        assert run_id is not None
        await run.io_bound(queue.submit, run_id)
        jobs.JOBS.look_again()
        self.take(replace(self.wanted, job=run_id))
        self.stage.send({"done": True, "look": True})

    async def _have_network(self) -> None:
        """Fetch the feature network if it is not here. DataError with what to do if no source answers."""
        import asyncio

        network = self.wanted.settings.network
        if await run.io_bound(networks.is_here, network):
            return
        work = networks.fetch(network)
        while not work.finished:
            self.stage.send({"fetching": work.sentence, "fraction": work.fraction})
            await asyncio.sleep(_FETCH_LOOK)
        self.stage.send({"fetching": ""})
        if work.error:
            others = [name for name, _ in networks.choices() if name not in VGGS]
            way_out = (
                "Or choose a network that was trained in the lab as feature network, above."
                if others
                else "Or train a network in the room Build: it can serve as feature network."
            )
            raise DataError(f"{work.error} {way_out}")


def _later(work: Any) -> None:
    from nicegui import background_tasks

    background_tasks.create(work)


def _fitting_live(settings: TransferSettings, values: dict[str, Any]) -> dict[str, Any]:
    """Live values that fit the settings: weights belong to their layers."""
    count = len([part for part in str(values["style_weights"]).split(",") if part])
    if count in (0, len(settings.style_names)):
        return values
    return {**values, "style_weights": settings.style_weights}


def _noted(painted: Any) -> tuple[TransferSettings, dict[str, str], int]:
    """What a PNG's metadata say: settings, keys of its pictures by their places, and how many styles it has.

    SettingsError unless they have the form in which the lab writes them: a file can hold anything.
    """
    facts = painted.get("facts") or {} if isinstance(painted, dict) else None
    keys = facts.get("keys", {}) if isinstance(facts, dict) else None
    styles = facts.get("styles", []) if isinstance(facts, dict) else None
    given = painted.get("settings") if isinstance(painted, dict) else None
    if not (isinstance(keys, dict) and isinstance(styles, list) and isinstance(given, dict)):
        raise SettingsError("What this picture says of its settings is damaged; choose them by hand.")
    settings: TransferSettings = check(TransferSettings, given)
    return settings, {str(place): str(key) for place, key in keys.items()}, min(len(styles), MOST_STYLES)


def _in_library(key: str) -> str:
    try:
        return library.entry(key).key
    except ConvolabError:
        return ""


def _whole(text: Any, label: str, low: int, high: int) -> int:
    try:
        value = int(str(text).strip())
    except ValueError:
        raise SettingsError(f'{label} must be a whole number, not "{str(text)[:20]}".') from None
    if not low <= value <= high:
        raise SettingsError(f"{label} must be from {low} to {high:,}, not {value:,}.")
    return value
