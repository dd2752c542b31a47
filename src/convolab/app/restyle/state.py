"""What the room shows, and the query of an address that says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from convolab.app.restyle import shelf
from convolab.app.transfer import library as pictures
from convolab.errors import ConvolabError, unknown
from convolab.style.fast.job_folder import PREFIX

VIEWS = {"picture": "Picture", "filters": "Filters", "learn": "Learn", "video": "Video"}
"""The parts of the room: name in the address → title."""
QUESTIONS = ("repeat", "order", "chain")
"""The assignment's three questions about filters."""
PADDINGS = ("reflect", "replicate", "zeros")
DEFAULT_PHOTO = "lab-lake"
FIRST_STYLES = ("starry-night", "great-wave")
"""What the room opens with, as far as it is there."""
LEAST_SIZE, MOST_SIZE = 64, 2048
MOST_STYLES = 8
MOST_FILTERS = 12
"""In a chain."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")


@dataclass(frozen=True)
class Shown:
    """What a tab shows."""

    view: str = "picture"
    photo: str = DEFAULT_PHOTO
    style: str = ""
    """A style, or several with shares: ``wave:0.3,scream:0.7``; none: the first there is."""
    strength: float = 1.0
    size: int = 512
    """Pixels on the long side."""
    padding: str = "reflect"
    keep: bool = False
    """Whether the photo keeps its colours."""
    mirror: bool = True
    """Whether the camera is shown as a mirror shows it."""
    question: str = "repeat"
    then: str = ""
    """The second filter of the question about order."""
    times: int = 10
    chain: tuple[str, ...] = ()
    job: str = ""
    """The style being learned that is shown."""
    video: str = ""

    def changed(self, message: Mapping[str, object]) -> Shown:
        """With what a page says; what makes no sense is left out."""
        changes: dict[str, Any] = {}
        choices = {"view": VIEWS, "padding": PADDINGS, "question": QUESTIONS}
        for name, allowed in choices.items():
            if message.get(name) in allowed:
                changes[name] = str(message[name])
        for name, low, high in (("strength", 0.0, 1.0),):
            if (number := _number(message.get(name))) is not None:
                changes[name] = round(min(high, max(low, number)), 3)
        for name, least, most in (("size", LEAST_SIZE, MOST_SIZE), ("times", 1, MOST_FILTERS)):
            if (number := _number(message.get(name))) is not None:
                changes[name] = min(most, max(least, round(number)))
        for name in ("keep", "mirror"):
            if isinstance(message.get(name), bool):
                changes[name] = message[name]
        for name in ("photo", "job", "video"):
            value = message.get(name)
            if isinstance(value, str) and (_ID.fullmatch(value) or (not value and name != "photo")):
                changes[name] = value
        style = message.get("style")
        if isinstance(style, str) and _is_mix(style):
            changes["style"] = style
        then = message.get("then")
        if isinstance(then, str) and (not then or _NAME.fullmatch(then)):
            changes["then"] = then
        chain = message.get("chain")
        if isinstance(chain, list | tuple):
            changes["chain"] = tuple(filter(_NAME.fullmatch, map(str, chain)))[:MOST_FILTERS]
        return replace(self, **changes)


def opened(shown: Shown) -> Shown:
    """With a style where none was chosen: the room never opens empty as long as there is one."""
    names = shelf.names()
    if not names:
        return shown
    first = next((name for name in FIRST_STYLES if name in names), names[0])
    others = [name for name in names if name != first and not name.startswith(f"{first}-")]
    second = next((name for name in FIRST_STYLES if name in others), (others or [first])[0])
    return replace(
        shown, style=shown.style or first, then=shown.then or second, chain=shown.chain or (first, second)
    )


def to_query(shown: Shown) -> str:
    """The query, without ``?``: what differs from the room as it opens; what other parts show is kept."""
    plain = opened(Shown())
    pairs: list[tuple[str, str]] = []
    for name in Shown.__dataclass_fields__:
        value = getattr(shown, name)
        if value == getattr(plain, name):
            continue
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, tuple):
            value = ",".join(value)
        pairs.append((name, f"{value:g}" if isinstance(value, float) else str(value)))
    return "&".join(f"{name}={quote(value, safe=',:-')}" for name, value in pairs)


def from_query(query: Mapping[str, str]) -> tuple[Shown, list[str]]:
    """Understand as much of a query as possible, and sentences about the rest; never raises."""
    problems: list[str] = []
    found: dict[str, object] = dict(query)
    view = query.get("view", "learn" if query.get("job") else "picture")
    if view not in VIEWS:
        problems.append(unknown("part of this room", view[:60], VIEWS))
        view = "picture"
    found["view"] = view
    for name in ("keep", "mirror"):
        if name in query:
            found[name] = query[name] == "yes"
    found["chain"] = [part for part in query.get("chain", "").split(",") if part]
    for name in ("style", "then", "chain"):
        known, said = _known(name, query.get(name, ""))
        problems += [sentence for sentence in said if sentence not in problems]
        found[name] = known.split(",") if name == "chain" and known else known
    photo = query.get("photo", "")
    if photo:
        try:
            pictures.entry(photo)
        except ConvolabError as error:
            problems.append(str(error))
            found.pop("photo")
    for name in ("strength", "size", "times"):
        if name in query and _number(query[name]) is None:
            problems.append(
                f'The link says "{name}={query[name][:40]}", which is no number; it was left out.'
            )
    if (job := query.get("job", "")) and not job.startswith(PREFIX):
        problems.append(f'"{job[:60]}" is no style that is being learned.')
        found.pop("job")
    if foreign := [name for name in query if name not in Shown.__dataclass_fields__]:
        problems.append(f'The link says "{foreign[0][:80]}", which this room does not know; it was left out.')
    return opened(Shown().changed(found)), problems


def _known(what: str, text: str) -> tuple[str, list[str]]:
    """Those styles of a list that are in the library, and sentences about the others."""
    kept, problems = [], []
    for part in text.split(","):
        name = part.partition(":")[0] if what == "style" else part
        if not name:
            continue
        try:
            shelf.stamp(name)
            kept.append(part)
        except ConvolabError as error:
            problems.append(str(error))
    return ",".join(kept), problems


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e9 else None


def _is_mix(text: str) -> bool:
    parts = [part.split(":") for part in text.split(",") if part]
    if len(parts) > MOST_STYLES:
        return False
    return all(
        len(part) <= 2
        and _NAME.fullmatch(part[0]) is not None
        and (len(part) == 1 or ((share := _number(part[1])) is not None and share >= 0))
        for part in parts
    )
