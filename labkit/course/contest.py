"""The contest: a strategy's cost on every trace, beside the optimum's and beside what everybody tries first."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.clock import NANO
from labkit.course import rules
from labkit.course.judge import LIMIT, judged
from labkit.course.optimum import optimum
from labkit.course.scoring import Outcome, outcome, play
from labkit.course.strategy_process import caller
from labkit.course.traces import Trace, traces

if TYPE_CHECKING:
    import pandas as pd

    from labkit.plots import Figure


@dataclass(frozen=True, repr=False)
class Contest:
    """What each player's polls cost on each trace. Players: the strategy first, then the baselines, and `optimal`."""

    seed: int
    outcomes: tuple[Outcome, ...]
    printed: str = ""
    """The beginning of what the strategy printed."""

    def __repr__(self) -> str:
        return f"<Contest {', '.join(f'{player} {score:.3f}' for player, score in self.scores.items())}>"

    @property
    def scores(self) -> dict[str, float]:
        """For each player the geometric mean of J / J_optimal over all traces: 1 is perfect, lower is better.

        Half as dear again on one trace and twice as dear on another: √(1.5 · 2) = 1.73.
        """
        ratios: dict[str, list[float]] = {}
        for row in self.rows():
            ratios.setdefault(row["player"], []).append(math.log(row["ratio"]))
        return {player: math.exp(math.fsum(logs) / len(logs)) for player, logs in ratios.items()}

    @property
    def score(self) -> float:
        """The strategy's."""
        return next(iter(self.scores.values()))

    def rows(self) -> list[dict[str, Any]]:
        """One row a player and trace, as plain values: what `--json` writes under `outcomes`."""
        best = {one.trace: one.cost for one in self.outcomes if one.player == "optimal"}
        return [
            {
                "player": one.player,
                "trace": one.trace.name,
                "tau": one.trace.tau,
                "events": len(one.trace.events),
                "duration": one.trace.horizon / NANO,
                "polls": one.polls,
                "polls_per_hour": one.polls_per_hour,
                "mean_latency": one.mean_latency,
                "cost": one.cost,
                "optimal_cost": best[one.trace],
                "ratio": one.cost / best[one.trace],
            }
            for one in self.outcomes
        ]

    def table(self) -> "pd.DataFrame":
        """`rows` as a DataFrame; `mean_latency` and `tau` in seconds."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def plot(self) -> "Figure":
        """Polls an hour against mean latency, a panel a kind of trace, a point a player and τ."""
        from labkit.plots.contest import contest

        return contest(self.table())


def contest(strategy: Callable[..., object] | str | PathLike[str], seed: int = 0, limit: float = LIMIT) -> Contest:
    """Score a strategy: the path of a file with `next_delay(history)`, or the function itself.

    A file runs in a process of its own, which sees what its polls brought and nothing else, for `limit` seconds at the
    most. A function runs here: nothing guards it or ends it, and what it raises comes out. A second parameter of
    next_delay named `tau` is given τ. Raises Disqualified where a strategy has no score.
    """
    drawn = traces(seed)
    if callable(strategy):
        own, printed = [_played_here(strategy, trace) for trace in drawn], ""
    else:
        path = Path(strategy)
        if path.suffix != ".py" or not path.is_file():
            raise ValueError(f"a strategy is a file that ends in .py, or a function; got {str(path)!r}")
        own, printed = judged(path.absolute(), drawn, limit)
    return Contest(seed, (*own, *(one for trace in drawn for one in baselines(trace))), printed)


def _played_here(function: Callable[..., object], trace: Trace) -> Outcome:
    try:
        return play(trace, caller(function, trace.tau))
    except Exception as error:
        error.add_note(f"on the trace {trace.name}, τ = {trace.tau:g} s")
        raise


def baselines(trace: Trace) -> list[Outcome]:
    """The same trace played by the three rules, and by who knew it beforehand."""
    tau = trace.tau
    asks = {"fixed": rules.fixed(trace), "aimd": rules.aimd, "halve_double": rules.halve_double}
    played = [play(trace, caller(rule, tau), player) for player, rule in asks.items()]
    return [*played, outcome(trace, optimum(trace.events, trace.horizon, round(tau * NANO)), "optimal")]
