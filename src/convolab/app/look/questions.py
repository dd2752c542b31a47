"""What the page may ask about the network it shows: a unit's arithmetic, and what other panels need."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convolab.app.look.sources import Subject
from convolab.errors import ConvolabError

Answer = Callable[[Subject, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Question:
    """A kind of question: the function that answers it, ``(subject, asked) -> JSON``."""

    answer: Answer
    slow: bool = False
    """Slow ones are answered on the thread of low priority, so that drawing goes on meanwhile."""


def unit(subject: Subject, asked: dict[str, Any]) -> dict[str, Any]:
    """The whole calculation of the unit ``level``, ``index`` for the picture that is looked at."""
    if subject.activations is None:
        raise ConvolabError("There is no picture to look at yet; draw one.")
    index = asked.get("index")
    if not isinstance(index, list) or not all(isinstance(number, int) for number in index):
        raise ConvolabError("This names no unit.")
    found = subject.activations.unit(str(asked.get("level", "")), tuple(index))
    return {"unit": found.to_json()}


def _elsewhere(module: str) -> Answer:
    def answer(subject: Subject, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            found = importlib.import_module(f"convolab.app.look.{module}")
        except ModuleNotFoundError:
            raise ConvolabError("This lab cannot answer that.") from None
        result: dict[str, Any] = found.answer(subject, asked)
        return result

    return answer


QUESTIONS: dict[str, Question] = {
    "unit": Question(unit),
    "exciting": Question(_elsewhere("exciting"), slow=True),
    "confuse": Question(_elsewhere("confusing"), slow=True),
}
"""All kinds, by name; torch is loaded by those that need it."""
