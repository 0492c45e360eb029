"""The options that set a source's rate limit, shared by `labkit compare` and `labkit serve source`."""

import re

import click

from labkit.policies import RateLimit

rate_limit_option = click.option(
    "--rate-limit", default="", metavar="REQUESTS/SECONDS",
    help="The source answers 429 to more than this many requests in this many seconds, e.g. 60/3600. [default: none]",
)  # fmt: skip
poll_interval_option = click.option(
    "--poll-interval", type=float, default=0.0, metavar="SECONDS",
    help="The source requests this pause between two polls (X-Poll-Interval). [default: none]",
)  # fmt: skip


def rate_limit_of(rate_limit: str, poll_interval: float) -> RateLimit:
    """The two options as a RateLimit.

    >>> rate_limit_of("60/3600", 0.0)
    RateLimit(requests=60, seconds=3600.0, poll_interval=0.0)

    Raises click.UsageError that shows the text.
    """
    if not rate_limit:
        return RateLimit(poll_interval=poll_interval)
    parts = re.fullmatch(r"([1-9]\d{0,8})/(\d{1,9}(?:\.\d{1,9})?)", rate_limit)
    if not parts or float(parts[2]) == 0:
        raise click.UsageError(f"--rate-limit must be REQUESTS/SECONDS, such as 60/3600, got {rate_limit}")
    return RateLimit(int(parts[1]), float(parts[2]), poll_interval)
