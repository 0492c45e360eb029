"""The tidy frame of a sweep: the columns that name its runs, and what repeats say of a mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from labkit.approaches import Approach
from labkit.checks import number, whole
from labkit.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd


def run_names(scenarios: Sequence[Scenario], approaches: Sequence[Approach]) -> dict[tuple[int, str], dict[str, Any]]:
    """The columns that name the runs of each scenario and label, in order."""
    labels = [approach.label for approach in approaches]
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise ValueError(f"approaches must differ in their labels, got {min(twice)!r} twice; use repeats")
    worlds = [leaves({**each.record(), "notes": ()}) for each in scenarios]
    every = dict.fromkeys(name for world in worlds for name in world if name != "events")
    worlds = differing([{name: world.get(name) for name in every} for world in worlds])
    params = differing([{name: value for name, value in asdict(each).items() if name != "seed"} for each in approaches])
    return {
        (number, label): {"scenario": number, **world, "label": label, **leaves(given)}
        for (number, world), (label, given) in product(enumerate(worlds), zip(labels, params, strict=True))
    }


def leaves(record: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a record, whatever it nests.

    >>> leaves({"delay": 0.02, "faults": [{"name": "outage", "duration": 600}]})
    {'delay': 0.02, 'faults_0_name': 'outage', 'faults_0_duration': 600}
    """
    plain: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, list | tuple):
            value = {str(place): item for place, item in enumerate(value)}
        if isinstance(value, Mapping):
            plain |= {f"{key}_{name}": each for name, each in leaves(value).items()}
        else:
            plain[key] = value
    return plain


def differing(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of plain records, the values that are not equal in all that have them.

    >>> differing([{"interval": 10, "limit": 100}, {"interval": 60, "limit": 100}, {"limit": 100}])
    [{'interval': 10}, {'interval': 60}, {'interval': None}]
    """
    names = dict.fromkeys(name for record in records for name in record)
    kept = [name for name in names if len({repr(record[name]) for record in records if name in record}) > 1]
    return [{name: record.get(name) for name in kept} for record in records]


def confidence_intervals(frame: "pd.DataFrame", *figures: str, level: float = 0.95) -> "pd.DataFrame":
    """The mean of each figure over a sweep's repeats, with Student's t interval for it, `F_low` to `F_high`.

    A row per scenario and approach, in the frame's order, with the number of `runs` that did not fail. Latencies of
    29, 30 and 31 s: the mean is 30 s, its standard error 1/√3 = 0.577 s, and t = 4.303 for 95% with 2 degrees of
    freedom, so the interval is 30 ± 2.484 s. A single run has a mean, and no interval (NaN).

    >>> import pandas as pd
    >>> named = {"scenario": 0, "label": "polling interval=60", "repeat": [0, 1, 2], "error": ""}
    >>> frame = pd.DataFrame(named | {"latency_mean": [29.0, 30.0, 31.0]})
    >>> confidence_intervals(frame, "latency_mean").round(3).to_csv(index=False).splitlines()[1]
    '0,polling interval=60,3,30.0,27.516,32.484'

    It is for repeats whose figures are independent and about normal: means over many events are, a p99 is less so.
    Raises ValueError for a figure that the frame does not have.
    """
    if unknown := [figure for figure in figures if figure not in frame]:
        raise ValueError(f"figures must be columns of the sweep, which are {list(frame)}, got {', '.join(unknown)}")
    names = list(frame.columns[: frame.columns.get_loc("repeat")])
    by = [frame.scenario, frame.label]
    table = frame.loc[~frame.duplicated(["scenario", "label"]), names].set_index(["scenario", "label"], drop=False)
    table["runs"] = (frame.error == "").groupby(by).sum()
    for figure in figures:
        values = frame[figure].astype(float).groupby(by)
        runs, mean = values.count(), values.mean()
        t = runs.map(lambda runs: student_t(level, runs - 1) if runs > 1 else math.nan)
        half = t * values.std() / runs**0.5
        table[figure] = mean
        table[f"{figure}_low"], table[f"{figure}_high"] = mean - half, mean + half
    return table.reset_index(drop=True)


@cache
def student_t(level: float, degrees: int) -> float:
    """The t that Student's distribution with `degrees` of freedom does not exceed, either way, with chance `level`.

    By bisection of its distribution function, which is a finite sum in the angle θ, tan θ = t/√degrees
    (Abramowitz & Stegun 26.7.3 and 26.7.4, https://personal.math.ubc.ca/~cbm/aands/page_948.htm).

    >>> round(student_t(0.95, 2), 3), round(student_t(0.95, 19), 3)
    (4.303, 2.093)
    """
    number("level", level, above=0, below=1)
    whole("degrees", degrees, 1)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, degrees) < level else (low, angle)
    return math.sqrt(degrees) * math.tan(low)


def _within(angle: float, degrees: int) -> float:
    """The chance of |T| <= √degrees · tan(angle): a series in cos(angle)², which starts at 1 or at the cosine."""
    odd = degrees % 2
    term = total = math.cos(angle) if odd else 1.0
    for power in range(2 + odd, degrees - 1, 2):
        term *= (power - 1) / power * math.cos(angle) ** 2
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if degrees > 1 else 0.0))
