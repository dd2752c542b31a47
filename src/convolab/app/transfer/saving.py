"""What can be taken out of a transfer: any picture with its settings in it, a film of all, the losses."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from convolab.errors import DataError
from convolab.style.job_folder import TransferFolder
from convolab.style.settings import TransferSettings

FILM_SECONDS = 6.0
LAST_SECONDS = 1.5
"""How long a film shows its last picture."""
FRAMES = 90
KINDS = {"gif": "image/gif", "webp": "image/webp", "apng": "image/apng"}


def settings_at(folder: TransferFolder, step: int) -> tuple[TransferSettings, dict[str, Any]]:
    """The settings with which the picture after ``step`` was painted, and what else is known of it.

    Weights that were changed while it was painted are those of that step.
    """
    spec = folder.spec()
    settings = spec.settings
    facts: dict[str, Any] = {
        "name": spec.name,
        "content": spec.content,
        "styles": list(spec.styles),
        "keys": spec.keys,
        "step": step,
        "made with": f"convolab {spec.version}",
    }
    changes: dict[str, Any] = {}
    for event in folder.entries()[0]:
        if event.get("step", 0) > step:
            break
        if event.get("kind") == "weights_changed":
            changes = {"weight": event["weight"], "tv": event["tv"]}
            changes["style_weights"] = [round(part, 6) for part in event["style_weights"]]
        elif event.get("kind") == "iterate":
            facts["seconds"] = round(event["seconds"], 3)
            facts["style_diff"], facts["content_diff"] = event["style"], event["content"]
    return settings.changed(**changes), facts


def png(folder: TransferFolder, step: int) -> bytes:
    """The picture after ``step``, with settings in its metadata. DataError if it is not kept."""
    from convolab.style.pictures import save_png

    settings, facts = settings_at(folder, step)
    with _opened(folder, step) as picture, tempfile.TemporaryDirectory() as work:
        path = Path(work) / "picture.png"
        save_png(path, picture, settings, **facts)
        return path.read_bytes()


def film(folder: TransferFolder, kind: str) -> bytes:
    """All kept pictures, at the size of the last, as ``gif``, ``webp`` or ``apng``. DataError."""
    steps = folder.iterates()
    if not steps:
        raise DataError("There is no picture yet; a film can be saved once painting has begun.")
    every = max(1, -(-len(steps) // FRAMES))
    chosen = [*steps[:-1:every], steps[-1]]
    with _opened(folder, steps[-1]) as last:
        size = last.size
    frames = []
    for step in chosen:
        try:
            with _opened(folder, step) as picture:
                frame = picture.convert("RGB")
        except DataError:  # thinned out meanwhile
            continue
        frames.append(frame if frame.size == size else frame.resize(size, Image.Resampling.BICUBIC))
    each = max(20, round(1000 * FILM_SECONDS / len(frames) / 10) * 10)
    durations = [each] * (len(frames) - 1) + [round(1000 * LAST_SECONDS)]
    buffer = io.BytesIO()
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": frames[1:],
        "duration": durations,
        "loop": 0,
    }
    if kind == "gif":
        frames[0].save(buffer, "GIF", optimize=False, **options)
    elif kind == "webp":
        frames[0].save(buffer, "WEBP", quality=85, method=2, **options)
    else:
        frames[0].save(buffer, "PNG", **options)
    return buffer.getvalue()


def losses(folder: TransferFolder) -> str:
    """All exact values of the curves as CSV, one row for each step."""
    settings = folder.spec().settings
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    plain = ("step", "seconds", "total", "style", "content", "tv", "weight", "width", "height")
    layers = (
        *(f"style {name}" for name in settings.style_names),
        *(f"content {n}" for n in settings.content_names),
    )
    writer.writerow([*plain, *layers])
    rows: dict[int, list[Any]] = {}
    for event in folder.entries()[0]:
        if event.get("kind") == "iterate":
            row = [event[name] for name in plain]
            row += [event["style_by_layer"].get(name, "") for name in settings.style_names]
            row += [event["content_by_layer"].get(name, "") for name in settings.content_names]
            rows[event["step"]] = row  # what was painted twice stands there once
    writer.writerows(rows[step] for step in sorted(rows))
    return text.getvalue()


def _opened(folder: TransferFolder, step: int) -> Image.Image:
    try:
        picture = Image.open(folder.iterate_path(step))
        picture.load()
    except (OSError, SyntaxError):
        raise DataError("This picture is no longer kept; choose another step.") from None
    return picture
