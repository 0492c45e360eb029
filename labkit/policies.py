"""What a source decides for its consumers: when it retries a delivery, and how often it may be polled."""

import random
from dataclasses import dataclass, field

from labkit.checks import number, whole


@dataclass(frozen=True)
class RetryProfile:
    """When a source retries: `waits[k - 1]` seconds after attempt k fails; after the last, it is a dead letter.

    Each wait is varied by `jitter`, a share up or down. The default is the schedule that Standard Webhooks suggests:
    ten attempts over 75 h 35 min 5 s.

    >>> RetryProfile().wait(1, random.Random(0)), RetryProfile().wait(10, random.Random(0))
    (5.0, None)

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
    """

    waits: tuple[float, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    jitter: float = 0.0
    timeout: float = 30.0
    in_flight: int = 100
    longest_retry_after: float = 86_400.0

    def __post_init__(self) -> None:
        for wait in self.waits:
            number("waits", wait, "seconds each", least=0)
        number("jitter", self.jitter, "of each wait", least=0, below=1)
        number("timeout", self.timeout, "seconds", above=0)
        whole("in_flight", self.in_flight, 1, unit="deliveries per endpoint")
        number("longest_retry_after", self.longest_retry_after, "seconds", least=0)

    @property
    def longest_span(self) -> float:
        """The most seconds from a delivery's first attempt to the end of its last, whatever `Retry-After` says."""
        waits = [max(wait * (1 + self.jitter), self.longest_retry_after) for wait in self.waits]
        return sum(waits) + self.timeout * (len(waits) + 1)

    def wait(self, attempt: int, chance: random.Random) -> float | None:
        """Seconds from the failure of attempt number `attempt`, from 1, to the next; None after the last."""
        if attempt > len(self.waits):
            return None
        wait = float(self.waits[attempt - 1])
        return wait * chance.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else wait


@dataclass(frozen=True)
class RateLimit:
    """A source's limits on its clients: at most `requests` per `seconds`, and `poll_interval` seconds between polls.

    0 is no limit. GitHub: 5,000 requests per hour, and 60 s between polls of its events. A request beyond the limit is
    answered 429 with `Retry-After`; the poll interval is a hint in whole seconds. labkit's clients keep both.

    Source: https://docs.github.com/en/rest/activity/events
    """

    requests: int = 0
    seconds: float = field(default=3600.0, metadata={"unit": "s"})
    poll_interval: float = field(default=0.0, metadata={"unit": "s"})

    def __post_init__(self) -> None:
        whole("requests", self.requests, 0)
        number("seconds", self.seconds, above=0)
        number("poll_interval", self.poll_interval, "seconds", least=0)
