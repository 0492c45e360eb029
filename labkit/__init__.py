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
from labkit.faults import FAULTS, LostAnswer, Nat, Outage, Status
from labkit.lenses import RealLens, VirtualLens
from labkit.policies import RateLimit, RetryProfile
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.server import serve
from labkit.source import EventSource
from labkit.trace import earthquakes, from_csv

__version__ = "0.1.0"

__all__ = [
    "APPROACHES", "FAULTS", "Aimd", "Approach", "Arrivals", "Batched", "Comparison", "ConditionalFeed", "Doorbell",
    "Event", "EventSource", "FakeStream", "Feed", "HalveDouble", "Hybrid", "Leased", "LongPolling", "LostAnswer",
    "Nat", "OnDemand", "Outage", "Polling", "RateLimit", "RealClock", "RealLens", "Relay", "Result",
    "RetryProfile", "RunError", "Scenario", "Status", "Stream", "Thin", "VirtualClock", "VirtualLens", "WebSocket",
    "Webhook", "bursty", "compare", "daily", "earthquakes", "from_csv", "poisson", "serve", "sweep", "switching",
]  # fmt: skip
