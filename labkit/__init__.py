"""The Webhook Lab: measure when to poll an API, when to be notified by webhook, and everything in between."""

from labkit.approaches import (
    APPROACHES,
    Aimd,
    Approach,
    Batched,
    ConditionalFeed,
    Doorbell,
    FakeStream,
    Feed,
    HalveDouble,
    Hybrid,
    Leased,
    LongPolling,
    OnDemand,
    Polling,
    Relay,
    Stream,
    Thin,
    Webhook,
    WebSocket,
)
from labkit.arrivals import Arrivals, bursty, daily, poisson, switching
from labkit.clock import RealClock, VirtualClock
from labkit.event import Event
from labkit.experiment import Comparison, RunError, compare, sweep
from labkit.faults import (
    FAULTS,
    ClockSkew,
    Delay,
    Disorder,
    DrippingAnswer,
    Handshake,
    IncompleteAnswer,
    JunkAnswer,
    LateCommit,
    LostAnswer,
    LostRequest,
    Nat,
    Outage,
    Poison,
    SlowAnswer,
    Status,
)
from labkit.lenses import ModelLens, RealLens, VirtualLens
from labkit.policies import RateLimit, RetryProfile
from labkit.result import Result
from labkit.retries import profile
from labkit.scenario import Scenario
from labkit.server import serve
from labkit.source import EventSource
from labkit.tidy import confidence_intervals
from labkit.trace import earthquakes, from_log

__version__ = "0.1.0"

__all__ = [
    "APPROACHES", "FAULTS", "Aimd", "Approach", "Arrivals", "Batched", "ClockSkew", "Comparison", "ConditionalFeed",
    "Delay", "Disorder", "Doorbell", "DrippingAnswer", "Event", "EventSource", "FakeStream", "Feed", "HalveDouble",
    "Handshake", "Hybrid", "IncompleteAnswer", "JunkAnswer", "LateCommit", "Leased", "LongPolling", "LostAnswer",
    "LostRequest", "ModelLens", "Nat", "OnDemand", "Outage", "Poison", "Polling", "RateLimit", "RealClock", "RealLens",
    "Relay", "Result", "RetryProfile", "RunError", "Scenario", "SlowAnswer", "Status", "Stream", "Thin", "VirtualClock",
    "VirtualLens", "WebSocket", "Webhook", "bursty", "compare", "confidence_intervals", "daily", "earthquakes",
    "from_log", "poisson", "profile", "serve", "sweep", "switching",
]  # fmt: skip
