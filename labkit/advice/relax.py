"""If nothing meets a need: which single requirement to relax, and to what."""

from dataclasses import replace
from typing import NamedTuple

from labkit.advice.events import Events
from labkit.advice.grid import PER_DECADE, nearest
from labkit.advice.limits import best_at
from labkit.advice.need import Need
from labkit.advice.numbers import Number, numbers
from labkit.advice.options import best

FARTHEST = 3 * PER_DECADE
"""A number is moved by a factor of up to 1,000."""
EASIER = {"deadline": "up", "share": "down", "outage": "down", "may_lose": "up", "rate_limit": "up"}
"""The requirements, and which way each is relaxed."""


class Relaxation(NamedTuple):
    """One requirement, the least change of it with which something meets the need, and what does."""

    requirement: str
    value: float | bool
    approach: str


def relaxations(need: Need, events: Events) -> list[Relaxation]:
    """Each single change that helps. A number is changed as little as the search distinguishes, about 1%."""
    helpful = list[Relaxation]()
    switched = ("hold", True, replace(need, hold=True)), ("unreachable", False, replace(need, unreachable=False))
    for name, value, changed in switched:
        if changed != need and (option := best(changed, events.log(changed))):
            helpful.append(Relaxation(name, value, option.approach.label))
    for number in numbers(need, events):
        if number.name in EASIER and (relaxed := _relaxed(number)):
            helpful.append(relaxed)
    return helpful


def _relaxed(number: Number) -> Relaxation | None:
    move = number.up if EASIER[number.name] == "up" else number.down
    if move is None or (step := nearest(lambda steps: best_at(number, move(steps)) is not None, FARTHEST)) is None:
        return None
    option = best_at(number, move(step))
    return Relaxation(number.name, move(step), option.approach.label) if option else None
