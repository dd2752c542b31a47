"""What a panel's pin was made with, from what the panel says of itself and from the address of its room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from convolab.errors import ConvolabError
from convolab.report.origins import (
    Origin,
    of_experiment,
    of_model,
    of_run,
    of_runs,
    of_scores,
    of_sweep,
    of_transfer,
)
from convolab.runs.folder import RunFolder

NAMED = "pinned"
"""What a run is called in commands that look at it."""


def origin(address: str, about: Mapping[str, Any]) -> Origin:
    """Settings, commands and files of what was pinned at ``address``, like ``/build?data=mnist&run=…``.

    ``about`` is what the panel says: ``runs`` (ids; with ``dataset`` they were measured on it),
    ``experiment``, ``sweep``, ``scores`` (ids), or its own ``settings`` and ``reproduce``. What is not known,
    or gone, leaves the address to go back to; never raises.
    """
    parts = urlsplit(address[:4000])
    query = dict(parse_qsl(parts.query))
    room = parts.path.strip("/").split("/")[-1]
    try:
        found = _said(about) or _addressed(room, query)
    except (ConvolabError, OSError, ValueError):
        found = None
    back = f"Open {address[:1500]} in the lab."
    if found is None:
        return Origin(reproduce=back)
    return found


def _said(about: Mapping[str, Any]) -> Origin | None:
    from convolab.experiments import find_experiment

    if runs := _ids(about.get("runs")):
        measured = str(about.get("dataset") or "")
        return _measured(runs, measured) if measured else of_runs(runs)
    if experiment := about.get("experiment"):
        return of_experiment(find_experiment(str(experiment)))
    if sweep := about.get("sweep"):
        return of_sweep(str(sweep))
    if scores := _ids(about.get("scores")):
        return of_scores(scores)
    settings, reproduce = about.get("settings"), str(about.get("reproduce") or "")
    given = settings if isinstance(settings, dict) else {}
    if not given and not reproduce:
        return None
    return Origin({str(name)[:80]: str(value)[:500] for name, value in given.items()}, reproduce[:2000])


def _measured(runs: list[str], dataset: str) -> Origin:
    """Of one run that was measured on a test set, or two that were compared on it."""
    runs = [run_id for run_id in dict.fromkeys(runs) if RunFolder(run_id).exists]
    names = ["first", "second"] if len(runs) > 1 else [NAMED]
    found = of_runs(runs, names)
    command = f"convolab {'compare' if len(names) > 1 else 'evaluate'} {' '.join(names)} --dataset {dataset}"
    return replace(
        found,
        settings=found.settings | {"measured on": dataset},
        reproduce=f"{found.reproduce}; {command}",
    )


def _addressed(room: str, query: Mapping[str, str]) -> Origin | None:
    match room:
        case "build":
            return of_run(query["run"]) if query.get("run") else _model(query)
        case "look":
            return _looked_at(query)
        case "transfer" if query.get("job"):
            return of_transfer(query["job"])
    return None


def _model(query: Mapping[str, str]) -> Origin:
    """A network of the room Build that was not trained."""
    from convolab.app.address import from_query

    model = from_query(query).model
    return of_model(model.dataset, model.network, model.settings)


def _looked_at(query: Mapping[str, str]) -> Origin:
    """A view: its network, and the test image or the input that is pinned with it."""
    from convolab.networks.shipped import SHIPPED, shipped

    if run_id := query.get("run"):
        start = of_run(run_id, name=NAMED)
        network, dataset = NAMED, str(start.settings["data set"])
        settings, files, title = start.settings, start.files, start.title
        first = f"{start.reproduce}; "
    else:
        network = query.get("network", "harley-cnn")
        dataset = shipped(network)[2].dataset
        settings, files, first = {"network": network, "data set": dataset}, {}, ""
        title = SHIPPED[network].title
    test = query.get("test", "")
    settings = {**settings, **({"test image": test} if test else {})}
    picture = f"{dataset}:test:{test}" if test.isdigit() else "input.png --as-drawn"
    unit = f" --unit {query['unit']}" if query.get("unit") else ""
    command = f"{first}convolab look {picture} --network {network}{unit} -o view.png"
    return Origin(settings, command, files, query.get("run"), title)


def _ids(found: Any) -> list[str]:
    return [str(one) for one in found if one] if isinstance(found, list) else []
