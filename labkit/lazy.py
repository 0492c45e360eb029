"""A package's public names, imported when the first of them is used."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module


def public_names(package: str, names: Sequence[str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` (PEP 562) of a package whose `names` its module `public` imports.

    The first name that is used brings all of them. No module of the package may have one of the names: it would take
    the name's place as soon as it is imported.
    """

    def get(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        public, there = import_module(f"{package}.public"), vars(sys.modules[package])
        there.update({each: getattr(public, each) for each in names})
        return there[name]

    return get, lambda: [*vars(sys.modules[package]), *names]
