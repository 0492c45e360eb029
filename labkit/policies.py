"""What a source decides for its consumers: when it tries a delivery again, and how often it may be asked."""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RetryProfile:
    """How a source tries again: after attempt k it waits `waits[k - 1]` seconds; after the last the delivery is dead.

    Each wait is spread by `jitter`, a share either way. The default is the schedule that Standard Webhooks suggests:
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
        if any(not 0 <= wait < float("inf") for wait in self.waits):
            raise ValueError(f"waits must be >= 0 seconds each, got {self.waits}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter must be a share >= 0 and < 1, got {self.jitter}")
        if not 0 < self.timeout < float("inf"):
            raise ValueError(f"timeout must be > 0 seconds, got {self.timeout}")
        if self.in_flight < 1:
            raise ValueError(f"in_flight must be >= 1, got {self.in_flight}")

    @property
    def longest_span(self) -> float:
        """Seconds from a delivery's first attempt by which its last one has ended, whatever the endpoint asks for."""
        waits = [max(wait * (1 + self.jitter), self.longest_retry_after) for wait in self.waits]
        return sum(waits) + self.timeout * (len(waits) + 1)

    def wait(self, attempt: int, chance: random.Random) -> float | None:
        """Seconds from the failure of attempt number `attempt`, from 1, to the next; None: there is none."""
        if attempt > len(self.waits):
            return None
        wait = float(self.waits[attempt - 1])
        return wait * chance.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else wait


@dataclass(frozen=True)
class RateLimit:
    """What a source asks of those who ask it: at most `requests` in `seconds`, and `poll_interval` seconds between two.

    0 is no limit. GitHub: 5,000 requests in an hour, and 60 s between two polls of its events. Beyond the number it
    answers 429 and says when to come back; the pause is a hint, in whole seconds, which labkit's own clients keep.

    Source: https://docs.github.com/en/rest/activity/events
    """

    requests: int = 0
    seconds: float = field(default=3600.0, metadata={"unit": "s"})
    poll_interval: float = field(default=0.0, metadata={"unit": "s"})

    def __post_init__(self) -> None:
        if not isinstance(self.requests, int) or isinstance(self.requests, bool) or self.requests < 0:
            raise ValueError(f"requests must be a whole number >= 0, got {self.requests!r}")
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be > 0, got {self.seconds!r}")
        if not 0 <= self.poll_interval < float("inf"):
            raise ValueError(f"poll_interval must be >= 0 seconds, got {self.poll_interval!r}")
