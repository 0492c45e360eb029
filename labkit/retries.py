"""The retry profiles of known senders, from `retries.toml`, where each number stands beside its source."""

import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from labkit.policies import RetryProfile, SwitchOff

PUBLISHABLE = ("waits", "jitter", "timeout", "success", "gives_up", "ends", "longest_retry_after", "rest", "off")
"""The fields that a sender's page may publish; what it does not is assumed."""
SILENT = RetryProfile(gives_up=(), ends=(), longest_retry_after=0.0)
"""What is assumed where a page says nothing."""


def profile(name: str) -> RetryProfile:
    """The retry profile of a known sender.

    >>> profile("brevo").waits, profile("brevo").rest
    ((600, 3600, 7200, 28800), 600)
    >>> profile("stripe")
    Traceback (most recent call last):
    ...
    ValueError: there is no retry profile 'stripe'; there are: standard_webhooks, svix, brevo, github, slack, shopify, \
twilio, adyen, square, gitlab, convoy, outpost
    """
    known = profiles()
    if name not in known:
        raise ValueError(f"there is no retry profile {name!r}; there are: {', '.join(known)}")
    return known[name]


@cache
def profiles() -> dict[str, RetryProfile]:
    """All profiles by name, in the order of the file."""
    text = files("labkit").joinpath("retries.toml").read_text(encoding="utf-8")
    return {name: _read(name, table) for name, table in tomllib.loads(text).items()}


def _read(name: str, table: dict[str, Any]) -> RetryProfile:
    guessed = table.pop("assumed", [])
    assumed = tuple(field for field in PUBLISHABLE if field not in table or field in guessed)
    until, off = table.pop("last_until", 0), SwitchOff(**table.pop("off", {}))
    given: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in table.items()
    }
    waits = given["waits"]
    repeats = max(0, int((until - sum(waits)) // waits[-1])) if until else 0
    given["waits"] = waits + waits[-1:] * repeats
    return replace(SILENT, **given, off=off, assumed=assumed, name=name)
