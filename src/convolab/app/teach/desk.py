"""An open project: its examples, what is computed for it, what was learned; shared by all its tabs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks
from starlette.concurrency import run_in_threadpool

from convolab.app.teach.computing import base as open_base
from convolab.app.teach.computing import learning, looking, ready
from convolab.datasets.progress import Fetching
from convolab.errors import ConvolabError, DataError
from convolab.teach.examples import opened
from convolab.teach.project import Project, projects
from convolab.words import left

if TYPE_CHECKING:
    from convolab.teach.caching import FeatureCache
    from convolab.teach.measures import FeatureMap, LayerScore, Point
    from convolab.teach.teaching import Taught

_KEPT = 8
_MANY = 0.06
"""Seconds between two images that come as files; a camera takes twice as long."""


@dataclass
class Doing:
    """What is being done for the person, for the page to show."""

    kind: str
    """``read``, ``train``, ``curve``, ``layers``."""
    sentence: str = "Starting …"
    fraction: float | None = None

    def report(self, now: Fetching) -> None:
        """A progress callback."""
        parts = [f"{now.what} …"]
        if now.total and now.total > 1_000_000:
            parts.append(f"{now.done / 1e6:.1f} of {now.total / 1e6:.1f} MB")
        elif now.total:
            parts.append(f"{now.done:,} of {now.total:,}")
        if now.seconds_left is not None and now.seconds_left >= 1:
            parts.append(left(now.seconds_left))
        self.sentence = f"{parts[0]} {', '.join(parts[1:])}".strip()
        self.fraction = min(1.0, now.done / now.total) if now.total else None


class Desk:
    """One project as the lab has it open. Its coroutines run on the event loop."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.version = 1
        """Changes with everything that the page shows."""
        self.learned_version = 1
        self.doing: Doing | None = None
        self.problem = ""
        """What went wrong with the last thing that was done."""
        self.base_problem = ""
        """Why there are no features."""
        self.background = ""
        """What goes on by itself: fetching the base network, computing features."""
        self.cache: FeatureCache | None = None
        self.taught: Taught | None = None
        self.map: FeatureMap | None = None
        self.curve: list[Point] | None = None
        self.layers: list[LayerScore] | None = None
        self.undo: Callable[[], None] | None = None
        self.undo_title = ""
        self._cache_of: tuple[str, int] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._arrived = self._rest_until = 0.0

    @property
    def settings(self) -> Any:
        """Of the project."""
        return self.project.settings

    def touch(self) -> None:
        """Something that the page shows has changed."""
        self.version += 1

    # ---------------------------------------------------------------- features

    def known(self) -> int:
        """How many images have features."""
        if self.cache is None or self._cache_of != self._wanted():
            return 0
        return len(self.project) - len(self.cache.missing(list(self.project.content)))

    def arrived(self) -> None:
        """An image was brought. Many are all taken before they are looked at: both at once takes longer."""
        now = time.monotonic()
        if now - self._arrived < _MANY:
            self._rest_until = now + 4 * _MANY
        self._arrived = now
        self.feed()

    def feed(self) -> None:
        """See that all images get their features, one after the other, in the background."""
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.create_task(self._feed())

    async def fed(self) -> None:
        """Wait until all images have features. Raises ConvolabError if they cannot be had."""
        self.feed()
        assert self._feeding is not None
        await asyncio.shield(self._feeding)
        if self.base_problem:
            raise DataError(self.base_problem)

    async def _feed(self) -> None:
        self.base_problem = ""
        try:
            await self.open_cache()
            if len(self.project):
                background_tasks.create(learning(ready))
            while True:
                cache = self.cache
                if cache is None or self._cache_of != self._wanted():
                    await self.open_cache()
                    continue
                missing = cache.missing(list(self.project.content))
                if not missing:
                    return
                for example in missing:
                    content = self.project.content.get(example)
                    if content is None:
                        continue
                    while time.monotonic() < self._rest_until:
                        await asyncio.sleep(_MANY)
                    await looking(cache.compute, example, lambda content=content: opened(content))
                    done, total = self.known(), len(self.project)
                    self._tell(f"Computing features … {done:,} of {total:,} images", done / max(1, total))
                    if self._cache_of != self._wanted():
                        break
        except ConvolabError as error:
            self.base_problem = str(error)
        finally:
            self.background = ""
            self.touch()

    def _fetching(self, now: Fetching) -> None:
        told = Doing("fetch")
        told.report(now)
        self._tell(told.sentence, told.fraction)

    def _tell(self, sentence: str, fraction: float | None) -> None:
        """Say what goes on: on its own, or as part of what was asked for."""
        self.background = sentence
        if self.doing is not None and self.doing.kind != "read":
            self.doing.sentence, self.doing.fraction = sentence, fraction
        self.touch()

    def _wanted(self) -> tuple[str, int]:
        return self.settings.base, self.settings.size

    async def open_cache(self) -> None:
        """The base network and the kept features that the settings name. Raises ConvolabError."""
        from convolab.teach.caching import FeatureCache

        wanted = self._wanted()
        if self._cache_of == wanted:
            return
        network = await run_in_threadpool(open_base, wanted[0], self._fetching)
        self.cache, self._cache_of = FeatureCache(network, wanted[1]), wanted
        self.touch()

    # ---------------------------------------------------------------- doing

    def begin(self, kind: str, work: Callable[[Doing], Coroutine[Any, Any, None]]) -> None:
        """Do something that takes a while. DataError if something is being done already."""
        if self.doing is not None:
            raise DataError(f"The lab is at work on this project: {self.doing.sentence}")
        self.doing = Doing(kind)
        self.problem = ""
        self.touch()
        background_tasks.create(self._do(self.doing, work), name=f"teach {kind}")

    async def _do(self, doing: Doing, work: Callable[[Doing], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(doing)
        except ConvolabError as error:
            self.problem = str(error)
        except Exception as error:
            self.problem = f"This failed unexpectedly ({type(error).__name__}: {error})."
            raise
        finally:
            self.doing = None
            self.touch()

    async def train(self, doing: Doing) -> None:
        """Learn the classes."""
        from convolab.teach.files import pack, save
        from convolab.teach.teaching import teach

        self.project.check()
        await self.fed()
        assert self.cache is not None
        doing.sentence, doing.fraction = "Training the classifier …", None
        self.touch()
        project, cache = self.project, self.cache
        found = await learning(
            lambda: teach(project, project.settings, title=project.title, base=cache.base, cache=cache)
        )
        self.take(found)
        self.curve = self.layers = None
        content = pack(project.title, project, project.settings, found, images=False)
        await run_in_threadpool(save, project.learned_path, content)

    def take(self, taught: Taught | None) -> None:
        """Show and use what was learned."""
        import numpy as np

        from convolab.teach.measures import feature_map

        self.taught = taught
        self.map = None
        if taught is not None:
            everything = np.concatenate([taught.classifier.examples, taught.tested.standard])
            self.map = feature_map(everything)
        self.learned_version += 1
        self.touch()

    async def measure_curve(self, doing: Doing) -> None:
        """Accuracy against examples per class."""
        from convolab.teach.measures import learning_curve

        taught, get = await self._measurable(doing)
        made = taught.classifier
        train, test = get(made.layer)
        self.curve = await learning(
            lambda: learning_curve(
                train, test, made.classes, made.settings, made.base, made.layer, progress=self._follow(doing)
            )
        )
        self.learned_version += 1

    async def measure_layers(self, doing: Doing) -> None:
        """Lower against higher layers."""
        from convolab.teach.measures import compare_layers, compared_layers

        taught, get = await self._measurable(doing)
        made = taught.classifier
        pairs = {layer: get(layer) for layer in compared_layers(made.base)}
        self.layers = await learning(
            lambda: compare_layers(
                {layer: pair[0] for layer, pair in pairs.items()},
                {layer: pair[1] for layer, pair in pairs.items()},
                made.classes,
                made.settings,
                made.base,
                progress=self._follow(doing),
            )
        )
        self.learned_version += 1

    async def _measurable(self, doing: Doing) -> tuple[Taught, Callable[[str], Any]]:
        """What was learned, and a function from layers to its training and test examples."""
        from convolab.teach.measures import Labelled
        from convolab.teach.teaching import labels_of, split

        taught = self.taught
        if taught is None or self.stale():
            raise DataError("Examples or settings have changed; train again first.")
        await self.fed()
        cache = self.cache
        assert cache is not None
        parts = split(taught.items)

        def get(layer: str) -> Any:
            return tuple(
                Labelled(cache.get([item.id for item in part], layer), labels_of(part)) for part in parts
            )

        return taught, get

    def _follow(self, doing: Doing) -> Callable[[Fetching], None]:
        def follow(now: Fetching) -> None:
            doing.report(now)
            self.touch()

        return follow

    def stale(self) -> bool:
        """Whether examples, classes or settings are others than those that were learned from."""
        if self.taught is None:
            return False
        made = self.taught.classifier
        if made.classes != self.project.names or made.settings != self.settings:
            return True
        now = {(item.id, item.label) for item in self.project.items()}
        return now != {(item.id, item.label) for item in self.taught.items}


_desks: OrderedDict[str, Desk] = OrderedDict()
_opening = threading.Lock()


def desk(project_id: str) -> Desk:
    """The open project of this id. Reads the disk the first time: off the event loop. DataError if none."""
    with _opening:
        if project_id in _desks:
            _desks.move_to_end(project_id)
            return _desks[project_id]
        made = Desk(Project(project_id))
        made.take(_kept_classifier(made))
        _desks[project_id] = made
        while len(_desks) > _KEPT:
            _desks.popitem(last=False)
        return made


def _kept_classifier(made: Desk) -> Taught | None:
    """What was learned when the project was last open; it is no matter if that is gone."""
    from convolab.teach.files import read

    if made.project.learned_path.exists():
        with contextlib.suppress(ConvolabError):
            about = made.project.settings.base
            return read(made.project.learned_path, base=open_base(about)).taught
    return None


def newest_or_new() -> str:
    """The id of the project that was changed last, or of a new one."""
    for project_id, _, _ in projects():
        with contextlib.suppress(ConvolabError):
            Project(project_id)
            return project_id
    return Project.create().id


def forget(project_id: str) -> None:
    """Close and delete a project."""
    with _opening:
        made = _desks.pop(project_id, None)
    if made is not None:
        made.project.delete()
        made.project.content.clear()  # whoever computes its features has nothing left to do
