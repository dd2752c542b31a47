"""What the page is told of an open project, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convolab.app.teach.desk import Desk
from convolab.errors import ConvolabError
from convolab.spec import knobs
from convolab.teach.examples import MOST_CLASSES, MOST_EXAMPLES
from convolab.teach.project import projects
from convolab.teach.settings import KINDS, TeachSettings

if TYPE_CHECKING:
    from convolab.teach.classifier import Classifier, Seen

NEAREST = 5
"""Examples that are told as the most similar ones."""


def state(desk: Desk, learned_version: int = 0) -> dict[str, Any]:
    """All that the page shows; what was learned only if it is newer than the page's."""
    project = desk.project
    answer: dict[str, Any] = {
        "project": project.id,
        "title": project.title,
        "version": desk.version,
        "settings": project.settings.model_dump(),
        "classes": [{"key": one.key, "name": one.name, "ids": list(one.ids)} for one in project.classes],
        "total": len(project),
        "known": desk.known(),
        "layers": list(desk.cache.base.layers) if desk.cache is not None else [],
        "default_layer": desk.cache.base.default if desk.cache is not None else "",
        "doing": vars(desk.doing).copy() if desk.doing is not None else None,
        "background": desk.background,
        "problem": desk.problem or desk.base_problem,
        "missing": _missing(desk),
        "undo": desk.undo_title,
        "stale": desk.stale(),
        "trained": desk.taught is not None,
        "learned_version": desk.learned_version,
    }
    if learned_version != desk.learned_version:
        answer["learned"] = learned(desk)
    return answer


def offers() -> dict[str, Any]:
    """What does not change: knobs with their words, limits, kinds; and the other projects."""
    from convolab.app.teach.computing import base_choices

    return {
        "bases": base_choices(),
        "kinds": list(KINDS.items()),
        "knobs": {knob.name: knob.described() for knob in knobs(TeachSettings)},
        "most_classes": MOST_CLASSES,
        "most_examples": MOST_EXAMPLES,
        "projects": [{"id": one, "title": title, "changed": changed} for one, title, changed in projects()],
    }


def _missing(desk: Desk) -> str:
    """Why nothing can be learned yet, or nothing."""
    try:
        desk.project.check()
    except ConvolabError as error:
        return str(error)
    return ""


def learned(desk: Desk) -> dict[str, Any] | None:
    """Figures, map, curve and layers of what was learned; None if nothing was."""
    from convolab.evaluation import statistics

    taught = desk.taught
    if taught is None or desk.map is None:
        return None
    made, tested = taught.classifier, taught.tested
    figures = statistics(tested.outputs(made.classes, taught.dataset))
    predicted = tested.predicted
    places = desk.map.place(np.concatenate([made.examples, tested.standard]))
    ids = (*made.example_ids, *tested.ids)
    labels = np.concatenate([made.labels, tested.labels])
    return {
        "title": made.title,
        "kind": made.settings.classifier,
        "layer": made.layer,
        "classes": list(made.classes),
        "run": taught.run_id,
        "dataset": taught.dataset,
        "seconds": taught.seconds,
        "train": len(made.labels),
        "total": figures.total,
        "correct": figures.correct,
        "accuracy": figures.accuracy,
        "interval": list(figures.interval),
        "per_class": [vars(one) for one in figures.per_class],
        "confusion": [list(row) for row in figures.confusion],
        "tested": [
            {"id": one, "label": int(label), "predicted": int(guess), "share": float(shares[guess])}
            for one, label, guess, shares in zip(
                tested.ids, tested.labels, predicted, tested.shares, strict=True
            )
        ],
        "map": {
            "points": [
                [one, int(label), "train" if i < len(made.labels) else "test", float(x), float(y)]
                for i, (one, label, (x, y)) in enumerate(zip(ids, labels, places, strict=True))
            ],
            "explained": list(desk.map.explained),
        },
        "curve": None
        if desk.curve is None
        else [{"per_class": p.per_class, "mean": p.mean, "values": list(p.values)} for p in desk.curve],
        "layers": None if desk.layers is None else [vars(one) for one in desk.layers],
    }


def seen(desk: Desk, made: Classifier, found: Seen, why: bool, label: int | None) -> dict[str, Any]:
    """What a picture is taken for: shares, the most similar examples, its place on the map, the evidence."""
    from convolab.teach.explaining import activation_map

    place = desk.map.place(made.standard(found.feature[None]))[0].tolist() if desk.map is not None else None
    chosen = found.label if label is None or not 0 <= label < len(made.classes) else label
    answer: dict[str, Any] = {
        "classes": list(made.classes),
        "shares": [round(float(share), 5) for share in found.shares],
        "place": place,
        "nearest": [
            {"id": one.id, "label": one.label, "similarity": round(one.similarity, 4)}
            for one in made.nearest(found.feature, NEAREST)
        ],
    }
    if why and found.activations.ndim == 3:
        answer["evidence"] = packed_evidence(
            chosen, activation_map(made, found, chosen), "class activation map"
        )
    return answer


def packed_evidence(label: int, values: np.ndarray, method: str) -> dict[str, Any]:
    """Evidence for the page."""
    from convolab.teach.explaining import packed, strength

    return {
        "label": label,
        "values": packed(values),
        "strength": round(strength(values), 4),
        "method": method,
    }
