"""Results in, figures out: pictures that say in a sentence what they show."""

from labkit.plots.bars import request_bars
from labkit.plots.crossing import crossover
from labkit.plots.figure import Figure
from labkit.plots.knobs import interact, price
from labkit.plots.lanes import swim_lanes, timeline
from labkit.plots.latency import latencies
from labkit.plots.overview import overview
from labkit.plots.pace import intervals
from labkit.plots.rate import load
from labkit.plots.sentences import sentences
from labkit.plots.staircase import staircases
from labkit.plots.styles import style
from labkit.plots.survival import survival
from labkit.plots.tradeoff import frontier
from labkit.plots.waiting import inspection, phase
from labkit.plots.window import busiest

__all__ = [
    "Figure", "busiest", "crossover", "frontier", "inspection", "interact", "intervals", "latencies", "load",
    "overview", "phase", "price", "request_bars", "sentences", "staircases", "style", "survival", "swim_lanes",
    "timeline",
]  # fmt: skip
