"""A line of the table: what was measured, and its peer, which took turns with it."""

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from labkit.clock import monotonic

if TYPE_CHECKING:
    from rich.table import Table

Pair = tuple[float, float]
"""A figure, and its peer's in the same round."""


class NotMeasured(Exception):  # noqa: N818  nothing has failed
    """This machine lacks what a benchmark needs; the message says what."""


@dataclass(frozen=True)
class Line:
    """Pairs of figures. The ratio is the median of the pairs' ratios, and `better` says on which side of 1 it is good.

    >>> Line("a poll", "a bare poll", "ms", "less", [(3, 2), (5, 2), (4, 2)]).record()["ratio"]
    2.0
    """

    what: str
    peer: str
    unit: str
    better: Literal["less", "more"]
    pairs: Sequence[Pair]

    def record(self) -> dict[str, str | float]:
        """The line as plain values: medians, and the lowest and the highest ratio."""
        ratios = [figure / peer for figure, peer in self.pairs]
        figure, peer = map(statistics.median, zip(*self.pairs, strict=True))
        return {
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "what": self.what,
            "figure": figure,
            "peer": self.peer,
            "peer_figure": peer,
            "unit": self.unit,
            "better": self.better,
        }


def turns(figure: Callable[[], float], peer: Callable[[], float], rounds: int) -> list[Pair]:
    """The figures of so many rounds, by turns: whatever else the machine does then slows both.

    In every second round the peer is the first, so that what comes first has no advantage.
    """
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = peer()
            pairs.append((figure(), second))
        else:
            pairs.append((figure(), peer()))
    return pairs


def seconds(work: Callable[[], object]) -> float:
    """The time that a piece of work takes."""
    started = monotonic()
    work()
    return monotonic() - started


def cpu_seconds(work: Callable[[], object]) -> float:
    """The processor time that a piece of work takes in this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def traced(make: Callable[[], object]) -> tuple[int, int]:
    """The bytes that an object holds, and the most that were held while it was made."""
    tracemalloc.start()
    made = make()  # noqa: F841  it is what holds them
    gc.collect()
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, most


def shown(value: float) -> str:
    """Three significant digits, and no exponent.

    >>> shown(0.94321), shown(28_762.4), shown(0.0), shown(5.4)
    ('0.943', '28,762', '0', '5.4')
    """
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.3g}'):g}"


def table(records: Iterable[Mapping[str, Any]]) -> "Table":
    """The ratio first, then what was measured above its peer. What was not measured has the reason below it."""
    from rich.table import Table

    made = Table(show_lines=True)
    made.add_column("ratio", justify="right")
    made.add_column("from\nto", justify="right")
    made.add_column("measured\nagainst")
    made.add_column("figure\nits peer's", justify="right")
    made.add_column("better")
    for record in records:
        if "reason" in record:
            made.add_row("–", "", f"{record['benchmark']}\nnot measured: {record['reason']}", "", "")
            continue
        unit, both = record["unit"], (record["figure"], record["peer_figure"])
        made.add_row(
            shown(record["ratio"]),
            f"{shown(record['ratio_min'])}\n{shown(record['ratio_max'])}",
            f"{record['what']}\n{record['peer']}",
            "\n".join(f"{shown(value)} {unit}" for value in both),
            record["better"],
        )
    return made
