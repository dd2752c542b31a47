"""`convolab transfer`, `rebuild`, `style-diff`, `content-diff`: style transfer by optimisation."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolab.cli.networks import JSON_OPTION
from convolab.cli.options import spec_options
from convolab.cli.output import console, fetching, print_json, print_table
from convolab.errors import SettingsError
from convolab.style.settings import DEFAULT_STYLE_LAYERS, TransferSettings, names
from convolab.words import duration

if TYPE_CHECKING:
    from convolab.style.compare import Measured
    from convolab.style.events import TransferFinished, TransferStarted
    from convolab.style.features import FeatureNetwork
    from convolab.style.transferring import Transfer

OUTPUT = Annotated[Path, typer.Option("--output", "-o", help="The PNG file to write.")]
A = Annotated[Path, typer.Argument(help="A picture.")]
B = Annotated[Path, typer.Argument(help="Another picture.")]
SIZE = Annotated[int, typer.Option(help="Long side in pixels at which they are compared.", min=32, max=4096)]
NETWORK = Annotated[str, typer.Option(help="vgg-16, vgg-19, or a file of weights saved by the lab.")]


@spec_options(TransferSettings, "settings")
def transfer(
    content: Annotated[Path, typer.Argument(help="The photo.")],
    styles: Annotated[list[Path], typer.Argument(help="One or more pictures whose style is wanted.")],
    output: OUTPUT,
    mask: Annotated[
        list[Path] | None,
        typer.Option(help="Where a style is wanted: white there, black elsewhere. One for each style."),
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(help="Also write the picture after each so many steps, numbered.", min=1)
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="A file to save the work in, and to go on from if it is there.")
    ] = None,
    json: JSON_OPTION = False,
    *,
    settings: TransferSettings,
) -> int:
    """Paint a photo in the style of other pictures. Ctrl-C finishes with the picture as it is."""
    from convolab.style.pictures import check_writable
    from convolab.style.transferring import Transfer

    check_writable(output)
    with fetching() as progress:
        work = Transfer(content, styles, settings, masks=mask or (), checkpoint_path=state, progress=progress)
    facts = {"content": content.name, "styles": [style.name for style in styles]}
    _paint(work, output, json, save_every, facts)
    return 0


@spec_options(TransferSettings, "settings")
def rebuild(
    image: Annotated[Path, typer.Argument(help="The picture to rebuild.")],
    output: OUTPUT,
    content: Annotated[
        str | None, typer.Option("--content", help="Rebuild from the activations of this layer.")
    ] = None,
    style: Annotated[
        str | None,
        typer.Option("--style", help="Rebuild the texture from the Gram matrices of these layers."),
    ] = None,
    each: Annotated[
        bool,
        typer.Option(
            "--each", help="A picture for each layer of --content, or for the first, first two, … of --style."
        ),
    ] = False,
    json: JSON_OPTION = False,
    *,
    settings: TransferSettings,
) -> int:
    """Rebuild a picture from its content in a layer alone, or its texture from its style alone."""
    from convolab.style.loading import load_network
    from convolab.style.pictures import check_writable
    from convolab.style.rebuild import content_series, rebuild_content, rebuild_style, style_series

    if (content is None) == (style is None):
        raise SettingsError("Say either --content LAYER or --style LAYERS.")
    check_writable(output)
    layers = names(content or style or "")
    with fetching() as progress:
        network = load_network(settings.network, settings.pooling, settings.padding, progress)
    if each:
        series = content_series if content else style_series
        for name, work in series(image, layers, settings, network):
            target = output.with_name(f"{output.stem}-{name}{output.suffix}")
            _paint(work, target, json, None, {"content": image.name})
        return 0
    one = rebuild_content if content else rebuild_style
    _paint(one(image, layers, settings, network=network), output, json, None, {"content": image.name})
    return 0


def style_diff(
    a: A,
    b: B,
    size: SIZE = 512,
    layers: Annotated[str, typer.Option(help="The style layers, with commas.")] = ",".join(
        DEFAULT_STYLE_LAYERS
    ),
    network: NETWORK = "vgg-16",
    json: JSON_OPTION = False,
) -> int:
    """Measure how much two pictures differ in style: the assignment's StyleDiff, layer by layer."""
    from convolab.style.compare import measure_style

    loaded = _network_as_painted_with(network)
    _show(measure_style(loaded, a, b, names(layers), size), "style_diff", json)
    return 0


def content_diff(
    a: A,
    b: B,
    size: SIZE = 512,
    layers: Annotated[str, typer.Option(help="The content layer; several with commas.")] = "relu4_2",
    network: NETWORK = "vgg-16",
    json: JSON_OPTION = False,
) -> int:
    """Measure how much two pictures differ in content: the assignment's ContentDiff."""
    from convolab.style.compare import measure_content

    loaded = _network_as_painted_with(network)
    _show(measure_content(loaded, a, b, names(layers), size), "content_diff", json)
    return 0


def _network_as_painted_with(name: str) -> FeatureNetwork:
    """The network as `transfer` has it by default: relative differences are then those it reports."""
    from convolab.style.loading import load_network

    settings = TransferSettings()
    with fetching() as progress:
        return load_network(name, settings.pooling, settings.padding, progress)


