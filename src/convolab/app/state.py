"""What one tab of the Build room shows: data set, network, settings, run; with undo and subscribers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from convolab.datasets import DatasetInfo, catalogue
from convolab.errors import ConvolabError, SettingsError, unknown
from convolab.networks import Network
from convolab.networks.presets import PRESETS, preset
from convolab.spec import explain
from convolab.training.settings import TrainingSettings

DEFAULT_DATASET = "mnist"
DEFAULT_PRESET = "convolutional"
DEFAULT_SETTINGS = TrainingSettings(examples=60_000)
"""The page's defaults: as everywhere, but a run that is started with one press also ends by itself."""

Subscriber = Callable[[], None]

_HISTORY = 200
_MERGE_SECONDS = 2.0


@dataclass(frozen=True)
class Model:
    """What undo goes back to: everything that decides what would be trained."""

    dataset: str
    preset: str | None
    network: Network
    settings: TrainingSettings


class BuildState:
    """The state of the Build room in one browser tab.

    ``memory`` is a mapping that outlives the tab (``app.storage.user``); the custom networks are kept in it,
    one per data set. Fields are read freely and written with `change` alone.

    Names that can be changed and subscribed to: ``dataset``, ``preset`` (None: custom), ``network``,
    ``settings``, ``run_id`` (the run shown, None before the first), ``overlays`` (further runs in the
    curves). For subscribers only: ``history`` (what can be undone has changed), ``data`` (the chosen data
    set has been fetched), ``catalogue`` (data sets have come or gone), ``start`` (the next run starts from
    other weights).
    """

    def __init__(self, memory: MutableMapping[str, Any] | None = None) -> None:
        self._memory = memory if memory is not None else {}
        self._subscribers: list[tuple[Subscriber, frozenset[str]]] = []
        self._past: list[Model] = []
        self._future: list[Model] = []
        self._last_merge: tuple[str, float] | None = None
        self._model = Model(
            DEFAULT_DATASET, DEFAULT_PRESET, preset_for(DEFAULT_DATASET, DEFAULT_PRESET), DEFAULT_SETTINGS
        )
        self.run_id: str | None = None
        self.overlays: tuple[str, ...] = ()
        self.hidden: frozenset[str] = frozenset()
        """Parts of the page that the address asks to hide (``hide=settings,menu``)."""

    @property
    def dataset(self) -> str:
        """Name of the chosen data set."""
        return self._model.dataset

    @property
    def preset(self) -> str | None:
        """Name of the chosen preset; None when the network is custom."""
        return self._model.preset

    @property
    def network(self) -> Network:
        """The network as it stands, with or without errors in it."""
        return self._model.network

    @property
    def settings(self) -> TrainingSettings:
        """The training settings."""
        return self._model.settings

    @property
    def model(self) -> Model:
        """All of the above at once."""
        return self._model

    def change(self, *, merge: str = "", **values: Any) -> frozenset[str]:
        """Change some fields, remember the step for undo, tell the subscribers.

        A new ``dataset`` brings its own network: the preset made for it, or the custom network last used with
        it. A new ``network`` without a ``preset`` is a custom one. Changes in a row with the same ``merge``
        text (typing into one field) are one step of undo. Returns the names of the fields that are different
        now. Raises SettingsError for an unknown data set or preset.
        """
        if unfit := set(values) - {"dataset", "preset", "network", "settings", "run_id", "overlays"}:
            raise TypeError(f"BuildState has no field {', '.join(sorted(unfit))}")
        changed: set[str] = set()
        if "run_id" in values and values["run_id"] != self.run_id:
            self.run_id = values["run_id"]
            changed.add("run_id")
        if "overlays" in values and tuple(values["overlays"]) != self.overlays:
            self.overlays = tuple(values["overlays"])
            changed.add("overlays")
        model = self._changed_model(values)
        if model != self._model:
            self._remember(merge)
            changed |= self._replace(model) | {"history"}
        self._tell(changed)
        return frozenset(changed)

    def change_settings(self, *, merge: str = "", **fields: Any) -> None:
        """Change some training settings. Raises SettingsError, one sentence, when they do not fit."""
        try:
            settings = self.settings.changed(**fields)
        except ValidationError as error:
            raise SettingsError(explain(error)) from None
        self.change(settings=settings, merge=merge)

    def undo(self) -> None:
        """Go back one step; nothing happens at the beginning."""
        self._step(self._past, self._future)

    def redo(self) -> None:
        """Take back one undo; nothing happens at the end."""
        self._step(self._future, self._past)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to go back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step."""
        return bool(self._future)

    def subscribe(self, callback: Subscriber, *names: str) -> Callable[[], None]:
        """Call ``callback()`` after a change of any of the named fields (of any field, if none is named).

        It is called on the event loop, in the slot of whatever caused the change: enter your own container
        before creating elements. Returns a function that ends the subscription.
        """
        entry = (callback, frozenset(names))
        self._subscribers.append(entry)

        def end() -> None:
            if entry in self._subscribers:
                self._subscribers.remove(entry)

        return end

    def announce(self, name: str) -> None:
        """Tell the subscribers of ``name`` alone: ``data`` (the data set has been fetched), ``catalogue``
        (data sets have come or gone)."""
        self._tell({name})

    def release(self) -> None:
        """End all subscriptions: the elements of the room are about to be built anew."""
        self._subscribers.clear()

    def reset(self) -> None:
        """Back to the defaults, as one step that can be undone. The run shown stays."""
        self.change(
            dataset=DEFAULT_DATASET,
            preset=DEFAULT_PRESET,
            network=preset_for(DEFAULT_DATASET, DEFAULT_PRESET),
            settings=DEFAULT_SETTINGS,
        )

    def restore(self, model: Model, *, run_id: str | None = None, overlays: Iterable[str] = ()) -> None:
        """Take over what an address says, without a step of undo and without telling anyone."""
        self._replace(model)
        self.run_id = run_id
        self.overlays = tuple(overlays)

    def custom(self, dataset: str) -> Network | None:
        """The custom network last used with a data set, or None."""
        text = (self._memory.get("custom_networks") or {}).get(dataset)
        if not text:
            return None
        try:
            return Network.from_json(text)
        except ConvolabError:  # kept by an older version of the lab
            return None

    def _changed_model(self, values: dict[str, Any]) -> Model:
        now = self._model
        settings = values.get("settings", now.settings)
        dataset = values.get("dataset", now.dataset)
        chosen = values.get("preset", now.preset)
        if "network" in values:
            network, chosen = values["network"], values.get("preset")
            if chosen is None and network.name in PRESETS:
                network = network.changed(name="")
            return Model(dataset, chosen, network, settings)
        if dataset == now.dataset and chosen == now.preset:
            return Model(dataset, chosen, now.network, settings)
        if chosen is not None:
            if "settings" not in values and (chosen != now.preset or settings == settings_with(chosen, now)):
                settings = settings_with(chosen, now, dataset)
            return Model(dataset, chosen, preset_for(dataset, chosen), settings)
        network = self.custom(dataset) or moved(now.network, now.dataset, dataset)
        return Model(dataset, None, network.changed(name=""), settings)

    def _remember(self, merge: str) -> None:
        key = (merge, time.monotonic())
        last, self._last_merge = self._last_merge, key if merge else None
        if merge and last and last[0] == merge and key[1] - last[1] < _MERGE_SECONDS:
            return
        self._past = [*self._past[-_HISTORY:], self._model]
        self._future.clear()

    def _step(self, source: list[Model], target: list[Model]) -> None:
        if not source:
            return
        target.append(self._model)
        self._last_merge = None
        self._tell(self._replace(source.pop()) | {"history"})

    def _replace(self, model: Model) -> set[str]:
        old, self._model = self._model, model
        if model.preset is None:
            customs = dict(self._memory.get("custom_networks") or {})
            text = model.network.to_json()
            if customs.get(model.dataset) != text:
                self._memory["custom_networks"] = {**customs, model.dataset: text}
        return {name for name in Model.__dataclass_fields__ if getattr(old, name) != getattr(model, name)}

    def _tell(self, changed: set[str]) -> None:
        if not changed:
            return
        for callback, names in tuple(self._subscribers):
            if not names or names & changed:
                callback()


def dataset_infos() -> dict[str, DatasetInfo]:
    """The data sets there are, by name."""
    return {info.name: info for info in catalogue()}


def preset_for(dataset: str, name: str) -> Network:
    """A preset made for a data set of the catalogue. Raises SettingsError if either is unknown."""
    infos = dataset_infos()
    if dataset not in infos:
        raise SettingsError(unknown("data set", dataset, infos))
    if name not in PRESETS:
        raise SettingsError(unknown("network", name, PRESETS))
    info = infos[dataset]
    return preset(name, info.input_shape, len(info.classes))


def settings_with(name: str, now: Model, dataset: str = "") -> TrainingSettings:
    """The settings when this preset is chosen, for the present data set or another: its own, if it has any;
    a recipe's leave with it.
    """
    infos = dataset_infos()
    if name in PRESETS and PRESETS[name].settings and (dataset or now.dataset) in infos:
        own = PRESETS[name].settings_for(infos[dataset or now.dataset].input_shape)
        return TrainingSettings(**{**own, "seed": now.settings.seed})
    if now.preset and PRESETS[now.preset].settings:
        return DEFAULT_SETTINGS
    return now.settings


def moved(network: Network, source: str, target: str) -> Network:
    """The same layers on another data set: its input shape, and its number of classes at the end."""
    infos = dataset_infos()
    classes = {name: len(info.classes) for name, info in infos.items()}
    layers = list(network.layers)
    if layers and getattr(layers[-1], "out_features", None) == classes.get(source):
        layers[-1] = layers[-1].changed(out_features=classes[target])
    return network.changed(input_shape=infos[target].input_shape, layers=tuple(layers))
