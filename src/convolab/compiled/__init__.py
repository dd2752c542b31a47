"""What loops that Numba compiles have in common: numbers in bf16, and lines of maps."""
