"""Which run a tab's panels show, and how two runs differ, for all parts of the training column."""

from __future__ import annotations

from convolab.app.drafts import nameless, source
from convolab.app.live import VIEWS, RunView
from convolab.app.state import BuildState
from convolab.errors import ConvolabError
from convolab.networks import Network
from convolab.runs.folder import RunSpec
from convolab.spec import knobs
from convolab.training.settings import TrainingSettings
from convolab.widgets.widget import Widget


def shown_run(state: BuildState) -> RunView | None:
    """The run that a tab shows; None before the first, or if it is gone."""
    if state.run_id is None:
        return None
    try:
        return VIEWS.run(state.run_id)
    except ConvolabError:
        return None


def follow_source(state: BuildState, widget: Widget) -> None:
    """Keep a widget's value ``source`` at what the tab shows."""

    def follow() -> None:
        widget.set(source=source(state))

    state.subscribe(follow, "run_id", "dataset", "network", "settings", "start")
    follow()


def differs(state: BuildState, spec: RunSpec) -> bool:
    """Whether what would be trained now is something else than what a run trained."""
    return (
        state.dataset != spec.dataset
        or state.settings != spec.settings
        or nameless(state.network) != nameless(spec.network)
    )


def differences(spec: RunSpec, other: RunSpec) -> list[str]:
    """In what ``spec`` differs from ``other``, a few words each: ``learning rate 0.01``."""
    found = []
    if spec.dataset != other.dataset:
        found.append(spec.dataset)
    if nameless(spec.network) != nameless(other.network):
        found.append(_network_words(spec.network, other.network))
    for knob in knobs(TrainingSettings):
        value = getattr(spec.settings, knob.name)
        if value == getattr(other.settings, knob.name) or not knob.applies_to(spec.settings.model_dump()):
            continue
        label = knob.label[0].lower() + knob.label[1:]
        if isinstance(value, bool):
            found.append(label if value else f"no {label}")
        elif value is None:
            found.append(f"no {label}")
        else:
            shown = (
                f"{value:,}"
                if isinstance(value, int) and value >= 10_000
                else f"{value:g}"
                if isinstance(value, float)
                else value
            )
            found.append(f"{label} {shown}")
    if spec.started_from != other.started_from:
        found.append("given weights" if spec.started_from else "weights of the seed")
    return found


def _network_words(network: Network, other: Network) -> str:
    if network.layers == other.layers:
        words = [
            f"{network.initialization} weights" if network.initialization != other.initialization else ""
        ]
        words.append("rounding down" if network.floor and not other.floor else "")
        return ", ".join(word for word in words if word) or "another network"
    if len(network.layers) == len(other.layers):
        changed = [a for a, b in zip(network.layers, other.layers, strict=True) if a != b]
        if len(changed) <= 2:
            return ", ".join(layer.summary or layer.title for layer in changed)
    name = network.name or "custom"
    return f"{name} network, {len(network.layers)} layers, {network.parameters:,} parameters"
