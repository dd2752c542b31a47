"""Reading and writing safetensors files: whole or not at all, and never anything that could run code."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "files may not grow that large here",
    errno.EACCES: "the folder may not be written to",
    errno.EPERM: "the folder may not be written to",
    errno.EROFS: "the disk is read-only",
}


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write one safetensors file; until it is whole and on the disk, an older one at ``path`` stays
    untouched.

    Raises OSError; nothing half-written is then left behind.
    """
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(own, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a file can only be put in another's place within one file system. The name is
    # fixed, so what a killed process left behind is overwritten by the next one.
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)  # noqa: PTH105 - the name says what matters: atomically
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the system offers that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_metadata(path: Path) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Metadata and the shapes of the tensors, without loading these. Raises OSError or SafetensorError."""
    with safetensors.safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return dict(file.metadata() or {}), shapes


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors, on the CPU. Raises OSError or SafetensorError."""
    return safetensors.torch.load_file(path)


def why_not_written(error: OSError) -> str:
    """The system's complaint in a few words: ``the disk is full``."""
    return _REASONS.get(error.errno or 0) or (error.strerror or str(error) or type(error).__name__).lower()
