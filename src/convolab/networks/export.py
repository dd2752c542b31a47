"""A network and its training settings as one PyTorch script that runs without convolab."""

from __future__ import annotations

import json
import re
from textwrap import indent
from typing import TYPE_CHECKING

from convolab.networks import code_parts as parts
from convolab.networks import code_parts_speed as speed
from convolab.networks.layers import BatchNorm2d, Conv2d, Layer, Residual, Scale, ScaledTanh
from convolab.networks.layers.base import shape_text
from convolab.training.settings import TrainingSettings

if TYPE_CHECKING:
    from convolab.networks.network import Network

_ENDLESS_EXAMPLES = 60_000
"""Length of the exported training when the settings name no end."""


def to_code(network: Network, settings: TrainingSettings | None = None, dataset: str = "mnist") -> str:
    """A script that trains ``network`` with ``settings`` and prints its accuracy on all test images.

    The script reads ``train_images.npy``, ``train_labels.npy``, ``test_images.npy`` and ``test_labels.npy``
    from the folder given with ``--data``, else from where the lab keeps ``dataset``. Its random numbers are
    not the lab's: its accuracy differs as between two seeds. Raises ShapeError if a layer does not fit.
    """
    network.check()
    settings = settings or TrainingSettings()
    sections = [
        _head(network, settings, dataset),
        parts.IMPORTS.format(
            copy="import copy\n" if settings.average else "",
            math="import math\n" if _needs_math(settings) else "",
            time="import time\n" if settings.budget is not None else "",
        ),
        _constants(network, settings, dataset),
        *_classes(network),
        _network(network),
        parts.INITIALIZE[network.initialization],
        parts.LOAD,
        parts.NORMALIZERS[settings.normalization],
        *([_augment(settings)] if _augments(settings) else []),
        *([parts.SCHEDULES[settings.schedule]] if settings.schedule != "constant" else []),
        *([speed.SHRINK] if settings.start_size < 1 else []),
        *([speed.MUON] if settings.optimizer == "muon" else []),
        *([speed.GROUPS] if settings.norm_rate != 1 else []),
        *([speed.AVERAGE] if settings.average else []),
        parts.EVALUATE,
        _training(network, settings),
        _main(network, settings),
    ]
    head, imports, *rest = (section.strip("\n") for section in sections if section)
    return f"{head}\n\n{imports}\n\n" + "\n\n\n".join(rest) + "\n"


def _head(network: Network, settings: TrainingSettings, dataset: str) -> str:
    name = _plain(network.name) or "A network"
    return parts.HEAD.format(
        name=name[0].upper() + name[1:],
        dataset=_plain(dataset),
        parameters=f"{network.parameters:,}",
        optimizer=settings.optimizer,
    )


def _plain(text: str) -> str:
    """A name made safe inside a docstring."""
    return re.sub(r"[^\w .,()+-]", " ", text).strip()


def _constants(network: Network, s: TrainingSettings, dataset: str) -> str:
    lines = [
        f"DATASET = {json.dumps(dataset)}",
        f"PICTURE = {network.input_shape}  # channels, height, width",
        f"SEED = {s.seed}",
        *([f"WEIGHTS_SEED = {s.weights_seed}"] if s.weights_seed is not None else []),
        f"LEARNING_RATE = {s.learning_rate!r}",
        f"BATCH_SIZE = {s.batch_size}",
        *([f"LABEL_SMOOTHING = {s.label_smoothing!r}"] if s.label_smoothing else []),
        *([f"SHIFT = {s.shift}  # pixels"] if s.shift else []),
        *([f"ROTATION = {s.rotation!r}  # degrees"] if s.rotation or s.scaling else []),
        *([f"SCALING = {s.scaling!r}  # share of the size"] if s.rotation or s.scaling else []),
        *([f"STROKE = {s.stroke!r}  # pixels"] if s.stroke else []),
        *([f"CUTOUT = {s.cutout}  # pixels"] if s.cutout else []),
        *([f"NORM_RATE = {s.norm_rate!r}"] if s.norm_rate != 1 else []),
        *([f"AVERAGE = {s.average!r}  # share that the mean of the weights keeps"] if s.average else []),
        *([f"START_SIZE = {s.start_size!r}  # share of the side"] if s.start_size < 1 else []),
        *([f"WHITENING_UNTIL = {s.whitening_until!r}"] if _freezes(network, s) else []),
        *([f"STEP_FACTOR = {s.step_factor!r}"] if s.schedule == "step" else []),
        *([f"WARMUP = {s.warmup!r}  # share of training"] if s.schedule == "one-cycle" else []),
    ]
    if not _ends(s):
        lines.append(f"EXAMPLES = {_ENDLESS_EXAMPLES}  # the settings name no end, so here is one")
    for name in ("examples", "batches", "epochs", "budget", "target_accuracy"):
        if (value := getattr(s, name)) is not None:
            lines.append(f"{name.upper()} = {value!r}" + ("  # seconds" if name == "budget" else ""))
    lines.append(f"EVALUATE_EVERY = {s.evaluate_every or 10_000}  # examples")
    return "\n".join(lines)


