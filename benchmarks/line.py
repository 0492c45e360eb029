"""A line of the table: what was measured, and its peer, which took turns with it."""

import statistics
import time
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
    """The figures of so many rounds, by turns: whatever else the machine does then slows both."""
    return [(figure(), peer()) for _ in range(rounds)]


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


def shown(value: float) -> str:
    """Three significant digits, and no exponent.

    >>> shown(0.94321), shown(28_762.4), shown(0.0), shown(5.4)
    ('0.943', '28,762', '0', '5.4')
    """
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.3g}'):g}"


def table(records: Iterable[Mapping[str, Any]]) -> "Table":
    """One row per record, the ratio first. What was not measured has the reason in place of a peer."""
    from rich.table import Table

    made = Table()
    for heading in ("ratio", "from\nto", "figure", "peer", "figures", "better"):
        made.add_column(heading, justify="left" if heading in ("figure", "peer") else "right")
    for record in records:
        if "reason" in record:
            made.add_row("–", "", record["benchmark"], f"not measured: {record['reason']}")
            continue
        ratio, least, most, figure, peer = (
            shown(record[key]) for key in ("ratio", "ratio_min", "ratio_max", "figure", "peer_figure")
        )
        span, figures = f"{least}\n{most}", f"{figure} {record['unit']}\n{peer} {record['unit']}"
        made.add_row(f"[bold]{ratio}[/]", span, record["what"], record["peer"], figures, record["better"])
    return made
