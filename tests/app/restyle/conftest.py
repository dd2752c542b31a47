"""The tests of the room Fast style have a lab home with two tiny styles and a photo in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fast_kit import put
from restyle_kit import file_of, noise

from convolab.app.transfer import library as pictures
from convolab.home import styles_dir


@pytest.fixture(scope="module", autouse=True)
def room_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with two tiny styles of its own, the only ones there are."""
    folder = tmp_path_factory.mktemp("restyle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVOLAB_HOME", str(folder))
        patch.setattr("convolab.app.restyle.shelf.SHIPPED", folder / "none")
        patch.setattr("convolab.style.fast.library.SHIPPED", folder / "none")
        # Threads in other numbers may choose another number format; pictures are compared bit for bit.
        patch.setattr("convolab.style.fast.painter.has_bf16", lambda: False)
        put(styles_dir(), "waves", 1, title="Waves")
        put(styles_dir(), "stripes", 2, title="Stripes")
        yield folder


@pytest.fixture(scope="module")
def photo(room_home: Path) -> str:
    """The key of a photo in the library."""
    return str(pictures.bring(file_of(noise()), "noise.png")["key"])