def _all_layers(layers: tuple[Layer, ...]) -> list[Layer]:
    found: list[Layer] = []
    for layer in layers:
        found.append(layer)
        if isinstance(layer, Residual):
            found += _all_layers(layer.layers)
    return found


def _classes(network: Network) -> list[str]:
    layers = _all_layers(network.layers)
    sections = []
    if any(isinstance(layer, ScaledTanh) for layer in layers):
        sections.append(parts.SCALED_TANH)
    if any(isinstance(layer, Scale) for layer in layers):
        sections.append(speed.SCALE)
    if any(isinstance(layer, BatchNorm2d) and not layer.scale for layer in layers):
        sections.append(speed.FIXED_SCALE)
    if _whitens(network):
        sections.append(speed.WHITENING_CONV)
    if any(isinstance(layer, Conv2d) and layer.connections for layer in layers):
        rescale = "" if network.initialization == "original" else parts.TABLE_RESCALE
        sections.append(parts.TABLE_CONV.format(rescale=rescale))
    if any(isinstance(layer, Residual) for layer in layers):
        sections.append(parts.RESIDUAL)
    return sections


def _whitens(network: Network) -> bool:
    return any(isinstance(layer, Conv2d) and layer.whitening for layer in _all_layers(network.layers))


def _network(network: Network) -> str:
    lines = []
    for step in network.trace():
        code = step.layer.code(step.input_shape or ())
        lines.append(indent(f"{code},  # {shape_text(step.output_shape or ())}", " " * 8))
    body = "\n".join(lines)
    return (
        "def make_network():\n"
        f'    """The layers in order; behind each, the shape of what comes out for one picture."""\n'
        f"    return nn.Sequential(\n{body}\n    )\n"
    )


def _freezes(network: Network, s: TrainingSettings) -> bool:
    return s.whitening_until < 1 and _whitens(network)


def _needs_math(s: TrainingSettings) -> bool:
    return s.schedule in ("cosine", "one-cycle") or bool(s.rotation or s.scaling)


def _augments(s: TrainingSettings) -> bool:
    return bool(s.flip or s.shift or s.rotation or s.scaling or s.stroke or s.cutout)


def _augment(s: TrainingSettings) -> str:
    chosen = (
        (s.flip, speed.FLIP_IN_TURNS if s.alternate_flip else parts.FLIP),
        (s.shift, parts.SHIFT),
        (s.rotation or s.scaling, parts.TURN),
        (s.stroke, parts.STROKE),
        (s.cutout, parts.CUTOUT),
    )
    steps = "".join(part for on, part in chosen if on)
    shape = "    count, _, height, width = images.shape\n" if steps != speed.FLIP_IN_TURNS else ""
    return parts.AUGMENT.format(arguments=", ".join(["images", *_changes(s)]), shape=shape, steps=steps)


def _changes(s: TrainingSettings) -> list[str]:
    """What `augment` is given besides the images."""
    return ["mirrored"] * (s.flip and s.alternate_flip) + ["colour"] * bool(s.cutout)


def _optimizer(s: TrainingSettings) -> str:
    decay = f", weight_decay={s.weight_decay!r}" if s.weight_decay else ""
    betas = f", betas=({s.beta1!r}, {s.beta2!r})"
    options = {
        "sgd": ("SGD", ""),
        "momentum": ("SGD", f", momentum={s.momentum!r}"),
        "nesterov": ("SGD", f", momentum={s.momentum!r}, nesterov=True" if s.momentum else ""),
        "rmsprop": ("RMSprop", f", alpha={s.gamma!r}, momentum={s.momentum!r}"),
        "adagrad": ("Adagrad", ""),
        "adadelta": ("Adadelta", f", rho={s.gamma!r}"),
        "adam": ("Adam", betas),
        "adamax": ("Adamax", betas),
        "adamw": ("AdamW", betas),
        "muon": ("Muon", f", momentum={s.momentum!r}"),
    }
    name, extra = options[s.optimizer]
    if s.optimizer == "adamw":
        decay = f", weight_decay={s.weight_decay!r}"  # PyTorch's own default is not 0
    what = "parameter_groups(model)" if s.norm_rate != 1 else "model.parameters()"
    package = "" if name == "Muon" else "torch.optim."
    return f"{package}{name}({what}, lr=LEARNING_RATE{extra}{decay})"


