"""bf16 in loops that Numba compiles: it knows no such numbers, so their bits are kept as uint16.

The bits of a bf16 are the upper half of those of the float32 nearest to it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


@intrinsic
def wide(context: Any, value: Any) -> Any:
    """A float32 as it is; the bits of a bf16 (uint16) as the float32 of the same value."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        if value == types.float32:
            return number
        bits = builder.shl(builder.zext(number, ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(value), generate


@intrinsic
def narrow(context: Any, value: Any, kind: Any) -> Any:
    """A float32 as an element of an array of this type: itself, or rounded to bf16 bits (ties to even)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = arguments[0]
        if kind.dtype == types.float32:
            return number
        whole = ir.IntType(32)
        bits = builder.bitcast(number, whole)
        odd = builder.and_(builder.lshr(bits, ir.Constant(whole, 16)), ir.Constant(whole, 1))
        rounded = builder.add(bits, builder.add(odd, ir.Constant(whole, 0x7FFF)))
        return builder.trunc(builder.lshr(rounded, ir.Constant(whole, 16)), ir.IntType(16))

    return kind.dtype(types.float32, kind), generate
