"""A source's deliveries: each attempt of each, by the retry profile, through outages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from labkit.clock import NANO, nanoseconds
from labkit.lenses.model.history import Instants
from labkit.lenses.model.outages import NEVER, Windows
from labkit.policies import RetryProfile

Row = tuple[int, int, int, bool, int, bool]
"""An attempt: the columns of `Attempts`, in their order."""


@dataclass(frozen=True)
class Attempts:
    """Attempts of deliveries, in the order sent: an array has one entry per attempt."""

    of: NDArray[np.int64]
    """The number of the delivery, from 0."""
    sent: Instants
    ended: Instants
    """When it was answered, or had failed."""
    carried: NDArray[np.bool_]
    """Whether it had a connection."""
    cut: Instants
    """The first instant after it was sent at which an outage cuts what is under way."""
    answered: NDArray[np.bool_]

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "Attempts":
        of, sent, ended, carried, cut, answered = np.array(rows, dtype=np.int64).reshape(-1, 6).T
        return cls(of, sent, ended, carried.astype(bool), cut, answered.astype(bool))

    @classmethod
    def unbroken(cls, sent: Instants, ended: Instants) -> "Attempts":
        """One attempt of each delivery, which is answered."""
        all_of_them = np.ones(len(sent), dtype=bool)
        return cls(np.arange(len(sent)), sent, ended, all_of_them, np.full(len(sent), NEVER), all_of_them)

    def there(self, after: int) -> NDArray[np.bool_]:
        """Which of them are under way, or answered, so many nanoseconds after they were sent."""
        return self.carried & (self.sent + after < self.cut)

    def first(self, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of the attempts `among` them, the first of each delivery."""
        first = np.zeros(len(self.of), dtype=bool)
        places = np.flatnonzero(among)
        first[places[np.unique(self.of[places], return_index=True)[1]]] = True
        return first


class Rests:
    """Until when an endpoint gets nothing, by the profile's `rest` in seconds. Attempts are noted as they end."""

    def __init__(self, seconds: float) -> None:
        self.until, self._rest, self._last, self._failing = -NEVER, nanoseconds(seconds), (-NEVER, True), False

    def ended(self, at: int, answered: bool, together: bool, at_once: bool = False) -> None:
        """Note that an attempt was answered or failed. Refuse a failure whose place among others would matter.

        It matters if another delivery is due or answered at the same instant (`together`), and the endpoint rests from
        then on, or the failed delivery is sent again `at_once`.
        """
        if ((self._rest or at_once) and not answered and together) or (self._rest and self._last == (at, not answered)):
            both = "one delivery fails, and another one is due or answered, and which comes first makes a difference"
            raise ValueError(f"at {at / NANO:g} s {both}: use the virtual lens")
        self._last = at, answered
        if self._rest and not answered:
            self.until, self._failing = max(self.until, at + self._rest), True
        elif self._failing:
            self.until, self._failing = at, False


def ends_with(outages: Windows, sent: int, takes: int) -> tuple[int, bool, int, bool]:
    """An attempt's end, whether it has a connection, when an outage cuts what is under way, and if it is answered."""
    hold, cut = outages.hold(sent), outages.cut(sent)
    return outages.end(sent, takes), hold is None, cut, hold is None and sent + takes < cut


def play(
    due: Sequence[int], takes: int, outages: Windows, profile: RetryProfile, wait: Callable[[int, int], float | None]
) -> Attempts:
    """The attempts of deliveries that are due at these instants, in order, each answered after `takes` nanoseconds.

    `wait(delivery, attempt)` is that of the profile. With the receiver down from 0 to 1,200 s, and a delivery due at 0,
    the attempts at 0, 5 and 305 s are refused, and the one at 2,105 s is answered.
    """
    if not outages:
        sent = np.array(due, dtype=np.int64)
        return Attempts.unbroken(sent, sent + takes)
    waiting = [(at, number, 1) for number, at in enumerate(due)]
    ending: list[tuple[int, bool]] = []  # when each attempt under way will have ended, and whether it is answered
    rows: list[Row] = []
    rests = Rests(profile.rest)
    while waiting:
        now = max(waiting[0][0], rests.until)
        if ending and ending[0][0] <= now:
            at, answered = heappop(ending)
            rests.ended(at, answered, together=at == now)
            continue
        together = []
        while waiting and waiting[0][0] <= now:
            together.append(heappop(waiting))
        ended, carried, cut, answered = ends_with(outages, now, takes)
        for _, number, attempt in together:
            rows.append((number, now, ended, carried, cut, answered))
            if profile.rest:
                heappush(ending, (ended, answered))
            if not answered and (seconds := wait(number, attempt)) is not None:
                heappush(waiting, (ended + nanoseconds(seconds), number, attempt + 1))
    return Attempts.of_rows(rows)


def check_in_flight(begun: Instants, ended: Instants, profile: RetryProfile) -> None:
    """Refuse deliveries that would wait for others; `begun` is in order."""
    over = np.searchsorted(np.sort(ended), begun)
    at_once = int((np.arange(1, len(begun) + 1) - over).max(initial=0))
    if at_once > profile.in_flight:
        limit = f"the source allows {profile.in_flight}"
        raise ValueError(f"{at_once} deliveries are outstanding at once, and {limit}: use the virtual lens")


def check_health(made: Attempts, profile: RetryProfile) -> None:
    """Refuse an endpoint that would be switched off."""
    off, failures, since = profile.off, 0, 0
    if not off or made.answered.all():
        return
    order = np.argsort(made.ended, kind="stable")
    sent, ended, answered = made.sent[order], made.ended[order], made.answered[order]
    for place in range(len(order)):
        failures = 0 if answered[place] else failures + 1
        if not failures:
            continue
        since = int(ended[place]) if failures == 1 else since
        share = 1.0
        if off.success_below and place + 1 >= off.least_attempts:
            recent = sent[: place + 1] > ended[place] - nanoseconds(off.window)
            share = answered[: place + 1][recent].mean() if recent.sum() >= off.least_attempts else 1.0
        if (
            0 < off.failures <= failures
            or 0 < off.failing_for * NANO <= ended[place] - since
            or share < off.success_below
        ):
            raise ValueError(f"the endpoint would be switched off at {ended[place] / NANO:g} s: use the virtual lens")
