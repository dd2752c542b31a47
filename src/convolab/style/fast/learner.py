"""A network that learns a style: its parts, one step, previews; saved and restored.

`convolab.style.fast.learning` adds the loop, which reports and can be steered.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from convolab.errors import SettingsError, TrainingError
from convolab.style.fast import learning_pass, parallel
from convolab.style.fast.architecture import parse
from convolab.style.fast.network import TransformNetwork, padded
from convolab.style.fast.optimizers import BETAS, make_muon
from convolab.style.fast.photo_sources import Gathered, gather, preview_scenes
from convolab.style.fast.photos import PHOTO_AREA, Parts, opened, split
from convolab.style.fast.settings import LearnSettings
from convolab.style.features import FeatureNetwork
from convolab.style.loading import load_network
from convolab.style.objective import Differences, Objective, StyleTarget, Weights, style_target
from convolab.style.pictures import Picture, read_picture, to_image, to_tensor
from convolab.training.deferred_compiler import defer_compiler
from convolab.training.device import choose_device
from convolab.training.files import read_metadata, read_tensors, why_not_written, write_tensors

if TYPE_CHECKING:
    from convolab.datasets.progress import Report

KIND = "convolab style being learned"
WARM_UP = 20
"""Steps until the learning rate is reached."""
AVERAGED = 0.995
"""What is kept is a mean of the weights over about the last 1/(1 − this) steps, fewer at the beginning."""
FULL = 0.7
"""Share of the parts that are painted at full strength; the others at any."""
STABLE_EVERY = 4
"""Every so many parts one is painted a second time, moved and noised."""
STABLE_SHIFT = 4
"""Pixels by which it is moved at most."""
STABLE_NOISE = 0.02
"""Deviation of the noise, of the range 0 … 1."""


class Learner:
    """All that is known between two steps. ConvolabError with a sentence if the parts do not fit together."""

    def __init__(
        self,
        painting: Picture,
        settings: LearnSettings,
        photos: Gathered | None = None,
        network: FeatureNetwork | None = None,
        progress: Report | None = None,
    ) -> None:
        self.settings = settings
        self.painting = read_picture(painting)
        self.place, self.others = parallel.join()
        self.features = network or load_network(settings.network, "max", "replicate", progress)
        layers = (*settings.content_names, *settings.style_names)
        self.features.check(layers)
        least = max(STABLE_SHIFT * 4, self.features.smallest(layers))
        if settings.crop < least:
            raise SettingsError(f"Parts of photos must have at least {least} pixels a side for these layers.")
        self.gathered = photos or gather(None, progress)
        from_photos, held = split(self.gathered.photos)
        self.scenes = not held or self.gathered.painted
        """Whether previews are of scenes painted by the lab."""
        self.held_out: list[Image.Image] = []
        """Photos that are not learned from, at the scale at which strokes have their size."""
        for photo in held or preview_scenes():
            picture = opened(photo, PHOTO_AREA)
            if min(picture.size) >= least:
                self.held_out.append(picture)
        self.parts = Parts(from_photos, settings.crop, settings.seed)
        self.device = choose_device("auto")
        self.features.to(self.device)
        self.started_with = ""
        """The style whose weights it began with."""
        self.model = TransformNetwork(parse(settings.architecture), settings.seed).to(self.device)
        self.average: TransformNetwork = copy.deepcopy(self.model)
        """The mean of the weights over the last steps: what is kept."""
        rate = settings.learning_rate
        defer_compiler()
        self.optimizer: torch.optim.Optimizer = (
            make_muon(self.model, rate)
            if settings.optimizer == "muon"
            else torch.optim.Adam(self.model.parameters(), rate, BETAS)
        )
        self.step = 0
        self.examples = 0
        self.seconds = 0.0
        self.recent: Differences | None = None
        """Running means over the last steps, of parts that were painted at full strength."""
        self._target: StyleTarget | None = None

    # ---------------------------------------------------------------- getting ready

    @property
    def target(self) -> StyleTarget:
        """What the painting is to the losses."""
        if self._target is None:
            width, height = self.painting_size()
            picture = to_tensor(self.painting, width, height).to(self.device)
            settings = self.settings
            self._target = style_target(self.features, picture, settings.style_names, settings.style_loss)
        return self._target

    def painting_size(self) -> tuple[int, int]:
        """(width, height) at which the painting is looked at: with stroke size 1 the area of a photo."""
        width, height = self.painting.size
        scale = self.settings.stroke_size * math.sqrt(PHOTO_AREA / (width * height))
        least = max(32, self.features.smallest(self.settings.style_names))
        scale = max(scale, least / min(width, height))
        return round(width * scale), round(height * scale)

    def begin(self) -> None:
        """Take the weights to start with. NetworkError if there is no such style, or it has another size."""
        from convolab.style.fast.starts import nearest_style, start_weights

        wanted = self.settings.start
        if self.step or wanted == "none":
            return
        name = nearest_style(self) if wanted == "auto" else wanted
        if not name:
            return
        weights = start_weights(name, self.model.architecture)
        self.model.load_state_dict(weights)
        self.average.load_state_dict(weights)
        self.started_with = name

    # ---------------------------------------------------------------- one step

    def learn(self, parts: Sequence[Tensor], fraction: float) -> Differences:
        """Change the weights once, by parts of photos (1, 3, side, side); ``fraction``: how much is done."""
        rate = self.rate(fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        found, full = [], []
        for part in parts:
            photo = part.to(self.device)
            total, differences, strength = self._judge(photo, self.examples)
            (total / len(parts)).backward()
            found.append(differences)
            full += [differences] if strength == 1 else []
            self.examples += 1
        for parameter in self.model.parameters():
            if parameter.grad is None:  # what depends on strength, where all was painted at full strength
                parameter.grad = torch.zeros_like(parameter)
        parallel.average([p.grad for p in self.model.parameters() if p.grad is not None])
        self.optimizer.step()
        self.step += 1
        keep = min(AVERAGED, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_([*self.average.parameters()], [*self.model.parameters()], 1 - keep)
        now = mean_of(found)
        if not math.isfinite(now.total):
            raise TrainingError(
                "The network no longer paints with finite numbers; choose a lower learning rate."
            )
        if full:
            whole = mean_of(full)
            self.recent = whole if self.recent is None else blended(self.recent, whole, 0.1)
        return now

    def rate(self, fraction: float) -> float:
        """The learning rate: it rises over the first steps and then falls along half a cosine."""
        warm = min(1.0, (self.step + 1) / WARM_UP)
        return self.settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))

    def _judge(self, part: Tensor, number: int) -> tuple[Tensor, Differences, float]:
        """What is minimised, for one part, and the strength; this and the noise its number decides."""
        number = number * self.others + self.place
        random = np.random.default_rng([self.settings.seed, 2, number])
        strength = 1.0 if random.random() < FULL else float(random.random())
        painted = self.paint(part, strength)
        total, differences = self.objective(part, strength).total_of(painted)
        if self.settings.stability > 0 and number % STABLE_EVERY == 0:
            total = total + self.settings.stability * self._unrest(part, painted, strength, random)
        return total, differences, strength

    def paint(self, part: Tensor, strength: float) -> Tensor:
        """What the network makes of a part, convolved in the number format of the feature network."""
        low = self.features.precision == "bf16"
        if low and learning_pass.usable(self.model, part):
            return learning_pass.paint(self.model, part, strength)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=low):
            return self.model(part, strength)

    def _unrest(self, part: Tensor, painted: Tensor, strength: float, random: np.random.Generator) -> Tensor:
        """How much the painting changes when its photo is moved and noised, relative to its contrast."""
        down, across = (int(shift) for shift in random.integers(-STABLE_SHIFT, STABLE_SHIFT + 1, 2))
        height, width = part.shape[2:]
        top, left = STABLE_SHIFT + down, STABLE_SHIFT + across
        moved = padded(part, STABLE_SHIFT, "reflect")[:, :, top : top + height, left : left + width]
        noise = random.normal(0, STABLE_NOISE, tuple(moved.shape)).astype(np.float32)
        again = self.paint(moved + torch.from_numpy(noise).to(self.device), strength)
        # Place (i, j) of the second painting shows what (i + down, j + across) of the first one shows.
        rows = slice(max(0, down), height + min(0, down)), slice(max(0, -down), height + min(0, -down))
        columns = (
            slice(max(0, across), width + min(0, across)),
            slice(max(0, -across), width + min(0, -across)),
        )
        first, second = painted[:, :, rows[0], columns[0]], again[:, :, rows[1], columns[1]]
        return (first - second).square().mean() / painted.detach().var().clamp_min(1e-3)

    def objective(self, photo: Tensor, strength: float = 1.0) -> PhotoObjective:
        """The losses for one photo: at half the strength style weighs half as much."""
        settings = self.settings
        weight = settings.weight * strength
        count = max(1, len(settings.style_names))
        return PhotoObjective(
            self.features,
            photo,
            [self.target],
            Weights(weight, (1 / count,) * len(settings.style_names), settings.tv),
            content_layers=settings.content_names,
            style_layers=settings.style_names,
            measure=settings.style_loss,
        )

    # ---------------------------------------------------------------- looking

    @torch.no_grad()
    def preview(self) -> list[Image.Image]:
        """The held-out photos as they are painted now."""
        return [
            to_image(self.average(to_tensor(photo, *photo.size).to(self.device))) for photo in self.held_out
        ]

    @torch.no_grad()
    def measure(self) -> tuple[Differences, Differences]:
        """On the held-out photos at full strength: the differences of the paintings, and of the photos."""
        paintings, photos = [], []
        for picture in self.held_out:
            photo = to_tensor(picture, *picture.size).to(self.device)
            objective = self.objective(photo)
            paintings.append(objective.measure(self.average(photo).clamp(0, 1)))
            photos.append(objective.measure(photo))
        if not paintings:
            now = self.recent or Differences(0, 0, 0, 0)
            return now, now
        return mean_of(paintings), mean_of(photos)

    # ---------------------------------------------------------------- files

    def _fingerprint(self) -> str:
        """What has to be the same for a saved state to fit: painting, photos, most settings."""
        found = hashlib.sha256(repr(self.painting.size).encode() + self.painting.tobytes())
        changeable = {"budget", "examples", "steps", "precision", "start"}
        found.update(json.dumps(self.settings.model_dump(exclude=changeable), sort_keys=True).encode())
        found.update(str(len(self.parts.photos)).encode())
        return found.hexdigest()

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that is needed to go on: tensors, and a record for JSON."""
        recent = self.recent
        record = {
            "fingerprint": self._fingerprint(),
            "step": self.step,
            "examples": self.examples,
            "seconds": self.seconds,
            "started_with": self.started_with,
            "recent": None if recent is None else [recent.total, recent.style, recent.content, recent.tv],
        }
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for part, value in self.optimizer.state[parameter].items():
                if part != "step":
                    tensors[f"{part}.{name}"] = value
        return tensors, record

    def share(self) -> None:
        """Where many learn together: begin where the first process is, which alone has what was saved."""
        if not parallel.together():
            return

        def state() -> tuple[dict[str, Tensor], dict[str, Any]]:
            tensors, record = self._state()
            return {name: tensor.cpu() for name, tensor in tensors.items()}, record

        tensors, record = parallel.told(state)
        if self.place:
            self._take(tensors, record)

    def save(self, path: str | Path) -> None:
        """Save all that is needed to go on. TrainingError if the file cannot be written."""
        tensors, record = self._state()
        try:
            write_tensors(Path(path), tensors, {"kind": KIND, "record": json.dumps(record)})
        except OSError as error:
            raise TrainingError(f"The style could not be saved: {why_not_written(error)}.") from error

    def restore(self, path: str | Path) -> None:
        """Go on from what `save` wrote. TrainingError if it cannot be read or is of another style."""
        path = Path(path)
        try:
            metadata, _ = read_metadata(path)
            record = json.loads(metadata["record"]) if metadata.get("kind") == KIND else None
            tensors = read_tensors(path) if record else {}
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise TrainingError(f"{path} cannot be read: it is damaged or cut short.") from error
        if record is None:
            raise TrainingError(f"{path} is no style that was being learned.")
        if record["fingerprint"] != self._fingerprint():
            raise TrainingError(
                f"{path} was saved with another painting, photos or settings; remove it to start anew."
            )
        self._take(tensors, record)

    def _take(self, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
        """Go on from what `_state` gave."""
        self.model.load_state_dict(_under("model", tensors))
        self.average.load_state_dict(_under("average", tensors))
        self.step, self.examples = record["step"], record["examples"]
        self.seconds, self.started_with = record["seconds"], record["started_with"]
        self.recent = Differences(*record["recent"]) if record["recent"] else None
        for name, parameter in self.model.named_parameters():
            moments: dict[str, Any] = {
                part: torch.empty_like(parameter).copy_(tensors[f"{part}.{name}"])
                for part in ("exp_avg", "exp_avg_sq", "momentum")
                if f"{part}.{name}" in tensors
            }
            if moments:
                self.optimizer.state[parameter] = {"step": torch.tensor(float(self.step)), **moments}


class PhotoObjective(Objective):
    """The losses of a transfer for one photo, with a slope that goes on into the network."""

    def total_of(self, painted: Tensor) -> tuple[Tensor, Differences]:
        """What is minimised, at a picture (1, 3, H, W), and its parts."""
        losses = self.losses
        features = self.network(painted, {loss.layer for loss in losses})
        return self.total({loss: loss(features) for loss in losses}, painted)


def _under(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


def mean_of(found: Sequence[Differences]) -> Differences:
    """The mean of each part."""
    mean = found[0]
    for count, other in enumerate(found[1:], 2):
        mean = blended(mean, other, 1 / count)
    return mean


def blended(a: Differences, b: Differences, share: float) -> Differences:
    """``share`` of b and the rest of a; layers that one of them lacks are those of the other."""

    def mixed(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
        return {
            key: one.get(key, other.get(key, 0.0)) * (1 - share) + other.get(key, one.get(key, 0.0)) * share
            for key in {**one, **other}
        }

    return Differences(
        a.total + (b.total - a.total) * share,
        a.style + (b.style - a.style) * share,
        a.content + (b.content - a.content) * share,
        a.tv + (b.tv - a.tv) * share,
        mixed(a.style_by_layer, b.style_by_layer),
        mixed(a.content_by_layer, b.content_by_layer),
    )