def _training(network: Network, s: TrainingSettings) -> str:
    setup, progress, limits, shares = "", "", [], []
    if s.cutout:
        means = "[train.float().mean() for train in images.unbind(1)]"
        setup += f"    colour = normalize(torch.tensor({means}).view(1, -1, 1, 1))\n"
    if s.examples is not None or not _ends(s):
        limits.append("EXAMPLES")
    if s.epochs is not None:
        setup += "    last = max(1, round(EPOCHS * len(labels)))\n"
        limits.append("last")
    shares = [f"seen / {limit}" for limit in limits]
    if s.batches is not None:
        shares.append("step / BATCHES")
    if s.budget is not None:
        setup += "    started = time.perf_counter()\n"
        shares.append("(time.perf_counter() - started) / BUDGET")
    if shares:
        done = f"max({', '.join(shares)})" if len(shares) > 1 else shares[0]
        progress += f"        done = {done}\n        if done >= 1:\n            break\n"
    size = ", ".join(["BATCH_SIZE", *(f"{limit} - seen" for limit in limits)])
    factors = ["schedule(done)"] if s.schedule != "constant" else []
    factors += ["size / BATCH_SIZE"] if limits else []
    own = 'LEARNING_RATE * group["factor"]' if s.norm_rate != 1 else "LEARNING_RATE"
    rate = parts.RATE.format(rate=own, factors=" * ".join(factors)) if factors else ""
    if limits:
        rate = parts.SHORT_BATCH + rate
    batch = "normalize(images[chosen])"
    if _augments(s):
        given = {"mirrored": "coins[chosen] ^ bool(seen // len(labels) % 2)", "colour": "colour"}
        batch = f"augment({', '.join([batch, *(given[name] for name in _changes(s))])})"
    if s.flip and s.alternate_flip:
        setup += speed.COINS
    if s.start_size < 1:
        batch = f"shrink({batch}, done)"
    if s.average:
        setup += "    average = copy.deepcopy(model)\n    steps = 0\n"
    target = "            if tested >= TARGET_ACCURACY:\n                break\n"
    return parts.TRAIN.format(
        optimizer=_optimizer(s),
        setup=setup,
        progress=progress,
        size=f"min({size})" if limits else "BATCH_SIZE",
        rate=rate,
        steps="step = " if s.batches is not None else "",
        count="        step += 1\n" if s.batches is not None else "",
        batch=batch,
        smoothing=", label_smoothing=LABEL_SMOOTHING" if s.label_smoothing else "",
        # Measuring does not count as training time.
        before="            before = time.perf_counter()\n" if s.budget is not None else "",
        after="            started += time.perf_counter() - before\n" if s.budget is not None else "",
        target=target if s.target_accuracy is not None else "",
        frozen=speed.FROZEN if _freezes(network, s) else "",
        averaging="        follow(average, model, steps)\n        steps += 1\n" if s.average else "",
        measured="average" if s.average else "",
        ending="    model.load_state_dict(average.state_dict())\n" if s.average else "",
    )


def _main(network: Network, s: TrainingSettings) -> str:
    device = f'"{s.device}"' if s.device != "auto" else '"cuda" if torch.cuda.is_available() else "cpu"'
    own_seed = s.weights_seed is not None
    return parts.MAIN.format(
        device=f"    torch.set_default_device({device})\n" if s.device != "cpu" else "",
        weights_seed="WEIGHTS_SEED" if own_seed else "SEED",
        initialize="    initialize(model)\n" if parts.INITIALIZE[network.initialization] else "",
        whiten="    whiten(model, normalize(train_images[:2000]))\n" if _whitens(network) else "",
        reseed="    torch.manual_seed(SEED)\n" if own_seed else "",
    )


def _ends(s: TrainingSettings) -> bool:
    return s.has_length() or s.target_accuracy is not None
