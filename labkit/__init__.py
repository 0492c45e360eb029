"""The Webhook Lab: measure when to poll an API, when to be notified by webhook, and everything in between."""
# ruff: noqa: F403, F405

from typing import TYPE_CHECKING

from labkit.lazy import public_names

__version__ = "1.0.0rc1"

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
else:  # `labkit --help` uses none of them
    __getattr__, __dir__ = public_names(__name__, __all__)
