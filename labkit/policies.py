"""What a source decides for its consumers: when it retries a delivery, and how often it may be polled."""

import random
import re
from dataclasses import dataclass, field
from typing import Literal

from labkit.checks import number, share, whole

Verdict = Literal["delivered", "gone", "refused", "failed"]
VERDICTS: dict[str, Verdict] = {"success": "delivered", "gives_up": "refused", "ends": "gone", "retried": "failed"}
"""What the statuses in a RetryProfile's field of this name mean."""


@dataclass(frozen=True)
class SwitchOff:
    """When a source stops sending to an endpoint, and how the endpoint comes back. 0 is no such rule.

    It is switched off after `failures` failed attempts in a row, after `failing_for` seconds without a success, or when
    less than the share `success_below` of its attempts in the last `window` seconds succeeded, of which there must be
    `least_attempts`. What is pending then is a dead letter, and no event is delivered to it while it is off.

    It comes back by itself after `back_after` seconds, doubled for each failure that follows, up to `longest_back`; but
    not after `final_failures` in a row. Otherwise it is off until its owner has it verified again.
    """

    failures: int = 0
    failing_for: float = field(default=0.0, metadata={"unit": "s"})
    success_below: float = 0.0
    window: float = field(default=3600.0, metadata={"unit": "s"})
    least_attempts: int = 1
    back_after: float = field(default=0.0, metadata={"unit": "s"})
    longest_back: float = field(default=86_400.0, metadata={"unit": "s"})
    final_failures: int = 0

    def __post_init__(self) -> None:
        for name in ("failures", "final_failures"):
            whole(name, getattr(self, name), 0, unit="failed attempts")
        for name in ("failing_for", "back_after", "longest_back"):
            number(name, getattr(self, name), "seconds", least=0)
        share("success_below", self.success_below, "of the attempts")
        number("window", self.window, "seconds", above=0)
        whole("least_attempts", self.least_attempts, 1, unit="attempts")

    def __bool__(self) -> bool:
        """Whether there is any rule that switches an endpoint off."""
        return bool(self.failures or self.failing_for or self.success_below)

    def back(self, failures: int) -> float:
        """Seconds after which an endpoint comes back that has failed so often in a row; 0: not by itself.

        >>> gitlab = SwitchOff(failures=4, back_after=60, final_failures=40)
        >>> [gitlab.back(failures) for failures in (4, 5, 6, 39, 40)]
        [60.0, 120.0, 240.0, 86400.0, 0.0]
        """
        if not self.back_after or 0 < self.final_failures <= failures:
            return 0.0
        return min(self.back_after * 2.0 ** min(failures - self.failures, 60), self.longest_back)


@dataclass(frozen=True)
class RetryProfile:
    """When a source retries: `waits[k - 1]` seconds after attempt k fails; after the last, it is a dead letter.

    Each wait is varied by `jitter`, a share up or down. The default is the schedule that Standard Webhooks suggests:
    ten attempts over 75 h 35 min 5 s. `labkit.profile("svix")` is that of a known sender.

    A status is written as `"410"`, or `"4xx"` for a class; the single status counts before its class. `success`: it is
    delivered. `gives_up`: it is a dead letter at once. `ends`: so is all that is pending, and the subscription ends.
    Any other status, and no answer, is a failure, which is retried; `retried` are exceptions in a class that gives up.

    >>> RetryProfile().wait(1, random.Random(0)), RetryProfile().wait(10, random.Random(0))
    (5.0, None)

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability
    """

    waits: tuple[float, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    jitter: float = 0.0
    timeout: float = field(default=30.0, metadata={"unit": "s"})
    in_flight: int = 100
    longest_retry_after: float = field(default=86_400.0, metadata={"unit": "s"})
    """`Retry-After` of a 429 or 503 is honoured up to so many seconds; 0: it is ignored."""
    success: tuple[str, ...] = ("2xx",)
    gives_up: tuple[str, ...] = ("422",)
    ends: tuple[str, ...] = ("410",)
    retried: tuple[str, ...] = ()
    rest: float = field(default=0.0, metadata={"unit": "s"})
    """After an attempt without an answer, nothing is sent to the endpoint for so many seconds."""
    off: SwitchOff = SwitchOff()
    name: str = field(default="", compare=False)
    title: str = field(default="", compare=False)
    """What pictures call it, such as "Standard Webhooks"; its name if it is empty."""
    source: str = field(default="", compare=False)
    """The address of the page that publishes the profile."""
    read: str = field(default="", compare=False)
    """The month in which the page was read."""
    assumed: tuple[str, ...] = field(default=(), compare=False)
    """The fields that the page does not publish."""
    remark: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for wait in self.waits:
            number("waits", wait, "seconds each", least=0)
        number("jitter", self.jitter, "of each wait", least=0, below=1)
        number("timeout", self.timeout, "seconds", above=0)
        whole("in_flight", self.in_flight, 1, unit="deliveries per endpoint")
        number("longest_retry_after", self.longest_retry_after, "seconds", least=0)
        number("rest", self.rest, "seconds", least=0)
        statuses = [status for name in VERDICTS for status in getattr(self, name)]
        for status in statuses:
            if not re.fullmatch("[2-5](xx|[0-9][0-9])", status):
                raise ValueError(f"a status must be written as '410' or '4xx', got {status!r}")
            if statuses.count(status) > 1:
                raise ValueError(f"status {status} must have one meaning: {', '.join(VERDICTS)}; got several")

    @property
    def longest_span(self) -> float:
        """The most seconds from a delivery's first attempt to the end of its last, whatever `Retry-After` says."""
        waits = [max(wait * (1 + self.jitter), self.longest_retry_after) for wait in self.waits]
        return sum(waits) + (self.timeout + self.rest) * (len(waits) + 1)

    def wait(self, attempt: int, chance: random.Random) -> float | None:
        """Seconds from the failure of attempt number `attempt`, from 1, to the next; None after the last."""
        if attempt > len(self.waits):
            return None
        wait = float(self.waits[attempt - 1])
        return wait * chance.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else wait

    def verdict(self, status: int) -> Verdict:
        """What an endpoint's answer means. Redirects are failures: they are not followed.

        >>> [RetryProfile().verdict(status) for status in (204, 410, 422, 302)]
        ['delivered', 'gone', 'refused', 'failed']
        >>> brevo = RetryProfile(gives_up=("4xx", "5xx"), retried=("429",), ends=())
        >>> [brevo.verdict(status) for status in (404, 429, 503)]
        ['refused', 'failed', 'refused']
        """
        for written in (str(status), f"{status // 100}xx"):
            for name, verdict in VERDICTS.items():
                if written in getattr(self, name):
                    return verdict
        return "failed"

    def assumptions(self) -> str:
        """What of it is assumed: each field that its source does not publish, with its value.

        >>> RetryProfile(assumed=("jitter", "gives_up"), gives_up=()).assumptions()
        'jitter 0, gives_up none'
        """
        return ", ".join(f"{name} {_shown(getattr(self, name))}" for name in self.assumed)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, int | float) else "set" if value else "never"


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
