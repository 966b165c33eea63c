"""Names a package exports without importing the modules behind them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for ``package``: each name is imported from its module when first read.

    Example:
        ``__getattr__, __dir__ = lazy(__name__, {"BaseAgent": "nextgeneration.agents.base"})``
    """

    def __getattr__(name: str) -> object:  # noqa: N807 - it becomes the package's own
        module = names.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *names})

    return __getattr__, __dir__
