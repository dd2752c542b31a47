"""What the room shows and would paint, and the query of an address that says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from convolab.app.transfer import library, networks
from convolab.errors import ConvolabError, SettingsError
from convolab.spec import check, explain
from convolab.style.job_folder import PREFIX, TransferSpec
from convolab.style.settings import TransferSettings
from convolab.style.vgg import VGGS

DEFAULT_PHOTO = "lab-lake"
DEFAULT_STYLES = ("lab-strokes",)
DEFAULT_SETTINGS = TransferSettings(size=384)
"""As everywhere, but small enough for the first picture to come soon."""
MOST_STYLES = 6
PICTURE = "picture:"
"""A start from a picture of the library is this and its key."""
_PLAIN = ":,@-._~"


@dataclass(frozen=True)
class Wanted:
    """All that decides what is painted, and what the room shows beside it."""

    photo: str = DEFAULT_PHOTO
    styles: tuple[str, ...] = DEFAULT_STYLES
    masks: tuple[str, ...] = ()
    """One for each style, or none."""
    settings: TransferSettings = DEFAULT_SETTINGS
    job: str = ""
    """The transfer that is shown; none before the first."""
    grid: str = ""
    """The grid that is shown."""
    view: str = "picture"
    """``picture`` or ``grid``."""

    def changed_settings(self, **values: Any) -> Wanted:
        """With other settings. SettingsError with a sentence if they do not fit."""
        try:
            return replace(self, settings=self.settings.changed(**values))
        except ValidationError as error:
            raise SettingsError(explain(error)) from None

    def with_styles(self, styles: tuple[str, ...]) -> Wanted:
        """With other style pictures; masks and blend of another number of them no longer fit."""
        styles = tuple(dict.fromkeys(styles))[:MOST_STYLES]
        if len(styles) == len(self.styles):
            return replace(self, styles=styles)
        return replace(self, styles=styles, masks=(), settings=self.settings.changed(blend=""))


def of_spec(spec: TransferSpec, otherwise: Wanted) -> Wanted:
    """What would paint a transfer again; parts that are no longer in the library are as in ``otherwise``."""
    keys = spec.keys
    styles = tuple(keys.get(f"style-{i}", "") for i in range(len(spec.styles)))
    masks = tuple(keys.get(f"mask-{i}", "") for i in range(spec.masks))
    settings = spec.settings
    if "start" in keys:
        settings = settings.changed(start=PICTURE + keys["start"])
    elif settings.start not in ("noise", "content"):
        settings = settings.changed(start=DEFAULT_SETTINGS.start)
    if "network" in keys:
        settings = settings.changed(network=keys["network"])
    return replace(
        otherwise,
        photo=keys.get("content", otherwise.photo),
        styles=styles if styles and all(styles) else otherwise.styles,
        masks=masks if all(masks) else (),
        settings=settings,
        job=spec.run_id,
        grid=spec.cell.grid if spec.cell else otherwise.grid,
    )


def to_query(wanted: Wanted) -> str:
    """The query, without ``?``: only what differs from the defaults, and always photo and styles."""
    pairs = [("photo", wanted.photo), ("style", ",".join(wanted.styles))]
    if wanted.masks:
        pairs.append(("mask", ",".join(wanted.masks)))
    for name in TransferSettings.model_fields:
        value = getattr(wanted.settings, name)
        if value != getattr(DEFAULT_SETTINGS, name):
            pairs.append((name, _plain(value)))
    if wanted.job:
        pairs.append(("job", wanted.job))
    if wanted.grid:
        pairs.append(("grid", wanted.grid))
    if wanted.view != "picture":
        pairs.append(("view", wanted.view))
    return "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in pairs)


def from_query(query: Mapping[str, str], spec_of: Callable[[str], TransferSpec]) -> tuple[Wanted, list[str]]:
    """Understand as much of a query as possible, and sentences about the rest; never raises.

    ``spec_of`` finds a transfer, and raises RunError if there is none. A link that names a transfer and
    nothing else shows the settings that it was painted with.
    """
    problems: list[str] = []
    wanted = Wanted()
    if job := query.get("job", ""):
        try:
            if not job.startswith(PREFIX):
                raise SettingsError(f'"{job[:60]}" is no transfer.')
            spec = spec_of(job)
            wanted = replace(wanted, job=job) if "photo" in query else of_spec(spec, wanted)
        except ConvolabError as error:
            problems.append(str(error))
    photo = _known(query.get("photo", ""), problems)
    styles = tuple(filter(None, (_known(key, problems) for key in query.get("style", "").split(",") if key)))
    wanted = replace(wanted, photo=photo or wanted.photo)
    if styles:
        wanted = wanted.with_styles(styles)
    if masks := tuple(
        filter(None, (_known(key, problems) for key in query.get("mask", "").split(",") if key))
    ):
        wanted = replace(wanted, masks=masks if len(masks) == len(wanted.styles) else ())
    wanted = replace(wanted, settings=_settings(query, wanted.settings, problems))
    if library.is_key(query.get("grid", "")):
        wanted = replace(wanted, grid=query["grid"])
    if query.get("view") == "grid":
        wanted = replace(wanted, view="grid")
    known = {"photo", "style", "mask", "job", "grid", "view", *TransferSettings.model_fields}
    if foreign := [name for name in query if name not in known]:
        problems.append(f'The link says "{foreign[0][:80]}", which this room does not know; it was left out.')
    return wanted, problems


def typed_weights(settings: TransferSettings) -> dict[str, float]:
    """The weight of each style layer as it was typed; 1 where none was."""
    given = [float(part) for part in settings.style_weights.split(",") if part]
    return dict(zip(settings.style_names, given or [1.0] * len(settings.style_names), strict=True))


def weights_text(weights: list[float]) -> str:
    """Weights of style layers as the setting has them: none where all count alike."""
    return "" if all(weight == 1 for weight in weights) else ",".join(f"{weight:g}" for weight in weights)


def _settings(query: Mapping[str, str], settings: TransferSettings, problems: list[str]) -> TransferSettings:
    given = {name: query[name] for name in TransferSettings.model_fields if name in query}
    values = {name: None if text == "none" else text for name, text in given.items()}
    try:
        found: TransferSettings = check(TransferSettings, {**settings.model_dump(), **values})
    except SettingsError as error:
        problems.append(f"A setting in the link does not fit: {error}")
        found = settings
        for name, value in values.items():  # keep what does fit
            try:
                found = found.changed(**{name: value})
            except ValidationError:
                continue
    try:
        if found.network not in VGGS:
            return networks.fitting(found.network, found)
    except ConvolabError as error:
        problems.append(str(error))
        found = networks.fitting("vgg-16", found)
    if found.start.startswith(PICTURE):
        if not _known(found.start.removeprefix(PICTURE), problems):
            found = found.changed(start=DEFAULT_SETTINGS.start)
    elif found.start not in ("noise", "content"):
        problems.append("A start from a file is chosen in the room; the link's was left out.")
        found = found.changed(start=DEFAULT_SETTINGS.start)
    return found


def _known(key: str, problems: list[str]) -> str:
    if not key:
        return ""
    try:
        return library.entry(key).key
    except ConvolabError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return ""


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
