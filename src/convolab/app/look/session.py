"""What one tab of the room looks at: up to two networks and one picture; frames and answers about them."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from convolab.app import longwork
from convolab.app.inference import compute
from convolab.app.look import sources
from convolab.app.look.given import Drawing, Given, Pixels, Upload, sample
from convolab.app.look.questions import QUESTIONS
from convolab.app.look.sources import NotHere, Subject
from convolab.errors import ConvolabError
from convolab.widgets.frames import encode_frame, layout

SLOTS = ("a", "b")
"""The network that is looked at, and the one it is compared with."""

QUICK_UNITS, QUICK_WORK = 30_000, 3_000_000
"""Units and multiply-adds of networks so small that handing them to a thread would take as long."""

T = TypeVar("T")


def _one_core() -> None:
    import torch

    torch.set_num_threads(1)


@contextmanager
def _small_networks() -> Iterator[None]:
    """One core and PyTorch's own convolutions: for a few thousand units oneDNN takes longer to begin than to
    compute (Harley's CNN: 0.95 ms with it, 0.67 ms without)."""
    import torch

    before = torch.get_num_threads(), torch.backends.mkldnn.enabled
    torch.set_num_threads(1)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before[1]
        torch.set_num_threads(before[0])


_THREAD = ThreadPoolExecutor(1, "convolab-look", initializer=_one_core)
"""A thread of normal priority that does nothing but what somebody draws at this moment."""


async def at_once(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)`` on the thread for what must not wait."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, function, *arguments)


class Session:
    """The state behind one socket. Its methods are called one after the other or awaited side by side."""

    def __init__(self) -> None:
        self._subjects: dict[str, Subject] = {}
        self._picture: Drawing | Upload | Pixels | None = None
        self._centre = True
        self._quick: dict[str, bool] = {}

    # ---------------------------------------------------------------- pictures

    async def look(self, header: dict[str, Any], content: memoryview) -> bytes | None:
        """Take over the picture of a binary message, and answer with the frame of it."""
        began = time.perf_counter()
        kind = header.get("kind")
        if kind == "upload":
            self._picture = await run_in_threadpool(Upload, bytes(content))
        elif kind in ("drawing", "pixels"):
            reader = Drawing if kind == "drawing" else Pixels
            self._picture = reader.read(header, content)
        self._centre = bool(header.get("centre", True))
        return await self.frame(header.get("id", 0), began)

    async def sample(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Look at a test image; the frame of it has to be asked for."""
        subject = self._subject(asked)
        self._picture, facts = await run_in_threadpool(sample, subject, asked)
        return facts

    async def frame(self, number: int = 0, began: float | None = None) -> bytes | None:
        """The frame of the present picture; None while there is none, or no network."""
        picture = self._picture
        if picture is None or not self._subjects:
            return None
        began = began or time.perf_counter()
        if not isinstance(picture, Upload) and all(self._quick.get(slot) for slot in self._subjects):
            with _small_networks():
                return self._frame(picture, number, began)
        return await at_once(self._frame, picture, number, began)

    def _frame(self, picture: Drawing | Upload | Pixels, number: int, began: float) -> bytes:
        subjects = dict(self._subjects)
        first = next(iter(subjects.values()))
        given: Given = picture.given(first.network.input_shape, self._centre)
        shown = {}
        for slot, subject in subjects.items():
            activations = subject.look(given.pixels)
            shown[slot] = (subject.inspector, activations)
            if self._subjects.get(slot) is not None and self._subjects[slot].model is subject.model:
                self._subjects[slot] = dataclasses.replace(
                    subject, pixels=given.pixels, activations=activations
                )
        return encode_frame(
            shown,
            given.pixels,
            {slot: subject.version for slot, subject in subjects.items()},
            frame=number,
            done=given.done,
            empty=given.empty,
            ms=round((time.perf_counter() - began) * 1000, 3),
        )

    # ---------------------------------------------------------------- networks

    async def open(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put a network into a slot, or take it out; answers with its layout."""
        slot = SLOTS[1] if asked.get("slot") == SLOTS[1] else SLOTS[0]
        source = str(asked.get("source", ""))[:200]
        if not source:
            self._subjects.pop(slot, None)
            return {"layout": None}
        self._subjects.pop(slot, None)
        subject = await run_in_threadpool(sources.subject, source)
        other = self._subjects.get(SLOTS[1 - SLOTS.index(slot)])
        if other is not None and other.network.input_shape != subject.network.input_shape:
            if slot == SLOTS[1]:
                raise ConvolabError(
                    f"{subject.title} takes pictures of another size than {other.title}; "
                    "choose a network for the same pictures."
                )
            self._subjects.clear()
        self._put(slot, subject)
        return {"layout": layout(subject.inspector, slot=slot, **subject.facts())}

    def _put(self, slot: str, subject: Subject) -> None:
        self._subjects[slot] = subject
        self._quick[slot] = _quick(subject)
        self._subjects = {name: self._subjects[name] for name in SLOTS if name in self._subjects}

    async def renewed(self) -> list[dict[str, Any]]:
        """Take over weights that are newer; what changed, for the page. Costs a look at a file each."""
        changes = []
        for slot, subject in list(self._subjects.items()):
            if not subject.live:
                continue
            try:
                if await run_in_threadpool(sources.version, subject.source) == subject.version:
                    continue
                newer = await run_in_threadpool(sources.subject, subject.source)
            except ConvolabError:
                continue
            if self._subjects.get(slot) is not None and self._subjects[slot].source == newer.source:
                self._put(slot, newer)
                changes.append({"event": "weights", "slot": slot, **newer.facts()})
        return changes

    def _subject(self, asked: dict[str, Any]) -> Subject:
        slot = str(asked.get("slot", SLOTS[0]))
        if slot not in self._subjects:
            raise ConvolabError("Choose a network first.")
        return self._subjects[slot]

    # ---------------------------------------------------------------- questions

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question of the page; an error is a sentence, with its repair if there is one."""
        try:
            return await self._answer(asked)
        except NotHere as error:
            return {"error": str(error), "fetch": error.dataset}
        except ConvolabError as error:
            return {"error": str(error)}

    async def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        what = str(asked.get("do", ""))
        if what == "open":
            return await self.open(asked)
        if what == "sample":
            return await self.sample(asked)
        if what == "fetch":
            return _fetching(str(asked.get("dataset", "")), begin=bool(asked.get("begin")))
        if what not in QUESTIONS:
            raise ConvolabError("This lab cannot answer that.")
        question = QUESTIONS[what]
        subject = self._subject(asked)
        run = compute if question.slow else at_once
        return await run(question.answer, subject, asked)


def _quick(subject: Subject) -> bool:
    units = sum(math.prod(level.shape) for level in subject.inspector.levels)
    return units <= QUICK_UNITS and (subject.network.multiply_adds or 0) <= QUICK_WORK


def _fetching(dataset: str, begin: bool) -> dict[str, Any]:
    """How far the fetch of a data set is; ``begin`` starts it."""
    from convolab.datasets import info

    about = info(dataset)
    if about.present:
        return {"finished": True, "sentence": "", "fraction": 1.0}
    work = longwork.fetch(dataset) if begin else longwork.fetching(dataset)
    if work is None:
        return {
            "finished": False,
            "sentence": "",
            "fraction": None,
            "error": "The fetch has ended; try again.",
        }
    return {"finished": False, "sentence": work.sentence, "fraction": work.fraction}
