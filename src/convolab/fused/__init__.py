"""Pooling, batch norm and GELU in one go, for training in bf16 on CPUs, where they cost most."""

from convolab.fused.forward import fused, prepare_for

__all__ = ["fused", "prepare_for"]
