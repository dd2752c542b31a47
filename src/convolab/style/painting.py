"""A picture being painted: its parts, its levels from coarse to fine, its optimizer; saved and restored."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from convolab.errors import SettingsError, TrainingError
from convolab.style import tiles
from convolab.style.features import FeatureNetwork
from convolab.style.loading import load_network
from convolab.style.objective import Objective, StyleTarget, Weights, style_target
from convolab.style.optimize import Adam, Lbfgs, Optimizer, Smooth
from convolab.style.pictures import (
    Picture,
    fitted,
    grown,
    like_brightness,
    luminance,
    mask_tensor,
    read_mask,
    read_picture,
    to_image,
    to_tensor,
    with_colors_of,
)
from convolab.style.pyramid import Pyramid
from convolab.style.schedule import Clock, levels
from convolab.style.settings import TransferSettings
from convolab.training.device import choose_device
from convolab.training.files import read_metadata, read_tensors, why_not_written, write_tensors

if TYPE_CHECKING:
    from convolab.datasets.progress import Report

KIND = "convolab transfer"
NOISE = 0.1
"""How far the pixels (0 … 1) of the first guess are from grey."""
STYLE_BYTES = 40
"""Of memory for each pixel of a style picture, whatever the tiles: its forms on the way to a tensor."""


class Painting:
    """All that a transfer knows between two steps; `Transfer` adds the loop.

    Raises ConvolabError with one sentence if the parts do not fit together.
    """

    def __init__(
        self,
        content: Picture,
        styles: Picture | Sequence[Picture],
        settings: TransferSettings,
        masks: Sequence[Picture] = (),
        network: FeatureNetwork | None = None,
        progress: Report | None = None,
    ) -> None:
        self.settings = settings
        self.content = read_picture(content)
        pictures = [styles] if isinstance(styles, str | bytes | Path | Image.Image) else list(styles)
        self.styles = [read_picture(style) for style in pictures]
        self.masks = [read_mask(mask) for mask in masks]
        self._check_parts()
        self.start = None if settings.start in ("noise", "content") else read_picture(settings.start)
        self.network = network or load_network(settings.network, settings.pooling, settings.padding, progress)
        self.network.check((*settings.content_names, *settings.style_names))
        self.device = choose_device("auto")
        self.network.to(self.device)
        self.weights = Weights(settings.weight, settings.layer_weights, settings.tv)
        self.plan = levels(
            settings.size,
            settings.coarse_to_fine,
            settings.most_steps,
            settings.budget,
            self._least_size(),
        )
        self.clock = Clock(self.plan, settings.budget)
        self.level = 0
        self.step = 0
        self.done = 0
        """Steps at the present level."""
        self.optimizer: Optimizer | None = None
        self.objective: Objective | None = None
        """Of the present size."""
        self.pyramid: Pyramid | None = None
        """The same with the coarser sizes: what is minimised."""
        self._judges: list[Objective | None] = []
        """The objectives of the levels so far; None where they are not needed any more."""
        # The largest first: where memory is too little for it, that is the one to tell of.
        self._tilings = [self._tiling(level.size) for level in reversed(self.plan)][::-1]
        for style in self.styles if settings.style_names else ():  # better said now than after coarser sizes
            self._style_tiling(*self._style_size(style, *self._size(self.plan[-1].size)))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture at the present level."""
        return self._size(self.plan[self.level].size)

    def picture(self) -> Image.Image:
        """The best picture so far, as it would be saved."""
        if self.optimizer is None:
            return self.content.resize(self.size, Image.Resampling.LANCZOS)
        return to_image(self._finish_colors(self.optimizer.picture))

    # ---------------------------------------------------------------- levels

    def prepare(self) -> None:
        """Learn the targets of the present level and make its optimizer, once."""
        if self.objective is not None:
            return
        share = self.settings.coarse_share
        # Coarser levels are made here only after a saved state was restored; else they are there already.
        while len(self._judges) < self.level + 1:
            level = len(self._judges)
            wanted = level == self.level or share > 0
            self._judges.append(self._judge(level) if wanted else None)
        judges = [judge for judge in self._judges if judge is not None]
        self.objective = judges[-1]
        self.pyramid = Pyramid(judges[-1], judges[:-1], share)
        self.pyramid.weights = self.weights
        if self.optimizer is None:
            self.optimizer = self._optimizer(self._first(*self.size))

    def _judge(self, level: int) -> Objective:
        width, height = self._size(self.plan[level].size)
        content = self._content(width, height)
        settings = self.settings
        return Objective(
            self.network,
            content,
            [self._style(style, content) for style in self.styles],
            self.weights,
            content_layers=settings.content_names,
            style_layers=settings.style_names,
            measure=settings.style_loss,
            blend=settings.blend_for(len(self.styles)),
            masks=[mask_tensor(mask, height, width).to(self.device) for mask in self.masks],
            tiling=self._tilings[level],
        )

    def _next_level(self) -> None:
        assert self.optimizer is not None
        self.level += 1
        self.done = 0
        width, height = self.size
        self.objective = None
        if not self.settings.coarse_share:
            self._judges = [None] * self.level
        self.optimizer = self._optimizer(grown(self.optimizer.picture, height, width))

    def _optimizer(self, picture: Tensor) -> Optimizer:
        settings = self.settings
        if settings.optimizer == "adam":
            return Adam(picture, settings.learning_rate, settings.beta1, settings.beta2)
        smooth = Smooth(picture.shape[2], picture.shape[3], picture.device)
        return Lbfgs(picture, settings.history, smooth, bounds=(0.0, 1.0))

    # ---------------------------------------------------------------- pictures

    def _size(self, size: int) -> tuple[int, int]:
        return fitted(self.content.width, self.content.height, size)

    def _content(self, width: int, height: int) -> Tensor:
        content = to_tensor(self.content, width, height).to(self.device)
        if self.settings.preserve_color:
            return luminance(content).expand(-1, 3, -1, -1).contiguous()
        return content

    def _style(self, style: Image.Image, content: Tensor) -> StyleTarget:
        """A style learned at the scale that gives it the wanted stroke size on a picture of this size."""
        if not self.settings.style_names:  # the content alone is rebuilt
            return StyleTarget({})
        width, height = self._style_size(style, content.shape[3], content.shape[2])
        tiling = self._style_tiling(width, height)
        picture = to_tensor(style, width, height).to(self.device)
        if self.settings.preserve_color:
            picture = like_brightness(picture, content)
        return style_target(
            self.network, picture, self.settings.style_names, self.settings.style_loss, tiling
        )

    def _style_size(self, style: Image.Image, width: int, height: int) -> tuple[int, int]:
        """With stroke size 1 the style picture has the area of the picture that is painted."""
        scale = self.settings.stroke_size * math.sqrt(width * height / (style.width * style.height))
        least = max(32, self.network.smallest(self.settings.style_names))
        scale = max(scale, least / min(style.size))
        return round(style.width * scale), round(style.height * scale)

    def _first(self, width: int, height: int) -> Tensor:
        """The first guess."""
        if self.settings.start == "content":
            return self._content(width, height)
        if self.start is not None:
            picture = to_tensor(self.start, width, height).to(self.device)
            if self.settings.preserve_color:
                picture = luminance(picture).expand(-1, 3, -1, -1).contiguous()
            return picture
        generator = torch.Generator().manual_seed(self.settings.seed)
        noise = torch.rand((1, 3, height, width), generator=generator)
        # Stronger noise takes longer to go away than the picture takes to appear.
        return (0.5 + NOISE * (2 * noise - 1)).to(self.device)

    def _finish_colors(self, picture: Tensor) -> Tensor:
        if not self.settings.preserve_color:
            return picture
        photo = to_tensor(self.content, picture.shape[3], picture.shape[2]).to(self.device)
        return with_colors_of(picture, photo)

    # ---------------------------------------------------------------- memory and files

    def _least_size(self) -> int:
        """The least long side in pixels at which the content has a short side that all layers can see."""
        layers = (*self.settings.content_names, *self.settings.style_names)
        long, short = max(self.content.size), min(self.content.size)
        return math.ceil(self.network.smallest(layers) * long / short)

    def _style_tiling(self, width: int, height: int) -> tiles.Tiling | None:
        """How a style picture of that size is computed. SettingsError if it is too large for the memory."""
        settings = self.settings

        def planned(stroke_size: float) -> tiles.Tiling | None:
            scale = stroke_size / settings.stroke_size
            wide, high = math.ceil(scale * width), math.ceil(scale * height)
            return tiles.plan(self.network, settings.style_names, wide, high, settings.memory_mb, STYLE_BYTES)

        try:
            return planned(settings.stroke_size)
        except SettingsError as error:
            reason = str(error).split(". ")[0]
            smaller = _first_that_fits(planned, settings.stroke_size)
        mend = "choose a smaller size" if smaller is None else f"a stroke size of {smaller:g} would fit"
        raise SettingsError(
            f"With stroke size {settings.stroke_size:g} the style picture is too large: {reason}; {mend}."
        )

    def _tiling(self, size: int) -> tiles.Tiling | None:
        settings = self.settings
        width, height = self._size(size)
        layers = (*settings.content_names, *settings.style_names)
        # Three values of four bytes for each vector of the optimizer, and the maps of the content layers.
        vectors = 2 * settings.history + 8 if settings.optimizer == "lbfgs" else 8
        kept = 12 * vectors + sum(
            4 * self.network.maps(layer) / self.network.stride(layer) ** 2 for layer in settings.content_names
        )
        return tiles.plan(self.network, layers, width, height, settings.memory_mb, kept)

    def _check_parts(self) -> None:
        if not self.styles:
            raise SettingsError("A transfer needs at least one style picture.")
        if self.masks and len(self.masks) != len(self.styles):
            raise SettingsError(
                f"There are {len(self.styles)} style pictures but {len(self.masks)} masks; "
                "give one mask for each."
            )
        try:
            self.settings.blend_for(len(self.styles))
        except ValueError as error:
            raise SettingsError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None

    def _fingerprint(self) -> str:
        """What has to be the same for a saved state to fit: pictures, masks, most settings."""
        found = hashlib.sha256()
        for picture in (self.content, *self.styles, *self.masks):
            found.update(repr(picture.size).encode() + picture.tobytes())
        changeable = {"weight", "style_weights", "tv", "memory_mb", "precision"}
        found.update(json.dumps(self.settings.model_dump(exclude=changeable), sort_keys=True).encode())
        return found.hexdigest()

    def save(self, path: str | Path) -> None:
        """Save all that is needed to go on. TrainingError if the file cannot be written."""
        if self.optimizer is None:
            return
        weights = self.weights
        record = {
            "fingerprint": self._fingerprint(),
            "level": self.level,
            "step": self.step,
            "done": self.done,
            "seconds": self.clock.seconds,
            "weights": [weights.weight, list(weights.style), weights.tv],
        }
        tensors = {name: tensor.cpu() for name, tensor in self.optimizer.state().items()}
        try:
            write_tensors(Path(path), tensors, {"kind": KIND, "record": json.dumps(record)})
        except OSError as error:
            raise TrainingError(f"The transfer could not be saved: {why_not_written(error)}.") from error

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote. TrainingError if it cannot be read or is of another transfer."""
        try:
            metadata, _ = read_metadata(path)
            record = json.loads(metadata["record"]) if metadata.get("kind") == KIND else None
            tensors = read_tensors(path) if record else {}
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise TrainingError(f"{path} cannot be read: it is damaged or cut short.") from error
        if record is None:
            raise TrainingError(f"{path} is no saved transfer.")
        if record["fingerprint"] != self._fingerprint():
            raise TrainingError(f"{path} was saved with other pictures or settings; remove it to start anew.")
        self.level, self.step, self.done = record["level"], record["step"], record["done"]
        self.clock.seconds = record["seconds"]
        weight, style, tv = record["weights"]
        self.weights = Weights(weight, tuple(style), tv)
        tensors = {name: t if name == "numbers" else t.to(self.device) for name, t in tensors.items()}
        self.optimizer = self._optimizer(tensors["picture"])
        self.optimizer.restore(tensors)


def _first_that_fits(planned: Callable[[float], object], stroke_size: float) -> float | None:
    """The largest smaller stroke size, in tenths, that ``planned`` does not refuse; None if there is none."""
    for tenths in range(math.ceil(10 * stroke_size) - 1, 0, -1):
        with contextlib.suppress(SettingsError):
            planned(tenths / 10)
            return tenths / 10
    return None
