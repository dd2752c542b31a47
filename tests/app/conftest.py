"""The tests of the room Fast style use the tiny styles of the tests of style transfer."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "style"))
