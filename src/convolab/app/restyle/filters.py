"""The filter laboratory: filters over filters, every picture on the way, and how they differ.

A study is a few chains of styles over one photo. Its pictures come one by one, then what is measured of them;
all of it is kept while the lab runs, and made again from the address after that.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from convolab.app.restyle import measures
from convolab.app.restyle.painting import WORKER, File, Order, encoded, filtered, photo
from convolab.app.restyle.shelf import stamp
from convolab.app.restyle.state import MOST_FILTERS, PADDINGS, QUESTIONS
from convolab.errors import ConvolabError, DataError, SettingsError

LARGEST_SIZE = 768
"""Pixels on the long side: thirty pictures of a study are kept in memory."""
_KEPT = 6


@dataclass
class Cell:
    """A picture of a study: after which filters, and what was measured of it."""

    key: str
    filters: tuple[str, ...]
    padding: str
    picture: Image.Image
    before: Image.Image | None
    """What the last filter was given; None for the photo."""
    figures: dict[str, Any] = field(default_factory=dict)


class Study:
    """One question about filters, answered in the painting thread."""

    def __init__(self, key: str, question: str, order: Order, chains: list[tuple[str, ...]]) -> None:
        self.key, self.question, self.order, self.chains = key, question, order, chains
        self.cells: dict[str, Cell] = {}
        self.distances: list[dict[str, Any]] = []
        self.error = ""
        self.notes: list[str] = []
        self.finished = False
        self.version = 0
        self._steps = self._work()

    def begin(self) -> None:
        """Have it worked on, step by step, so that others who paint get their turn between."""
        WORKER.submit(self._go_on)

    def _go_on(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self.finished = True
        except ConvolabError as error:
            self.error, self.finished = str(error), True
        except Exception as error:
            self.error, self.finished = f"This failed unexpectedly ({type(error).__name__}: {error}).", True
            raise
        else:
            WORKER.submit(self._go_on)
        finally:
            self.version += 1

    @property
    def total(self) -> int:
        """How many pictures there will be."""
        paddings = len(PADDINGS) if self.question == "repeat" else 1
        return 1 + sum(len(chain) for chain in self.chains) * paddings

    # ---------------------------------------------------------------- work

    def _work(self) -> Iterator[None]:
        own = photo(self.order.photo, self.order.size)
        self._add(Cell("photo", (), self.order.padding, own, None))
        yield
        paddings = [self.order.padding]
        if self.question == "repeat":
            paddings += [name for name in PADDINGS if name != self.order.padding]
        for padding in paddings:
            order = Order(
                self.order.photo, "", self.order.strength, self.order.size, padding, self.order.keep
            )
            for number, chain in enumerate(self.chains):
                before = own
                for at, style in enumerate(chain):
                    after = filtered(before, style, order, own)
                    self._add(Cell(f"{padding}-{number}-{at + 1}", chain[: at + 1], padding, after, before))
                    before = after
                    yield
        yield from self._measure()

    def _add(self, cell: Cell) -> None:
        figure = measures.border(cell.picture)
        cell.figures["border"] = None if figure is None else round(figure, 3)
        if cell.before is not None:
            cell.figures["change"] = round(measures.change(cell.before, cell.picture), 2)
        self.cells[cell.key] = cell

    def _measure(self) -> Iterator[None]:
        """Style and content, which take a feature network."""
        if not measures.network_is_here():
            self.notes.append("vgg")
            if self.question == "order":
                yield from self._compare(deep=False)
            return
        paintings = self._paintings()
        yield
        for cell in list(self.cells.values()):
            cell.figures["style"] = {
                name: measures.style_diff(painting, cell.picture) for name, painting in paintings.items()
            }
            yield
        if self.question == "order":
            yield from self._compare(deep=True)

    def _paintings(self) -> dict[str, measures.Painting]:
        found = {}
        for name in dict.fromkeys(style for chain in self.chains for style in chain):
            painting = measures.painting_of(name, self.order.size or 512)
            if painting is None:
                self.notes.append(f"no painting:{name}")
                continue
            found[name] = painting
            if not painting.whole:
                self.notes.append(f"small painting:{name}:{painting.size}")
        return found

    def _compare(self, deep: bool) -> Iterator[None]:
        """The ends of the chains, two by two."""
        ends = {number: self.end(number) for number in range(len(self.chains))}
        # A then B, B then A, A alone, B alone: the pairs that the question is about come first.
        for a, b in ((0, 3), (1, 2), (0, 1), (2, 3)):
            row: dict[str, Any] = {"pair": [a, b], "pixels": round(measures.change(ends[a], ends[b]), 2)}
            if deep:
                row["style"] = measures.style_distance(ends[b], ends[a])
                row["content"] = measures.content_distance(ends[b], ends[a])
            self.distances.append(row)
            yield

    def end(self, number: int) -> Image.Image:
        """What a chain makes of the photo."""
        return self.cells[f"{self.order.padding}-{number}-{len(self.chains[number])}"].picture

    # ---------------------------------------------------------------- telling

    def news(self) -> dict[str, Any]:
        """All that is known by now; pictures have addresses of their own."""
        cells = [
            {
                "key": cell.key,
                "filters": list(cell.filters),
                "padding": cell.padding,
                "size": list(cell.picture.size),
                **cell.figures,
            }
            for cell in list(self.cells.values())
        ]
        return {
            "cursor": f"{self.version}{'.' if self.finished else ''}",
            "study": self.key,
            "question": self.question,
            "padding": self.order.padding,
            "strength": self.order.strength,
            "size": self.order.size,
            "keep": self.order.keep,
            "chains": [list(chain) for chain in self.chains],
            "cells": cells,
            "total": self.total,
            "distances": list(self.distances),
            "finished": self.finished,
            "error": self.error,
            "notes": list(dict.fromkeys(self.notes)),
        }

    def file(self, key: str, what: str) -> File:
        """A picture as a file: ``picture.jpg``, ``picture.png``, ``difference.jpg``. DataError."""
        cell = self.cells.get(key)
        name, _, ending = what.partition(".")
        if cell is None or ending not in ("jpg", "png") or name not in ("picture", "difference"):
            raise DataError("There is no such picture in this study.")
        if name == "picture":
            return encoded(cell.picture, ending)
        if cell.before is None:
            raise DataError("Nothing comes before the photo.")
        return encoded(measures.difference(cell.before, cell.picture), ending)


_studies: OrderedDict[str, Study] = OrderedDict()
_lock = threading.Lock()


def begin(wanted: Mapping[str, Any], order_of: Callable[[Mapping[str, Any]], Order]) -> dict[str, Any]:
    """Begin a study, or find the same one that was made before. ConvolabError for what cannot be studied."""
    question = str(wanted.get("question"))
    if question not in QUESTIONS:
        raise SettingsError("Choose one of the three questions.")
    chains = _chains(question, wanted)
    styles = dict.fromkeys(style for chain in chains for style in chain)
    order = order_of({**wanted, "style": ",".join(styles)})
    if (order.size or LARGEST_SIZE + 1) > LARGEST_SIZE:
        raise SettingsError(
            f"All pictures of a study are kept, so they have at most {LARGEST_SIZE} pixels a side; choose a "
            "smaller size."
        )
    about = repr((question, order, chains, [stamp(name) for name in styles], measures.network_is_here()))
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    with _lock:
        known = _studies.get(key)
        if known is None or (known.finished and known.error):
            known = _studies[key] = Study(key, question, order, chains)
            known.begin()
        _studies.move_to_end(key)
        while len(_studies) > _KEPT:
            _studies.popitem(last=False)
    return known.news()


def _chains(question: str, wanted: Mapping[str, Any]) -> list[tuple[str, ...]]:
    first, then = str(wanted.get("style", "")), str(wanted.get("then", ""))
    if question == "repeat":
        if not first:
            raise SettingsError("Choose a style to repeat.")
        times = wanted.get("times", 10)
        if not isinstance(times, int) or not 1 <= times <= MOST_FILTERS:
            raise SettingsError(f"A filter can be repeated 1 to {MOST_FILTERS} times here.")
        return [(first,) * times]
    if question == "order":
        if not first or not then:
            raise SettingsError("Choose two styles, A and B.")
        if first == then:
            raise SettingsError("A and B are the same style; choose another one for B.")
        return [(first, then), (then, first), (first,), (then,)]
    chain = wanted.get("chain")
    found = tuple(str(name) for name in chain) if isinstance(chain, list) else ()
    if not 1 <= len(found) <= MOST_FILTERS:
        raise SettingsError(f"A chain has 1 to {MOST_FILTERS} filters; drag styles into it.")
    return [found]


def find(key: str) -> Study:
    """A study that was begun. DataError if it is no longer kept."""
    with _lock:
        study = _studies.get(key)
    if study is None:
        raise DataError("This study is no longer kept; it is made again.")
    return study


def news(asked: str) -> tuple[dict[str, Any] | None, bool]:
    """What is new of ``key~cursor``, and whether more will come by itself."""
    key, _, cursor = asked.partition("~")
    try:
        study = find(key)
    except DataError as error:
        return (None if cursor == "gone" else {"study": key, "cursor": "gone", "gone": str(error)}), False
    found = study.news()
    return (None if found["cursor"] == cursor else found), not study.finished


def waited(key: str, seconds: float = 60.0) -> Study:
    """A study once it is finished: for tests and scripts."""
    end = time.monotonic() + seconds
    while not find(key).finished and time.monotonic() < end:
        time.sleep(0.02)
    return find(key)
