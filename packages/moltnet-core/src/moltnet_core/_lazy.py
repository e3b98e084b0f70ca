"""Names of a package whose modules are imported when a name is first used, since most programs need few of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazy_names"]


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package.

    :param package: its ``__name__``.
    :param names: public names by the module, relative to the package, that has them.
    """
    homes = {name: module for module, found in names.items() for name in found}
    loaded = vars(sys.modules[package])

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = loaded[name] = getattr(import_module(f"{package}.{homes[name]}"), name)
        return value

    def names_of() -> list[str]:
        return sorted({*loaded, *homes})

    return get, names_of
