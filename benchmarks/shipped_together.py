"""Learns all styles that come with the lab at once, with convolutions in common, into the package.

The first stage of learning them anew, from where they are: each step for one painting is one for all of them
(`convolab.style.fast.together`). Afterwards ``shipped_styles.py --again`` learns each on by itself. It can be
ended at any time; the next call goes on where this one was.

    python benchmarks/shipped_together.py [--size standard|small] [--minutes 40] [--only starry-night …]
"""

from __future__ import annotations

import convolab  # noqa: F401 - before PyTorch, because it sets how threads wait

# isort: split
import argparse
import time

from convolab.style.fast import library
from convolab.style.fast.files import read_card, save_style
from convolab.style.fast.learning import Learning
from convolab.style.fast.photo_sources import Gathered
from convolab.style.fast.photos import Ahead
from convolab.style.fast.together import Together
from convolab.style.loading import load_network
from convolab.style.precision import choose
from convolab.training.device import use_all_cores
from machine import machine
from shipped_styles import PAINTINGS, SIZES, UNDER_WAY, continued, photos, settings_of

SAVE_EVERY = 120.0
"""Seconds."""


def learnings(names: list[str], size: str, minutes: float) -> list[Learning]:
    """One for each painting, where an earlier call left it or else with the weights in the package."""
    UNDER_WAY.mkdir(parents=True, exist_ok=True)
    network = load_network("vgg-16", "max", "replicate")
    gathered = Gathered(tuple(photos()[0]), "300 natural photographs")
    found: list[Learning] = []
    for name in names:
        painting = PAINTINGS[name]
        work = Learning(
            painting.picture(),
            settings_of(painting, size, minutes, None),
            photos=gathered,
            title=painting.title,
            painter=painting.painter,
            year=painting.year,
            network=network,
            checkpoint_path=UNDER_WAY / f"{name}{SIZES[size]}-together.safetensors",
        )
        work.begin()
        work.parts = found[0].parts if found else work.parts  # photos are decoded once for all
        found.append(work)
    settings = found[0].settings
    network.precision = choose(network, (*settings.content_names, *settings.style_names)).name
    return found


def learn(names: list[str], size: str, minutes: float) -> None:
    """Learn, and put what was learned into the package."""
    use_all_cores()
    works = learnings(names, size, minutes)
    resumed = any(work.step for work in works)
    together = Together(works)
    if resumed:  # sharing made new tensors of what had been restored
        for work in works:
            assert work.checkpoint_path is not None
            work.restore(work.checkpoint_path)
    ahead = Ahead(works[0].parts, together.step, 1, 8)
    seconds = sum(work.seconds for work in works)
    saved = told = seconds
    try:
        while seconds < 60 * minutes:
            tick = time.perf_counter()
            work, _ = together.learn(ahead.next(), seconds / (60 * minutes))
            spent = time.perf_counter() - tick
            work.seconds += spent
            seconds += spent
            if seconds - told >= 20:
                told = seconds
                now = "  ".join(
                    f"{name} {w.recent.total:.3f}" for name, w in zip(names, works, strict=True) if w.recent
                )
                print(f"  {seconds:6.0f} s  step {together.step:6d}  {now}", flush=True)
            if seconds - saved >= SAVE_EVERY:
                saved = seconds
                for one in works:
                    assert one.checkpoint_path is not None
                    one.save(one.checkpoint_path)
    finally:
        ahead.close()
    about = machine()
    on = f"{about['processor']}, {about['cores']} cores, torch {about['torch']}"
    for name, work in zip(names, works, strict=True):
        paintings, own = work.measure()
        path = library.SHIPPED / f"{name}{SIZES[size]}.safetensors"
        style = work.style(name)
        card = style.card.model_copy(
            update={
                "machine": on,
                "style": round(paintings.style, 6),
                "content": round(paintings.content, 6),
                "total": round(paintings.total, 6),
                "together_with": tuple(other for other in names if other != name),
            }
        )
        if work.started_with == path.stem:
            card = continued(read_card(path), card)
        save_style(path, style.network, card)
        assert work.checkpoint_path is not None
        work.checkpoint_path.unlink(missing_ok=True)
        print(f"{name}: {work.step} steps; held out: total {paintings.total:.3f} (photos {own.total:.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PAINTINGS, default=list(PAINTINGS), metavar="NAME")
    parser.add_argument("--size", choices=SIZES, default="standard")
    parser.add_argument("--minutes", type=float, default=40.0)
    options = parser.parse_args()
    learn(options.only, options.size, options.minutes)


if __name__ == "__main__":
    main()
