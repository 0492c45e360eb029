"""Leased: a webhook that falls silent when a renewal is forgotten, and a poll that may bring what it misses."""

import math
from dataclasses import dataclass

from labkit.checks import number
from labkit.theory.webhook import Webhook


@dataclass(frozen=True)
class Leased(Webhook):
    """A webhook for `ttl` seconds L at a time, renewed `renew_before` seconds r before it expires.

    Each renewal is `forgotten` with probability q, and then there are no more. The figures without a duration are those
    while it is renewed. A poll comes `reconcile_interval` seconds R after each answer; 0: never.

    >>> round(Leased(0.1, delay=0, ttl=3600, renew_before=600, forgotten=0.1).mean_lifetime)
    30600
    """

    ttl: float
    renew_before: float
    forgotten: float = 0.0
    reconcile_interval: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("renew_before", self.renew_before, "seconds, the ttl", least=0, below=self.ttl)

    @property
    def period(self) -> float:
        """L - r + d: from the grant of one lease to the next, since a renewal takes d to the source."""
        return self.ttl - self.renew_before + self.delay

    @property
    def poll_period(self) -> float:
        """R + 2d; 0 without polls."""
        return self.reconcile_interval + 2 * self.delay if self.reconcile_interval else 0.0

    @property
    def polls_per_event(self) -> float:
        """1/(λ(R + 2d)), polls of one page. Any stationary arrivals."""
        return 1 / (self.rate * self.poll_period) if self.poll_period else 0.0

    @property
    def requests_per_event(self) -> float:  # type: ignore[override]
        """1 + 1/(λ(L - r + d)) + 1/(λ(R + 2d)): the delivery, renewals and polls. Any stationary arrivals.

        >>> round(Leased(0.01, delay=0, ttl=3600, renew_before=600).requests_per_event, 3)
        1.033
        """
        return 1 + 1 / (self.rate * self.period) + self.polls_per_event

    @property
    def empty_share(self) -> float:  # type: ignore[override]
        """The polls: while it is renewed they find nothing. Any arrivals."""
        return self.polls_per_event / self.requests_per_event

    @property
    def mean_lifetime(self) -> float:
        """(1 - q)/q·(L - r + d) + L, with d = 0 (L - r)/q + r: mean seconds from the first lease to silence.

        >>> Leased(0.1, delay=0, ttl=3600, renew_before=600).mean_lifetime
        inf
        """
        if not self.forgotten:
            return math.inf
        return (1 - self.forgotten) / self.forgotten * self.period + self.ttl

    def silent_share(self, duration: float, used: float = 0.0) -> float:
        """1 - E[min(life, D)]/D: the share of the events of D seconds that no delivery brings. Any arrivals.

        Without polls they are lost. `used` are the seconds of the first lease that have passed when the D seconds
        start; at most L. Each further lease adds L - r + d with probability 1 - q.

        >>> round(Leased(0.1, delay=0, ttl=3600, renew_before=600, forgotten=0.1).silent_share(21_600), 3)
        0.248
        """
        number("duration", duration, "seconds", above=0)
        left = self.ttl - number("used", used, "seconds", least=0, most=self.ttl)
        kept, rest = 1 - self.forgotten, max(0.0, duration - left)
        whole = math.floor(rest / self.period)
        full = kept * (1 - kept**whole) / self.forgotten if self.forgotten else whole
        alive = min(left, duration) + self.period * full + (rest - whole * self.period) * kept ** (whole + 1)
        return max(0.0, 1 - alive / duration)

    def mean_latency_over(self, duration: float, used: float = 0.0) -> float:
        """d + silent_share·(R + 2d)/2 over D seconds: a poll is half a period late. Without polls d. Any arrivals.

        >>> leased = Leased(0.1, delay=0, ttl=3600, renew_before=600, forgotten=0.1, reconcile_interval=900)
        >>> round(leased.mean_latency_over(21_600))
        111
        """
        return self.delay + self.silent_share(duration, used) * self.poll_period / 2
