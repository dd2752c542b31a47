"""Where Optuna keeps what sweeps asked and were told: a file in the lab's home, or another database."""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from convolab.errors import ExperimentError
from convolab.home import home

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.study import Study

STARTUP = 5
"""Trials before others are pruned by comparison with them."""
STEPS = 10
"""Into how many parts a trial is divided; it may be pruned after each of them, not in the first two."""


def database_url() -> str:
    """The lab's own file of sweeps."""
    return f"sqlite:///{home() / 'sweeps.db'}"


def open_study(url: str, name: str, *, seed: int, prune: bool, make: bool = False) -> Study:
    """The study of a sweep: which trials there were, with which values, and what came of them.

    ``seed`` is that of the search; each time a study is opened it goes on with other random numbers, so that
    no trial is proposed twice because of it. ExperimentError if the database does not answer, is damaged, or
    is one of something else, which is never written into.
    """
    path = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
    if path is not None:
        _check_sqlite(path)
    with _explained(url), quiet():
        import optuna
        from optuna.samplers import TPESampler
        from optuna.storages import RDBStorage

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": 60}} if path is not None else {"pool_pre_ping": True}
        storage = RDBStorage(url, engine_kwargs=options)
        pruner = _pruner(prune)
        if make:
            study = optuna.create_study(
                study_name=name, storage=storage, direction="maximize", pruner=pruner, load_if_exists=True
            )
        else:
            study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        told = len(study.get_trials(deepcopy=False))
        study.sampler = TPESampler(seed=seed + told, n_startup_trials=8, constant_liar=True)
        return study


def _pruner(prune: bool) -> BasePruner:
    from optuna.pruners import MedianPruner, NopPruner

    if not prune:
        return NopPruner()
    # Worse than the median of the others at the same place, once enough others came so far.
    return MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=2)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna marks much of what it has offered for years as experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_sqlite(path: Path) -> None:
    """ExperimentError if there is a file that holds no sweeps."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {row[0] for row in rows}
    except sqlite3.DatabaseError as error:
        raise ExperimentError(
            f"The record of sweeps {path} is damaged ({error}); move it away to start a new one, or put a "
            "copy in its place."
        ) from error
    if tables and not {"studies", "trials"} <= tables:
        raise ExperimentError(
            f"{path} is a database of something else than sweeps; move it away, or name another one."
        )


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """What Optuna and SQLAlchemy raise, as one sentence without passwords."""
    try:
        yield
    except ExperimentError:
        raise
    except KeyError as error:
        raise ExperimentError(f"The record of this sweep is not in {_public(url)}.") from error
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        raise ExperimentError(f"The record of sweeps at {_public(url)} cannot be used ({reason}).") from error


def _public(url: str) -> str:
    """The URL without user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
