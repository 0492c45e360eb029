"""How far each number could move before the answer changes."""

from collections.abc import Iterator
from typing import NamedTuple

from labkit.advice.events import Events
from labkit.advice.grid import PER_DECADE, nearest
from labkit.advice.need import Need
from labkit.advice.numbers import Number, Value, numbers
from labkit.advice.options import UNKNOWN, Option, best, option_of
from labkit.approaches import Approach

FARTHEST = 2 * PER_DECADE
"""A number is moved by a factor of up to 100."""


class Limit(NamedTuple):
    """One number, and the nearest value at which the answer is another approach: at `same` it is still this one.

    `approach` is the new recommendation, "" if nothing meets the need. `unknown` says why the old one could not be
    computed there, so that it may still be the best.
    """

    number: str
    now: float
    same: float
    changes: float
    approach: str
    unknown: str

    @property
    def direction(self) -> str:
        return "upwards" if self.changes > self.now else "downwards"


def limits_of(need: Need, events: Events, chosen: Approach) -> Iterator[Limit]:
    """The limits of each number upwards and downwards, where there is one within a factor of 100."""
    for number in numbers(need, events):
        for move in (number.up, number.down):
            if move is not None and (limit := _limit(number, move, type(chosen))):
                yield limit


def _limit(number: Number, move: Value, kind: type[Approach]) -> Limit | None:
    """The limit in one direction."""

    def differs(steps: int) -> bool:
        option = best_at(number, move(steps))
        return option is None or type(option.approach) is not kind

    if (step := nearest(differs, FARTHEST)) is None:
        return None
    same, changes = move(step - 1) if step > 1 else number.now, move(step)
    if same == changes:  # it can move no further
        return None
    need, events = number.changed(changes)
    old = option_of(kind, need, events.log(need)).short
    option = best_at(number, changes)
    label = option.approach.label if option else ""
    return Limit(number.name, number.now, same, changes, label, old if old.startswith(UNKNOWN) else "")


def best_at(number: Number, value: float) -> Option | None:
    """The recommendation with another value of a number."""
    need, events = number.changed(value)
    return best(need, events.log(need))
