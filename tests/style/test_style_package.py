"""The names of the package: they are what they say in every order of imports."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "imports",
    [
        "from convolab.style import Transfer, transfer",
        "from convolab.style import transfer, Transfer",
        "import convolab.style.transferring; from convolab.style import Transfer, transfer",
    ],
)
def test_transfer_is_the_function_in_every_order(imports: str) -> None:
    lines = f"{imports}; assert callable(transfer) and isinstance(Transfer, type), transfer"
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=120)


def test_no_module_hides_a_public_name() -> None:
    import importlib
    import pkgutil

    from convolab import style

    modules = {module.name for module in pkgutil.iter_modules(style.__path__)}
    assert not modules & set(style.__all__)
    for name in style.__all__:
        assert getattr(style, name) is not None
    with pytest.raises(AttributeError, match=r"convolab\.style.*'transfers'"):
        getattr(importlib.import_module("convolab.style"), "transfers")  # noqa: B009