def _show(found: Measured, what: str, json: bool) -> None:
    if json:
        data = asdict(found)
        named = {what: data["total"], f"{what}_by_layer": data["by_layer"]}
        rest = {key: data[key] for key in ("relative", "relative_by_layer", "size")}
        print_json({**named, **rest})
        return
    rows = [
        [layer, f"{value:.6g}", f"{found.relative_by_layer[layer]:.4f}"]
        for layer, value in found.by_layer.items()
    ]
    rows.append(["together", f"{found.total:.6g}", f"{found.relative:.4f}"])
    columns = ["layer", what.replace("_", "-"), "relative to the first picture"]
    print_table(columns, rows, right=columns[1:])


def _paint(work: Transfer, output: Path, json: bool, save_every: int | None, facts: dict[str, Any]) -> None:
    from convolab.style.events import Iterate, TransferFinished, TransferPaused, TransferStarted
    from convolab.style.pictures import save_png

    screen = _Screen(to_stderr=json)
    started: TransferStarted | None = None
    end: TransferFinished | None = None
    with _stop_on_interrupt(work, screen), screen:
        for event in work.iterates():
            if isinstance(event, TransferStarted):
                started = event
                screen.start(event)
            elif isinstance(event, Iterate):
                screen.show(event)
                if save_every and event.step % save_every == 0:
                    numbered = output.with_name(f"{output.stem}-{event.step:05d}{output.suffix}")
                    save_png(numbered, work.picture(), work.settings, step=event.step, **facts)
            elif isinstance(event, TransferPaused) and event.reason:
                screen.say(event.reason)
            elif isinstance(event, TransferFinished):
                end = event
    assert started is not None
    assert end is not None
    figures = {
        "seconds": round(end.seconds, 3),
        "steps": end.step,
        "size": [end.width, end.height],
        "style_diff": end.style,
        "content_diff": end.content,
        **_terms(work, end),
        "style_diff_by_layer": end.style_by_layer,
        "precision": started.precision,
        "peak_memory_mb": round(end.peak_memory_mb, 1),
        "stopped_because": end.stopped_because,
        "output": str(output),
    }
    save_png(output, work.picture(), work.settings, step=end.step, seconds=figures["seconds"], **facts)
    if json:
        print_json(figures)
    else:
        screen.say(
            f"{output}: {end.width}×{end.height} after {end.step} steps in {duration(end.seconds)}; "
            f"relative differences: style {end.style:.4f}, content {end.content:.3f}."
        )


def _terms(work: Transfer, end: TransferFinished) -> dict[str, Any]:
    """``total``, what was minimised, and what it is made of.

    total_at_full_size = style_factor · style_diff + content_factor · content_diff + tv_factor · tv_diff;
    total = (1 − coarse_share) · total_at_full_size + coarse_share · total_at_coarser_sizes, which is the mean
    of the same sum over the coarser sizes.
    """
    assert work.pyramid is not None
    factors, share = work.weights.factors, work.pyramid.share
    full = factors["style"] * end.style + factors["content"] * end.content + factors["tv"] * end.tv
    return {
        "total": end.total,
        "style_factor": factors["style"],
        "content_factor": factors["content"],
        "tv_factor": factors["tv"],
        "tv_diff": end.tv,
        "total_at_full_size": full,
        "coarse_share": share,
        "total_at_coarser_sizes": (end.total - (1 - share) * full) / share if share else None,
    }


@contextmanager
def _stop_on_interrupt(work: Transfer, screen: _Screen) -> Iterator[None]:
    """The first Ctrl-C finishes with the picture as it is; a second one ends at once."""
    from convolab.style.control import MemoryTransferControl

    control = work.control
    assert isinstance(control, MemoryTransferControl)

    def ask(*_: Any) -> None:
        control.stop()
        screen.say("Finishing with the picture as it is … (Ctrl-C again ends at once)")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Screen:
    """A live bar with the time left on a terminal, a line now and then elsewhere."""

    def __init__(self, to_stderr: bool) -> None:
        self.console = console(to_stderr)
        self.live = (sys.stderr if to_stderr else sys.stdout).isatty()
        self.told = 0.0

    def __enter__(self) -> _Screen:
        if self.live:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

            text = TextColumn("{task.description}")
            self.bar = Progress(SpinnerColumn(), BarColumn(24), text, console=self.console)
            self.bar.start()
            self.task = self.bar.add_task("learning the style …", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.bar.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def start(self, event: TransferStarted) -> None:
        sizes = " → ".join(f"{width}×{height}" for width, height in event.sizes)
        resumed = f"resumed at step {event.step} · " if event.step else ""
        parts = f" · {event.tiles} tiles" if event.tiles > 1 else ""
        self.say(
            f"{resumed}{sizes} · {event.network} · {event.device} · {event.precision} "
            f"({event.precision_reason}) · {event.threads} threads{parts}"
        )

    def show(self, event: Any) -> None:
        left = f" · {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
        text = (
            f"step {event.step} · {event.width}×{event.height} · style {event.style:.4f} · "
            f"content {event.content:.3f}{left}"
        )
        if self.live:
            self.bar.update(self.task, total=1, completed=event.fraction, description=text)
        elif event.step == 1 or event.seconds - self.told >= 5:
            self.told = event.seconds
            self.say(text)
