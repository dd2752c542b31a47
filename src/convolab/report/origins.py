"""Where a pinned thing comes from: what it was made with, and the commands and files that make it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convolab.errors import ConvolabError, ReportError
from convolab.networks import PRESETS, Network, preset
from convolab.runs.folder import RunFolder, RunSpec
from convolab.spec import Spec

if TYPE_CHECKING:
    from convolab.experiments import Experiment
    from convolab.training.settings import TrainingSettings

BASE = "base"
"""What the run is called from which the commands make others."""
_ENDS = ("examples", "batches", "epochs", "budget", "target_accuracy")
_LONGEST = 20
"""Runs that are named one by one."""


@dataclass(frozen=True)
class Origin:
    """What stands beside a pin."""

    settings: dict[str, Any] = field(default_factory=dict)
    """What it was made with: names and plain values."""
    reproduce: str = ""
    """Commands that make it again, with ``;`` between them."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What these commands need: networks as JSON, pictures."""
    run_id: str | None = None
    title: str = ""
    """Of what it shows, to be put after the name of the panel."""


def of_model(dataset: str, network: Network, settings: TrainingSettings, *, name: str = "") -> Origin:
    """Of a network and its settings, trained or not; ``name`` is what the run will be called."""
    known, files = _network(dataset, network)
    words = ["convolab", "train", dataset, "--network", known, *options(settings)]
    return Origin(
        settings=_facts(dataset, network) | settings.model_dump(exclude_defaults=True),
        reproduce=shlex.join([*words, *(["--name", name] if name else [])]),
        files=files,
    )


def of_run(run_id: str, *, name: str = "") -> Origin:
    """Of one run. RunError if it is not in this lab's folder."""
    spec = RunFolder(run_id).spec()
    made = of_model(spec.dataset, spec.network, _as_trained(spec), name=name)
    started: dict[str, Any] = {}
    if spec.started_from:  # the weights are not in the pin, but where they came from is said
        started = {"began with the weights of": _name(spec.started_from)}
    return Origin(
        settings={"run": spec.name, **made.settings, **started},
        reproduce=made.reproduce,
        files=made.files,
        run_id=run_id,
        title=spec.name,
    )


def of_runs(run_ids: Sequence[str], names: Sequence[str] = ()) -> Origin:
    """Of one run, or of several that are shown together; those that are gone are left out.

    ``names``: what the commands will call them. ReportError if none is left.
    """
    specs = list(_specs(run_ids))
    if not specs:
        raise ReportError("None of these runs is in this lab any more.")
    if len(specs) == 1:
        return of_run(specs[0].run_id, name=names[0] if names else "")
    settings: dict[str, Any] = {}
    commands: list[str] = []
    files: dict[str, bytes] = {}
    called = [*names, *[""] * len(specs)]
    for spec, name in zip(specs[:_LONGEST], called, strict=False):
        made = of_model(spec.dataset, spec.network, _as_trained(spec), name=name)
        own = {key: value for key, value in made.settings.items() if key != "parameters"}
        settings[spec.name] = ", ".join(f"{key} {value}" for key, value in own.items())
        command = made.reproduce
        for content in made.files.values():
            file = next((there for there, old in files.items() if old == content), "")
            if not file:
                file = f"network-{len(files) + 1}.json"
                files[file] = content
            command = command.replace("network.json", file)
        commands.append(command)
    return Origin(settings, "; ".join(dict.fromkeys(commands)), files, title=f"{len(specs)} runs")


def of_experiment(experiment: Experiment) -> Origin:
    """Of variants or repeats: by their own command if the run is here from which they began."""
    from convolab.experiments.variants import shown

    settings: dict[str, Any] = {"experiment": experiment.name, "data set": experiment.dataset}
    if experiment.varied:
        values = list(dict.fromkeys(shown(member.value) for member in experiment.members))
        settings |= {"varied": experiment.title or experiment.varied, "values": ", ".join(values)}
    if experiment.examples:
        settings["examples for each run"] = f"{experiment.examples:,}"
    try:
        start = of_run(experiment.base_run or "", name=BASE)
    except ConvolabError:
        runs = of_runs(experiment.run_ids)
        return Origin(settings, runs.reproduce, runs.files, title=experiment.name)
    settings["began with"] = start.settings["run"]
    length = ["--examples", str(experiment.examples)] if experiment.examples else []
    if experiment.kind == "repeats":
        words = ["convolab", "repeat", BASE, "--seeds", str(len(experiment.members)), *length]
        if len({member.seed for member in experiment.members}) == 1:
            words.append("--weights-only")
    else:
        each = len(experiment.members) // max(1, len(values))
        varied = f"{experiment.varied}={','.join(values)}"
        words = ["convolab", "variants", BASE, "--vary", varied, *length]
        words += ["--seeds", str(each)] if each > 1 else []
    command = f"{start.reproduce}; {shlex.join(words)}"
    return Origin(settings, command, start.files, title=experiment.name)


