"""The page that the tour makes: what was found, as pins with words between them."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convolab.experiments.records import Experiment
from convolab.experiments.results import Summary, rows
from convolab.experiments.scores import Score, export_score
from convolab.report import Pin, PinBlock, TextBlock, add_pin, new, pin_run
from convolab.report.drawings import Line, lines_svg
from convolab.report.export import build
from convolab.report.origins import of_run, options

if TYPE_CHECKING:
    from PIL import Image

    from convolab.activations import Inspector
    from convolab.evaluation import Outputs
    from convolab.training import WeightsInfo


class Page:
    """The page under way."""

    def __init__(self, plan: str) -> None:
        self.plan = plan
        self.blocks: list[TextBlock | PinBlock] = []
        self.latest = ""
        """What was found last, as a sentence or two."""
        flag = " --quick" if plan == "quick" else ""
        self._words(
            f"This page was made by `convolab tour{flag}`: every figure and picture on it comes from "
            "networks that were trained while it was made. Each says how to repeat it."
        )

    def build(self, folder: Path | None = None) -> Path:
        """Keep the page in the lab, and export it to ``folder`` (by its name where none is given)."""
        page = new(f"A tour of convolutional networks ({self.plan})")
        saved = page.changed(blocks=tuple(self.blocks)).save()
        return build(saved, folder or Path(saved.name))

    # ---------------------------------------------------------------- parts

    def training(self, runs: Sequence[str]) -> None:
        """Curves, statistics, confusion and network of the runs on the three data sets."""
        first, *others = runs
        told = []
        for run_id in runs:
            figures = _figures(run_id)
            told.append(
                f"{figures['dataset']} {100 * figures['accuracy']:.1f} % after {figures['examples']:,} "
                f"examples in {figures['seconds']:.0f} s"
            )
        self._words(f"## The same network on three data sets\n\nTest accuracy: {'; '.join(told)}.")
        self._pin(pin_run(first, "curves", others))
        self._pin(pin_run(first, "statistics", others))
        self._pin(pin_run(runs[-1], "confusion"))
        self._pin(pin_run(runs[-1], "network"))
        self.latest = f"{'; '.join(told)}."

    def comparison(self, first: str, second: str, other: str, elsewhere: str) -> None:
        """Two runs on the same test images; and a third one on the data set ``elsewhere``."""
        from convolab.datasets import info
        from convolab.evaluation import compare
        from convolab.runs import RunFolder

        result = compare(_answers(first), _answers(second))
        specs = [RunFolder(run_id).spec() for run_id in (first, second, other)]
        share = float(_answers(other, elsewhere).right.mean())
        where = info(specs[0].dataset).title
        self._words(
            f"## Is one network better?\n\nThe first is *{specs[0].network.name}*, the second "
            f"*{specs[1].network.name}*, on the same {result.total:,} test images of {where}. {result.words} "
            f"(Only the first gets {result.only_first:,} images right, the second {result.only_second:,}; "
            f"McNemar's test.)\n\nA network knows only what it was trained for: the one trained on "
            f"{info(specs[2].dataset).title} gets {100 * share:.1f} % of {info(elsewhere).title}'s test "
            "images right, whose classes it has never seen."
        )
        self._pin(pin_run(first, "curves", [second]))
        self.latest = result.words

    def difficulty(self, datasets: Sequence[str]) -> None:
        """Figures of the pixels of each data set."""
        from convolab.datasets import load
        from convolab.experiments.difficulty import difficulty

        found = [difficulty(load(name)) for name in datasets]
        table = [
            [
                "data set",
                "nearest class mean",
                "nearest image",
                "variance between classes",
                "distance in class",
            ]
        ]
        table += [
            [
                one.dataset,
                f"{100 * one.nearest_mean:.1f} %",
                f"{100 * one.nearest_neighbour:.1f} %",
                f"{100 * one.between_classes:.1f} %",
                f"{one.same_class_distance:.2f}",
            ]
            for one in found
        ]
        hardest = min(found, key=lambda one: one.nearest_mean)
        sentence = (
            f"Without any network, the nearest class mean names {100 * hardest.nearest_mean:.0f} % of "
            f"{hardest.dataset}'s test images, and only {100 * hardest.between_classes:.0f} % of what "
            "differs between its pixels differs between classes."
        )
        self._words(
            f"## Why is one data set harder than another?\n\n{sentence} Digits and clothes are centred on "
            "black and look much alike within a class; photos of one class differ in pose, size, colour and "
            "background, so pixels by themselves say little, and a network has to learn what stays the same."
        )
        caption = "What the simplest classifiers make of the pixels. Distance in class: of two images of one "
        caption += "class, as a share of that of any two."
        self._pin(
            add_pin(
                "table",
                "How hard the pixels are",
                {"difficulty.csv": _csv(table)},
                caption=caption,
                reproduce=f"python examples/q3_why_cifar10.py {' '.join(datasets)}",
            )
        )
        self.latest = sentence

    def looking(self, run_id: str, number: int = 0) -> None:
        """All units of a network for one test image, and the smallest change that confuses it."""
        from convolab.activations.confusing import confuse
        from convolab.activations.drawing import draw
        from convolab.datasets import load

        inspector, info = _inspector(run_id)
        data = load(info.dataset)
        pixels = _input(data.test_images[number], info)
        activations = inspector.run(pixels)
        order = activations.prediction.order
        start = of_run(run_id, name="tour")
        drawing = draw(
            activations, title="Every unit", caption=[f"Test image {number} of {data.title}, given as it is."]
        )
        self._words("## Looking inside\n\nEvery unit of the trained network for one test image.")
        self._pin(
            add_pin(
                "view",
                "Every unit of the network",
                {"units.png": _png(drawing.resize((drawing.width // 2, drawing.height // 2)))},
                caption=f"It takes test image {number} for a {inspector.classes[order[0]]}.",
                settings=start.settings,
                reproduce=f"{start.reproduce}; convolab look {info.dataset}:test:{number} --network tour "
                "-o units.png",
                run_id=run_id,
                needed=start.files,
            )
        )
        first, second = int(order[0]), int(order[1])
        low, high = (_input(data.test_images[number] * 0 + value, info)[:, :1, :1] for value in (0, 255))
        found = confuse(inspector, pixels, first, second, low=low, high=high, frames=6)
        self._words(f"### The smallest change that confuses it\n\n{found.message}")
        shown = [(frame - low) / (high - low) for frame in found.path]
        self._pin(
            add_pin(
                "strip",
                f"From a {inspector.classes[first]} to the border of a {inspector.classes[second]}",
                {"confusing.png": _png(_strip(shown))},
                caption=f"Changed by {100 * found.mean_change:.1f} % of the range of a pixel on average.",
                settings=start.settings | {"test image": number},
                reproduce=f"{start.reproduce}; then 'A confusing input' in the room Look inside",
                run_id=run_id,
                needed=start.files,
            )
        )
        self.latest = found.message

    def variants(self, experiment: Experiment, summary: Summary) -> None:
        """Accuracy and time against what was varied."""
        points = [point for point in summary.points if point.accuracy is not None]
        x = [float(point.value) for point in points]
        counts = ",".join(f"{value:g}" for value in x)
        drawing = lines_svg(
            [Line("test accuracy", x, [point.accuracy or 0.0 for point in points])],
            experiment.title.lower(),
            "accuracy",
            percent=True,
        )
        times = lines_svg(
            [Line("seconds", x, [point.seconds for point in points])], experiment.title.lower(), "seconds"
        )
        self._words(f"## How many layers?\n\n{summary.words}")
        self._pin(
            add_pin(
                "table",
                experiment.title,
                {
                    "accuracy.svg": drawing.encode(),
                    "seconds.svg": times.encode(),
                    "runs.csv": _csv(rows(summary)),
                },
                caption=f"Each on the same {experiment.examples or 0:,} examples of {experiment.dataset}.",
                reproduce=f"convolab variants {experiment.dataset} --vary {experiment.varied}={counts} "
                f"--examples {experiment.examples}",
            )
        )
        self.latest = summary.words

    def transfer(self, run_id: str, size: int, steps: int, network: str) -> None:
        """A scene in the style of a painting, by optimisation.

        ``network``: ``vgg-16``, ``own`` for the run's, or ``auto``: VGG-16 if it is here already.
        """
        from convolab.experiments.layer_values import blocks
        from convolab.runs import RunFolder
        from convolab.style import Transfer, TransferSettings
        from convolab.style.painted import paint

        ours = network == "own" or (network == "auto" and not _vgg_is_here())
        settings = TransferSettings(size=size, steps=steps, start="content", coarse_to_fine=size > 128)
        if ours:
            folder = RunFolder(run_id)
            layers = [f"relu{number}" for number in range(1, 1 + len(blocks(folder.spec().network)))]
            settings = settings.changed(
                network=str(folder.weights_path), content_layer=layers[-1], style_layers=",".join(layers)
            )
        scene, painting = paint("lake", size), paint("waves", size)
        # The weights of a network of the tour are not on the page; VGG-16 is what others have.
        repeated = TransferSettings(size=size, steps=steps, start="content", coarse_to_fine=size > 128)
        work = Transfer(scene, painting, settings)
        for _ in work.iterates():
            continue
        end = work.finished
        assert end is not None
        called = "the network trained above" if ours else "VGG-16"
        sentence = f"{end.width}×{end.height} pixels, {end.step} steps in {end.seconds:.0f} s, with {called}."
        self._words(f"## Style transfer\n\nA scene, a painting, and the scene painted like it: {sentence}")
        self._pin(
            add_pin(
                "picture",
                "A lake in waves",
                {"scene.png": _png(scene), "style.png": _png(painting), "painted.png": _png(work.picture())},
                caption=f"W = {settings.weight:g}, between the photo alone (0) and the style alone (1).",
                settings=settings.model_dump(exclude_defaults=True) | {"network": called},
                reproduce=f"convolab transfer scene.png style.png -o out.png {shlex.join(options(repeated))}",
            )
        )
        self.latest = sentence

    def restyling(self, size: int) -> None:
        """A scene through a learned style once and again, and through a second one; if a style is there."""
        from convolab.style.fast import styles, stylize_steps
        from convolab.style.painted import paint

        # One of each painting: of several sizes the one with the shortest name, which is the standard one.
        there = sorted(styles(), key=lambda entry: len(entry.name), reverse=True)
        names = sorted({entry.card.title: entry.name for entry in there}.values())
        if not names:
            self.latest = (
                "No style was learned yet, so this part is left out: 'convolab learn-style' makes one."
            )
            return
        scene = paint("lake", size)
        again = [step.picture for step in stylize_steps(scene, names[0], repeat=3)[1:]]
        files = {"scene.jpg": _jpeg(scene)}
        files |= {f"first-{count}.jpg": _jpeg(picture) for count, picture in enumerate(again, 1)}
        sentence = f"The style {names[0]} once, twice and three times."
        if len(names) > 1:
            both = stylize_steps(scene, names[0], then=[names[1]])[-1].picture
            alone = stylize_steps(scene, names[1])[-1].picture
            files |= {"second.jpg": _jpeg(alone), "first-then-second.jpg": _jpeg(both)}
            sentence += f" Then {names[1]} alone, and {names[1]} on what {names[0]} had painted."
        title = "One style again and again" + (", and one on another" if len(names) > 1 else "")
        self._words(f"## Restyling in one pass\n\n{sentence}")
        self._pin(
            add_pin(
                "strip",
                title,
                files,
                caption="Whatever a filter adds, it adds again: borders and grain build up.",
                reproduce=f"convolab stylize scene.jpg -s {names[0]} -o again.png --repeat 3 --each",
            )
        )
        self.latest = sentence

    def challenge(self, scores: Sequence[tuple[Score, str]]) -> None:
        """What came of the challenges, with everything needed to repeat them."""
        from convolab.datasets import info

        told = "\n".join(f"- {score.minutes:g} min: {words}" for score, words in scores)
        first = scores[0][0]
        aim = f"{100 * first.target:g} % on {info(first.dataset).title}"
        self._words(
            f"## The challenge: {aim}\n\n{told}\n\nThe clock is that "
            "of training alone: loading and evaluation do not count. This machine's own convolutions: "
            f"{first.machine.gflops:,.0f} GFLOP/s."
        )
        lines = [
            Line(f"{score.minutes:g} min", [x for x, _ in score.curve], [y for _, y in score.curve])
            for score, _ in scores
        ]
        files = {
            "challenge.svg": lines_svg(lines, "seconds of training", "test accuracy", percent=True).encode()
        }
        files |= {f"score-{score.minutes:g}min.json": export_score(score).encode() for score, _ in scores}
        self._pin(
            add_pin(
                "curves",
                "Towards 60 % and beyond",
                files,
                caption="Test accuracy against seconds of training. The files repeat the scores elsewhere.",
                reproduce=f"convolab scores import score-{first.minutes:g}min.json; convolab scores repeat "
                f"{first.id}",
            )
        )
        self.latest = scores[-1][1]

    # ---------------------------------------------------------------- blocks

    def _words(self, text: str) -> None:
        self.blocks.append(TextBlock(text=text))

    def _pin(self, pin: Pin) -> None:
        self.blocks.append(PinBlock(pin=pin.id, title=pin.title))


def _figures(run_id: str) -> dict[str, Any]:
    from convolab.datasets import info
    from convolab.runs import RunFolder

    folder = RunFolder(run_id)
    now = folder.state().figures
    return {
        "dataset": info(folder.spec().dataset).title,
        "accuracy": now.test_accuracy or 0.0,
        "examples": now.examples,
        "seconds": now.seconds,
    }


def _answers(run_id: str, dataset: str | None = None) -> Outputs:
    from convolab.datasets import load
    from convolab.evaluation import outputs
    from convolab.runs import RunFolder, load_network

    _, model, info = load_network(run_id)
    return outputs(model, load(dataset or RunFolder(run_id).spec().dataset), normalize=info.normalize())


def _inspector(run_id: str) -> tuple[Inspector, WeightsInfo]:
    from convolab.activations import Inspector
    from convolab.runs import load_network

    network, model, info = load_network(run_id)
    return Inspector(network, model, info.classes), info


def _input(pixels: Any, info: WeightsInfo) -> Any:
    """uint8 (C, H, W) as the network is given it: float32, normalised."""
    import numpy as np
    import torch

    given = np.array(pixels, dtype=np.uint8).transpose(1, 2, 0).copy()
    return info.normalize()(torch.from_numpy(given)[None])[0].numpy()


def _strip(frames: Iterable[Any], scale: int = 6) -> Image.Image:
    """Frames of (C, H, W), 0 to 1, side by side."""
    import numpy as np
    from PIL import Image

    pictures = [np.round(255 * np.clip(frame, 0, 1)).astype(np.uint8).transpose(1, 2, 0) for frame in frames]
    whole = np.concatenate(pictures, axis=1)
    picture = Image.fromarray(whole if whole.shape[2] == 3 else whole[:, :, 0])
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=90)
    return content.getvalue()


def _vgg_is_here() -> bool:
    from convolab.style.weights import weights_path

    return weights_path("vgg-16").exists()


def _csv(table: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode()
