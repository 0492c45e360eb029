"""What grades in the course: the contest, and the exercises' checks. The lab itself never imports this room."""

from labkit.course.contest import Contest, contest
from labkit.course.judge import Disqualified
from labkit.course.optimum import optimum
from labkit.course.scoring import Outcome, play
from labkit.course.strategy_process import Poll
from labkit.course.traces import TAUS, Trace, traces

__all__ = ["TAUS", "Contest", "Disqualified", "Outcome", "Poll", "Trace", "contest", "optimum", "play", "traces"]
