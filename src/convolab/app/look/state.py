"""What the room shows, as the query of an address: the networks, the test image, how it is drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from convolab.app.look import sources
from convolab.errors import ConvolabError

VIEW = {
    "space": ("flat", "3d"),
    "scale": ("level", "map", "all"),
    "input": ("auto", "centred", "drawn"),
}
"""How the network is drawn, and how a drawing is given to it; the first of each is the default."""
_PLAIN = ":,@-._~"


@dataclass(frozen=True)
class LookState:
    """All that an address of the room can say."""

    source: str = sources.DEFAULT
    compare: str = ""
    """The source beside it; none if empty."""
    test: int | None = None
    """Number of the test image; None when something was drawn or brought."""
    unit: str = ""
    """The marked unit: ``conv1:0:3:4``."""
    hidden: tuple[str, ...] = ()
    """Keys of hidden levels."""
    view: Mapping[str, str] = field(
        default_factory=lambda: {name: values[0] for name, values in VIEW.items()}
    )

    def changed(self, values: Mapping[str, Any]) -> LookState:
        """With what the page says has changed; what it cannot mean is left out."""
        test, unit = values.get("test", self.test), values.get("unit", self.unit)
        hidden = values.get("hidden", self.hidden)
        view = {
            name: values[name] if values.get(name) in allowed else self.view[name]
            for name, allowed in VIEW.items()
        }
        return replace(
            self,
            test=test if isinstance(test, int) and test >= 0 else None,
            unit=unit if isinstance(unit, str) and _is_unit(unit) else "",
            hidden=tuple(key for key in hidden if isinstance(key, str) and _is_key(key))[:200],
            view=view,
        )

    def values(self) -> dict[str, Any]:
        """For the page."""
        return {
            "source": self.source,
            "compare": self.compare,
            "test": self.test,
            "unit": self.unit,
            "hidden": list(self.hidden),
            **self.view,
        }


def to_query(state: LookState) -> str:
    """The query, without ``?``."""
    plain, start = sources.split(state.source)
    pairs = [("run", plain.removeprefix("run:")) if plain.startswith("run:") else ("network", plain)]
    if start:
        pairs.append(("weights", "start"))
    if state.compare:
        pairs.append(("compare", state.compare))
    if state.test is not None:
        pairs.append(("test", str(state.test)))
    pairs += [(name, state.view[name]) for name, allowed in VIEW.items() if state.view[name] != allowed[0]]
    if state.hidden:
        pairs.append(("hide", ",".join(state.hidden)))
    if state.unit:
        pairs.append(("unit", state.unit))
    return "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in pairs)


def from_query(query: Mapping[str, str]) -> tuple[LookState, list[str]]:
    """Understand as much of a query as possible, and sentences about the rest; never raises."""
    problems: list[str] = []

    def source(text: str, otherwise: str) -> str:
        try:
            return sources.check(text[:200])
        except ConvolabError as error:
            problems.append(str(error))
            return otherwise

    chosen = f"run:{query['run']}" if query.get("run") else query.get("network", sources.DEFAULT)
    if query.get("weights") == "start" and not chosen.endswith(sources.START):
        chosen += sources.START
    compare = query.get("compare", "")
    test = query.get("test", "")
    for name, allowed in VIEW.items():
        if name in query and query[name] not in allowed:
            problems.append(f"The link says {name}={query[name][:40]}; it can be {' or '.join(allowed)}.")
    known = {"run", "network", "weights", "compare", "test", "hide", "unit", *VIEW}
    if foreign := [name for name in query if name not in known]:
        problems.append(f'The link says "{foreign[0][:80]}", which this room does not know; it was left out.')
    state = LookState(source(chosen, sources.DEFAULT), source(compare, "") if compare else "").changed(
        {
            **query,
            "test": int(test) if re.fullmatch(r"\d{1,9}", test) else None,
            "hidden": [part for part in query.get("hide", "").split(",") if part],
        }
    )
    return state, problems


def _is_key(text: str) -> bool:
    return re.fullmatch(r"[a-z]+\d*", text) is not None and len(text) <= 40


def _is_unit(text: str) -> bool:
    return re.fullmatch(r"[a-z]+\d*(:\d{1,6}){1,3}", text) is not None
