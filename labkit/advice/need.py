"""What somebody needs, in a few numbers."""

from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.approaches import APPROACHES
from labkit.checks import check_fields, number, one_of, share, whole
from labkit.policies import RateLimit, RetryProfile
from labkit.scenario import LONGEST_DELAY


@dataclass(frozen=True)
class Need:
    """How late is too late, and what an answer may use. Times are in seconds, rates are per hour.

    `share` of the events must be known within `deadline`, if nothing breaks. If the receiver is down for `outage`
    seconds, each consumer may lose up to `may_lose` events for good. With `reads`, somebody reads the current state
    that often, and an approach may bring the state at each read, without the changes in between.

    >>> Need(deadline=0)
    Traceback (most recent call last):
    ...
    ValueError: deadline must be > 0 seconds, got 0
    """

    deadline: float
    share: float = 0.95
    reads: float = 0.0
    consumers: int = 1
    unreachable: bool = False
    """Whether nothing can call the consumers, as behind NAT."""
    hold: bool = False
    """Whether a connection may stay open, and the source offers that."""
    rate_limit: RateLimit = field(default_factory=RateLimit)
    """The source's limit on the requests of each consumer."""
    retries: RetryProfile | None = None
    """When the source retries; None assumes what Standard Webhooks suggests."""
    outage: float = 0.0
    may_lose: int = 0
    price_per_million: float | None = None
    """The price of a million requests, whoever sends them."""
    price_per_gb: float | None = None
    """The price of 1,000,000,000 bytes, in either direction."""
    delay: float = 0.020
    """The network's delay, in seconds each way."""
    without: tuple[str, ...] = ()
    """Names of approaches that the source does not offer, such as ("batched",)."""

    def __post_init__(self) -> None:
        check_fields(self)
        number("deadline", self.deadline, "seconds", above=0)
        if isinstance(self.share, int | float) and 1 < self.share <= 100:
            meant = f"got {self.share:g}: did you mean {self.share / 100:g}?"
            raise ValueError(f"share must be from 0 to 1 of the events, {meant}")
        share("share", self.share, "of the events")
        number("reads", self.reads, "per hour", least=0)
        whole("consumers", self.consumers, 1)
        number("outage", self.outage, "seconds", least=0)
        whole("may_lose", self.may_lose, 0, unit="events")
        if self.may_lose and not self.outage:
            raise ValueError(f"may_lose needs the length of an outage (--outage 5h), got {self.may_lose} and no outage")
        number("delay", self.delay, "seconds each way", least=0, below=LONGEST_DELAY)
        for name in self.without:
            one_of("without", name, tuple(APPROACHES))
        if self.rate_limit.poll_interval:
            raise ValueError(f"rate_limit must have no poll_interval: poll more seldom, got {self.rate_limit}")
        for name in ("price_per_million", "price_per_gb"):
            if (price := getattr(self, name)) is not None:
                number(name, price, least=0)

    @property
    def priced(self) -> bool:
        return self.price_per_million is not None or self.price_per_gb is not None

    def record(self) -> dict[str, Any]:
        """The need as plain values."""
        return asdict(self)
