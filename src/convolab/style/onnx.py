"""The weights inside an ONNX file, read without any library: a few lines of protocol buffers.

Of the format only this is needed: ModelProto.graph = 7, GraphProto.initializer = 5, and of a TensorProto
dims = 1, data_type = 2 (1 is float32), name = 8, raw_data = 9.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

_FLOAT = 1


class NotOnnx(Exception):
    """The bytes are not those of an ONNX file."""


def initializers(content: bytes | memoryview) -> dict[str, np.ndarray]:
    """The float32 weights by name, as views of ``content``. Raises NotOnnx."""
    weights = {}
    for graph in _parts(memoryview(content), 7):
        for tensor in _parts(graph, 5):
            read = _tensor(tensor)
            if read is not None:
                weights[read[0]] = read[1]
    return weights


def _tensor(message: memoryview) -> tuple[str, np.ndarray] | None:
    name, kind, raw = "", 0, None
    shape: list[int] = []
    for number, value in _fields(message):
        if number == 1:  # one number, or all of them packed into one field
            shape += [value] if isinstance(value, int) else list(_varints(value))
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and not isinstance(value, int):
            name = bytes(value).decode(errors="replace")
        elif number == 9 and not isinstance(value, int):
            raw = value
    if kind != _FLOAT or raw is None:
        return None
    if len(raw) != 4 * math.prod(shape):
        raise NotOnnx
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == wanted and not isinstance(value, int):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values: whole numbers, or the bytes of everything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise NotOnnx
        if at + length > len(message):
            raise NotOnnx
        yield number, message[at : at + length]
        at += length


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, and where the next thing begins."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise NotOnnx
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
