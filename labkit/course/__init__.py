"""The graded part of the course: the contest, and the checks of the exercises. The rest of labkit never imports it."""

from labkit.course.contest import Contest, contest
from labkit.course.optimum import optimum
from labkit.course.scoring import Outcome, simulate
from labkit.course.strategy import Disqualified
from labkit.course.strategy_process import Poll
from labkit.course.traces import ContestTrace, traces

__all__ = ["Contest", "ContestTrace", "Disqualified", "Outcome", "Poll", "contest", "optimum", "simulate", "traces"]
