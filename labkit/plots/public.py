"""What `from labkit.plots import …` imports: the names in `labkit.plots.__all__`."""
# mypy: implicit-reexport
# ruff: noqa: F401

from labkit.plots.account import sentences
from labkit.plots.bars import request_bars
from labkit.plots.crossing import crossover
from labkit.plots.figure import Figure
from labkit.plots.glance import overview
from labkit.plots.knobs import interact, price
from labkit.plots.lanes import swim_lanes, timeline
from labkit.plots.latency import latencies
from labkit.plots.means import swept
from labkit.plots.options import advised
from labkit.plots.pace import intervals
from labkit.plots.rate import load
from labkit.plots.staircase import staircases
from labkit.plots.styles import style
from labkit.plots.tradeoff import frontier
from labkit.plots.unreceived import survival
from labkit.plots.waiting import inspection, phase
from labkit.plots.window import busiest
