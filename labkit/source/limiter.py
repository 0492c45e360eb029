"""The source's rate limit: a number of requests per caller and window, and a pause between them."""

import math

from flask import Flask, Response, request
from werkzeug.exceptions import TooManyRequests

from labkit.clock import Clock
from labkit.policies import RateLimit

LISTS = ("/events", "/feed")
"""The paths that clients poll: their answers carry the hint."""


class Window:
    """Counts each caller's requests in fixed windows; one starts with the first request after the last has ended."""

    def __init__(self, rate_limit: RateLimit) -> None:
        self._limits = rate_limit
        self._windows: dict[str, tuple[float, int]] = {}  # caller: (start, requests)

    def refuse(self, caller: str, now: float) -> float:
        """Count a request; 0 if it may pass, otherwise the seconds until the caller's window ends.

        >>> window = Window(RateLimit(requests=2, seconds=60))
        >>> [window.refuse("me", at) for at in (10.0, 11.0, 12.0, 70.0)]
        [0.0, 0.0, 58.0, 0.0]
        """
        start, count = self._windows.get(caller, (now, 0))
        if now >= start + self._limits.seconds:
            start, count = now, 0
        if count >= self._limits.requests:
            return start + self._limits.seconds - now
        self._windows[caller] = start, count + 1
        return 0.0


def add_rate_limit(app: Flask, rate_limit: RateLimit, clock: Clock) -> None:
    """Answer 429 with `Retry-After` beyond the limit (RFC 6585, 4), and suggest a pause by `X-Poll-Interval`.

    Only reading is limited. A caller is an IP address: on loopback all callers share one.
    """
    if rate_limit.requests:
        window = Window(rate_limit)

        @app.before_request
        def limit() -> None:
            limited = request.method in ("GET", "HEAD") and request.path != "/healthz"
            if limited and (left := window.refuse(request.remote_addr or "", clock.now())):
                said = f"{rate_limit.requests} requests in {rate_limit.seconds:g} s are the most"
                raise TooManyRequests(f"{said}; come back in {math.ceil(left)} s", retry_after=math.ceil(left))

    if rate_limit.poll_interval:

        @app.after_request
        def hint(answer: Response) -> Response:
            if request.path in LISTS and request.method == "GET":
                answer.headers["X-Poll-Interval"] = str(math.ceil(rate_limit.poll_interval))
            return answer
