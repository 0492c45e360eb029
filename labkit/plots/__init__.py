"""Results in, figures out: pictures that say in a sentence what they show."""
# ruff: noqa: F403, F405

from typing import TYPE_CHECKING

from labkit.lazy import public_names

__all__ = [
    "Figure", "advised", "busiest", "crossover", "frontier", "inspection", "interact", "intervals", "latencies", "load",
    "overview", "phase", "price", "request_bars", "sentences", "staircases", "style", "survival", "swept", "swim_lanes",
    "timeline",
]  # fmt: skip

if TYPE_CHECKING:
    from labkit.plots.public import *
else:  # a log's picture needs no HTTP client, and a path to a picture needs none of them
    __getattr__, __dir__ = public_names(__name__, __all__)
