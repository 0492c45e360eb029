"""Frames in, figures out: pictures that say in a sentence what they show. Nothing here knows a lens or a theory."""

from labkit.plots.crossing import crossover
from labkit.plots.figure import Figure
from labkit.plots.knobs import balance, interact, price
from labkit.plots.lanes import swim_lanes, timeline
from labkit.plots.staircase import staircases
from labkit.plots.styles import style
from labkit.plots.tradeoff import frontier
from labkit.plots.window import busiest

__all__ = [
    "Figure",
    "balance",
    "busiest",
    "crossover",
    "frontier",
    "interact",
    "price",
    "staircases",
    "style",
    "swim_lanes",
    "timeline",
]
