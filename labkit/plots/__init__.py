"""Results in, figures out: pictures that say in a sentence what they show."""
# ruff: noqa: F403, F405

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Figure", "busiest", "crossover", "frontier", "inspection", "interact", "intervals", "latencies", "load",
    "overview", "phase", "price", "request_bars", "sentences", "staircases", "style", "survival", "swim_lanes",
    "timeline",
]  # fmt: skip

if TYPE_CHECKING:
    from labkit.plots.public import *
else:

    def __getattr__(name: str) -> object:
        """Import the pictures when the first of them is used: a log's picture needs no HTTP, and a path none at all.

        No module has the name of a picture: it would take its place here as soon as it is imported.
        """
        if name not in __all__:
            raise AttributeError(f"module 'labkit.plots' has no attribute {name!r}")
        public = import_module("labkit.plots.public")
        globals().update({each: getattr(public, each) for each in __all__})
        return globals()[name]

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
