"""The Webhook Lab: measure when to poll an API, when to be notified by webhook, and everything in between."""
# ruff: noqa: F403, F405

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "APPROACHES", "FAULTS", "Advice", "Aimd", "Approach", "Arrivals", "Batched", "ClockSkew", "Comparison",
    "ConditionalFeed", "Costs", "Delay", "Description", "Disorder", "Doorbell", "DrippingAnswer", "Event",
    "EventSource", "FakeStream", "FanOut", "Feed", "HalveDouble", "Handshake", "Hybrid", "IncompleteAnswer",
    "JunkAnswer", "LateCommit", "Leased", "Log", "LongPolling", "LostAnswer", "LostRequest", "ModelLens", "Nat",
    "Need", "OnDemand", "Outage", "Poison", "Polling", "RateLimit", "RealClock", "RealLens", "Relay", "Result",
    "RetryProfile", "RunError", "Scenario", "SlowAnswer", "Status", "Stream", "Thin", "VirtualClock", "VirtualLens",
    "WebSocket", "Webhook", "advise", "bursty", "compare", "confidence_intervals", "daily", "describe",
    "earthquakes", "from_log", "poisson", "profile", "read_log", "serve", "sweep", "switching",
]  # fmt: skip

if TYPE_CHECKING:
    from labkit.public import *
else:

    def __getattr__(name: str) -> object:
        """Import the public names when the first of them is used: `labkit --help` uses none."""
        if name not in __all__:
            raise AttributeError(f"module 'labkit' has no attribute {name!r}")
        public = import_module("labkit.public")
        globals().update({each: getattr(public, each) for each in __all__})
        return globals()[name]

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
