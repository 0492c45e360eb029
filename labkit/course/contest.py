"""The contest: a strategy's cost on every trace, beside those of three simple rules and of the optimum."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.clock import NANO
from labkit.course import rules
from labkit.course.optimum import optimum
from labkit.course.scoring import Outcome, outcome, simulate
from labkit.course.strategy import LIMIT, run_strategy
from labkit.course.strategy_process import poll_handler
from labkit.course.traces import ContestTrace, traces

if TYPE_CHECKING:
    import pandas as pd

    from labkit.plots import Figure


@dataclass(frozen=True, repr=False)
class Contest:
    """The outcome of each strategy on each trace: "yours" first, then the three rules, and "optimal"."""

    seed: int
    outcomes: tuple[Outcome, ...]
    printed: str = ""
    """The beginning of what the strategy printed."""

    def __repr__(self) -> str:
        return f"<Contest {', '.join(f'{strategy} {score:.3f}' for strategy, score in self.scores.items())}>"

    @property
    def scores(self) -> dict[str, float]:
        """For each strategy the geometric mean of J / J_optimal over all traces: 1 is perfect, lower is better.

        Ratios of 1.5 on one trace and 2 on another: √(1.5 · 2) = 1.73.
        """
        ratios: dict[str, list[float]] = {}
        for row in self.rows():
            ratios.setdefault(row["strategy"], []).append(math.log(row["ratio"]))
        return {strategy: math.exp(math.fsum(logs) / len(logs)) for strategy, logs in ratios.items()}

    @property
    def score(self) -> float:
        """The score of "yours"."""
        return next(iter(self.scores.values()))

    def rows(self) -> list[dict[str, Any]]:
        """One row per strategy and trace, as plain values: what `--json` writes under `outcomes`."""
        best = {one.trace: one.cost for one in self.outcomes if one.strategy == "optimal"}
        return [
            {
                "strategy": one.strategy, "trace": one.trace.name, "tau": one.trace.tau,
                "events": len(one.trace.events), "duration": one.trace.horizon / NANO,
                "polls": one.polls, "polls_per_hour": one.polls_per_hour, "mean_latency": one.mean_latency,
                "cost": one.cost, "optimal_cost": best[one.trace], "ratio": one.cost / best[one.trace],
            }
            for one in self.outcomes
        ]  # fmt: skip

    def table(self) -> "pd.DataFrame":
        """`rows` as a DataFrame; `tau`, `duration` and `mean_latency` are in seconds."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def plot(self) -> "Figure":
        """Polls per hour against mean latency: one panel per kind of trace, one point per strategy and τ."""
        from labkit.plots.contest import contest

        return contest(self.table())


def contest(strategy: Callable[..., object] | str | PathLike[str], seed: int = 0, limit: float = LIMIT) -> Contest:
    """Score a strategy: the path of a file with `next_delay(history)`, or the function itself.

    A file runs in its own process for at most `limit` seconds, and sees only what its polls returned. A function runs
    in this process: nothing isolates or stops it, and its exceptions come out. If next_delay has a second parameter
    named `tau`, it receives τ. Raises Disqualified if the strategy in a file has no score.
    """
    drawn = traces(seed)
    if callable(strategy):
        own, printed = [_run_here(strategy, trace) for trace in drawn], ""
    else:
        path = Path(strategy)
        if path.suffix != ".py" or not path.is_file():
            raise ValueError(f"a strategy must be a function, or a file that ends in .py, got {str(path)!r}")
        own, printed = run_strategy(path.absolute(), drawn, limit)
    return Contest(seed, (*own, *(one for trace in drawn for one in baselines(trace))), printed)


def _run_here(function: Callable[..., object], trace: ContestTrace) -> Outcome:
    try:
        return simulate(trace, poll_handler(function, trace.tau))
    except Exception as error:
        error.add_note(f"on the trace {trace.name}, τ = {trace.tau:g} s")
        raise


@lru_cache(maxsize=64)  # four seeds' traces: a check is run again and again
def baselines(trace: ContestTrace) -> tuple[Outcome, ...]:
    """The outcomes of the three rules and of the optimum on a trace."""
    baseline = {"fixed": rules.fixed(trace), "aimd": rules.aimd, "halve_double": rules.halve_double}
    outcomes = [simulate(trace, poll_handler(rule, trace.tau), name) for name, rule in baseline.items()]
    return (*outcomes, outcome(trace, optimum(trace.events, trace.horizon, round(trace.tau * NANO)), "optimal"))
