"""What can go wrong, each as one sentence for a person: what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvolabError(Exception):
    """Base of every error a user can cause or meet; ``str(error)`` is one clear sentence.

    The command line prints it and exits with code 2, the page shows it where it was caused.
    """


class SettingsError(ConvolabError):
    """A setting is missing, out of range or contradicts another."""


class DataError(ConvolabError):
    """A data set or picture cannot be found, fetched or read."""


class NetworkError(ConvolabError):
    """A network description cannot be read or does not fit its data."""


class RunError(ConvolabError):
    """A run cannot be found, read, resumed or controlled."""


class TrainingError(ConvolabError):
    """Training had to stop: the loss is not finite, memory is short, …"""


class UnitError(ConvolabError):
    """A layer or unit to look at that the network does not have."""


class ReportError(ConvolabError):
    """A page or a pin cannot be found, read or written."""


class ExperimentError(ConvolabError):
    """An experiment (variants, a sweep, a challenge, a score) cannot be made, found or read."""


class ConvolabWarning(UserWarning):
    """Something worth saying that stops nothing."""


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The valid choice most like a mistyped ``name``, or None if none is at all alike."""
    known = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    return known[matches[0]] if matches else None


def unknown(what: str, name: str, choices: Iterable[str]) -> str:
    """A sentence for an unknown name: ``There is no data set "mnits"; did you mean "mnist"? …``."""
    choices = list(choices)
    guess = nearest(name, choices)
    hint = f' Did you mean "{guess}"?' if guess else ""
    return f'There is no {what} "{name}".{hint} Choose one of: {", ".join(choices)}.'
