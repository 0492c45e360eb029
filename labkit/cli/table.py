"""The table of `labkit compare`: its columns, and how their figures are written."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from labkit.experiment import Comparison, flat

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


class Column(NamedTuple):
    """A column of the table. `key` is that of `Comparison.table()`; `form` is a format, or "s" for seconds."""

    key: str
    heading: str
    form: str = ","
    shown: Literal["always", "if any", "wide"] = "wide"


COLUMNS = (
    Column("events", "events"),
    Column("received", "received"),
    Column("pending", "pending"),
    Column("setup_requests", "set-up\nrequests"),
    Column("requests", "requests", ",", "always"),
    Column("empty_requests", "empty\nrequests"),
    Column("empty_share", "empty", ".1%", "always"),
    Column("error_requests", "errors", ",", "if any"),
    Column("requests_per_event", "per\nevent", ",.2f", "always"),
    Column("bytes_out", "bytes\nout"),
    Column("bytes_in", "bytes\nin"),
    Column("latency_mean", "latency\nmean, s", "s", "always"),
    Column("latency_p50", "\np50, s", "s"),
    Column("latency_p95", "\np95, s", "s", "always"),
    Column("latency_p99", "\np99, s", "s"),
    Column("latency_max", "\nmax, s", "s"),
    Column("freshness", "freshness", ".2%"),
    Column("staleness_mean", "staleness\nmean, s", "s"),
    Column("lost", "lost", ",", "always"),
    Column("duplicates", "dupli-\ncates", ",", "if any"),
    Column("recovered", "recovered"),
    Column("connections", "connec-\ntions"),
    Column("connection_seconds", "connected\nseconds", ",.0f"),
)
"""All of a row. With its label, at most nine are shown without `--wide`, and these fit 100 characters."""
READING = {
    "requests": "requests: polls, delivery attempts and follow-ups, sent before the end.",
    "empty_share": "empty: the share of the requests that were answered with nothing new.",
    "error_requests": "errors: requests without an answer, or answered with an error.",
    "requests_per_event": "per event: requests / events.",
    "latency_mean": "latency: seconds from the moment an event happened until it was received.",
    "latency_p95": "p95: 95% of the events were received in at most this time.",
    "lost": "lost: events that were never received.",
    "duplicates": "duplicates: events that were received again.",
    "freshness": "freshness: the share of the time in which no event was missing.",
    "staleness_mean": "staleness: the age of the oldest missing event, 0 if none is missing.",
}
"""What a column means, for a report."""


def table_of(comparison: Comparison, wide: bool) -> "Table":
    """The table of a comparison. An "if any" column is shown if one of its figures is not 0."""
    rows = [flat(row) for row in comparison.rows()]
    columns: dict[str, list[str]] = {}
    for key, heading, form, shown in COLUMNS:
        values = [row[key] for row in rows]
        if wide or shown == "always" or (shown == "if any" and any(values)):
            columns[heading] = cells(values, form)
    return _table([result.label for result in comparison], columns)


def table_of_sweep(means: "pd.DataFrame") -> "Table":
    """The table of a sweep, from its confidence intervals: a mean, and ± half its interval if that is not 0."""
    columns: dict[str, list[str]] = {}
    for name in means.columns[1 : means.columns.get_loc("label")]:
        columns[name] = [value if isinstance(value, str) else f"{value:g}" for value in means[name]]
    columns["runs"] = [f"{runs:,}" for runs in means.runs]
    for key, heading, *_ in COLUMNS:
        if key in ("requests", "latency_mean", "latency_p95", "lost") and key in means:
            halves = means[f"{key}_high"] - means[key]
            columns[heading] = [_mean(*pair) for pair in zip(means[key], halves, strict=True)]
    return _table(means.label.tolist(), columns)


def reading(table: "Table") -> list[str]:
    """What the headings of a table mean, a sentence each."""
    shown = {column.header for column in table.columns}
    return [READING[key] for key, heading, *_ in COLUMNS if heading in shown and key in READING]


def _table(labels: Sequence[str], columns: Mapping[str, Sequence[str]]) -> "Table":
    """A table whose first column may fold, and whose others are figures under their headings."""
    from rich.table import Table

    table = Table()
    table.add_column("approach", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for line in zip(labels, *columns.values(), strict=True):
        table.add_row(*line)
    return table


def _mean(mean: float, half: float) -> str:
    """A mean, and half its interval with two significant digits, unless that is 0; "–" for NaN.

    >>> _mean(29.5642, 0.9721), _mean(14402.3, 131.0), _mean(0.02, 0.0), _mean(360.0, 0.0)
    ('29.56 ± 0.97', '14,402 ± 131', '0.0200', '360')
    """
    if math.isnan(mean):
        return "–"
    scale, digits = (half, 1) if half > 1e-9 * abs(mean) else (mean, 2)
    decimals = 0 if scale == round(scale) == mean else min(4, max(0, digits - math.floor(math.log10(abs(scale)))))
    return f"{mean:,.{decimals}f}" + (f" ± {half:,.{decimals}f}" if digits == 1 else "")


def cells(values: Sequence[float | None], form: str) -> list[str]:
    """A column's figures. Seconds have so many decimals, 1 to 4, that the smallest has two significant digits.

    >>> cells([152.385, 0.02, None], "s"), cells([152.385, 30.699], "s")
    (['152.385', '0.020', '–'], ['152.4', '30.7'])
    """
    if form == "s":
        least = min((abs(value) for value in values if value), default=1.0)
        form = f",.{min(4, max(1, 1 - math.floor(math.log10(least))))}f"
    return ["–" if value is None else format(value, form) for value in values]


def machine_lines(comparison: Comparison) -> Iterator[str]:
    """What a real run reports of the machine it ran on."""
    for result in comparison:
        if machine := result.machine:
            offset = f"{machine.clock_offset * 1e6:+.0f} ± {machine.clock_offset_error * 1e6:.0f} µs"
            mean, most = (f"{lag * 1e3:.1f} ms" for lag in (machine.emit_lag_mean, machine.emit_lag_max))
            line = f"the source's clock was {offset} off; events were stored {mean} after they happened, {most} at most"
            yield f"{result.label}: {line}"
