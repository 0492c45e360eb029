"""How far each number could move before the answer changes."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from labkit.advice.events import Events
from labkit.advice.grid import PER_DECADE, nearest
from labkit.advice.need import Need
from labkit.advice.numbers import Number, Value, numbers
from labkit.advice.options import UNKNOWN, Option, best, option_of
from labkit.approaches import Approach

LEAST = 1e-9
"""What an option saves that costs as much and is the answer for its latency."""
FARTHEST = 2 * PER_DECADE
"""A number is moved by a factor of up to 100."""


TIE = 0.05
"""What another option must save for the answer to have changed: if it saves less, the next value may change it back."""


class Limit(NamedTuple):
    """One number, and the value from which on the answer is another approach: one step before, at `same`, it is not.

    At the values tried that are nearer, no other option saves more than 5%. `approach` is the new recommendation, "" if
    nothing meets the need. `unknown` says why the old one could not be computed there, so that it may still be the
    best.
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

    @cache
    def saved(steps: int) -> float:
        """What the best option saves against this one, as a share; 0 if it is this one, 1 if this one is none."""
        need, events = number.changed(move(steps))
        option = best(need, events.log(need))
        if option and type(option.approach) is kind:
            return 0.0
        old = option_of(kind, need, events.log(need))
        if option is None or old.short:
            return 1.0
        mine, other = (each.objective(need.priced)[0] for each in (old, option))
        return max(1 - other / mine, LEAST) if mine else LEAST

    if (step := nearest(saved, FARTHEST, TIE)) is None:
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