def of_sweep(sweep_id: str) -> Origin:
    """Of a sweep. ExperimentError if there is none."""
    from convolab.experiments import Sweep

    sweep = Sweep.open(sweep_id)
    spec = sweep.spec
    start = of_model(
        spec.dataset, spec.network, spec.settings.changed(**{**dict.fromkeys(_ENDS), "batches": 1}), name=BASE
    )
    words = ["convolab", "sweep", "new", BASE]
    for one in spec.space:
        words += ["--search", one.text]
    length = ["--budget", f"{spec.seconds:g}s"] if spec.seconds else ["--examples", str(spec.examples)]
    words += ["--trials", str(spec.trials), *length, *([] if spec.prune else ["--no-prune"])]
    settings: dict[str, Any] = {
        "sweep": sweep.name,
        **_facts(spec.dataset, spec.network),
        "searched": "; ".join(one.text for one in spec.space),
        "trials": f"{spec.trials:,} of {spec.length}",
        "hopeless trials": "ended early" if spec.prune else "finished",
    }
    return Origin(settings, f"{start.reproduce}; {shlex.join(words)}", start.files, title=sweep.name)


def of_scores(scores: Sequence[str]) -> Origin:
    """Of scores of the challenge, by their ids, with the files that repeat them. ExperimentError."""
    from convolab.experiments import export_score, find_score

    found = [find_score(one) for one in scores[:_LONGEST]]
    files = {f"score-{one.id}.json": export_score(one).encode() for one in found}
    commands = [
        f"convolab scores import score-{one.id}.json; convolab scores repeat {one.id}" for one in found
    ]
    settings = {
        f"{one.title}, {one.minutes:g} min": f"{100 * one.accuracy:.2f} %, {one.machine.gflops:,.0f} GFLOP/s"
        for one in found
    }
    return Origin(settings, "; ".join(commands), files, title=found[0].dataset if found else "")


def of_transfer(job_id: str) -> Origin:
    """Of a style transfer, with its pictures. RunError if there is none."""
    from convolab.style.job_folder import TransferFolder

    folder = TransferFolder(job_id)
    spec = folder.spec()
    files: dict[str, bytes] = {}
    words = ["convolab", "transfer"]
    for part in ("content", *(f"style-{number}" for number in range(len(spec.styles)))):
        content = (folder.path / part).read_bytes()
        name = f"{part.replace('content', 'photo')}{_ending(content)}"
        files[name] = content
        words.append(name)
    for number in range(spec.masks):
        files[f"mask-{number}.png"] = (folder.path / f"mask-{number}").read_bytes()
        words += ["--mask", f"mask-{number}.png"]
    used = spec.settings
    if folder.start_path.exists():
        files["start.png"] = folder.start_path.read_bytes()
        used = used.changed(start="start.png")
    words += ["-o", "painted.png", *options(used)]
    settings: dict[str, Any] = {"photo": spec.content, "style": ", ".join(spec.styles)}
    settings |= used.model_dump(exclude_defaults=True)
    return Origin(settings, shlex.join(words), files, title=spec.name)


def options(spec: Spec) -> list[str]:
    """A spec as options of the command line: only what differs from the defaults."""
    words = []
    for name, value in spec.model_dump(exclude_defaults=True).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return words


def _network(dataset: str, network: Network) -> tuple[str, dict[str, bytes]]:
    """What ``--network`` takes: the preset's name if it is one as it is, else a file that is needed."""
    from convolab.datasets import info

    if network.name in PRESETS:
        try:
            classes = len(info(dataset).classes)
            if preset(network.name, network.input_shape, classes) == network:
                return network.name, {}
        except ConvolabError:  # a data set that is gone
            pass
    return "network.json", {"network.json": network.to_json().encode()}


def _as_trained(spec: RunSpec) -> TrainingSettings:
    """Its settings; of one that was trained until somebody stopped it, with the length that this was."""
    settings = spec.settings
    if settings.has_length() or settings.target_accuracy is not None:
        return settings
    seen = RunFolder(spec.run_id).state().figures.examples
    return settings.changed(examples=seen) if seen else settings


def _facts(dataset: str, network: Network) -> dict[str, Any]:
    return {"data set": dataset, "network": network.name or "custom", "parameters": network.parameters}


def _specs(run_ids: Iterable[str]) -> Iterable[RunSpec]:
    for run_id in dict.fromkeys(run_ids):
        try:
            yield RunFolder(run_id).spec()
        except ConvolabError:
            continue


def _name(started_from: str) -> str:
    try:
        return RunFolder(started_from).spec().name
    except ConvolabError:
        return started_from


def _ending(content: bytes) -> str:
    """Of a picture, by its first bytes; the lab keeps them as they came."""
    starts = {b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp"}
    return next((ending for start, ending in starts.items() if content.startswith(start)), ".png")
