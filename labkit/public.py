"""What `from labkit import …` imports: the names in `labkit.__all__`."""
# mypy: implicit-reexport
# ruff: noqa: F401

from labkit.advice import Advice, Need, advise
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
from labkit.description import Description, describe
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
from labkit.load import Costs, FanOut
from labkit.log import Log, read_log
from labkit.policies import RateLimit, RetryProfile
from labkit.result import Result
from labkit.retries import profile
from labkit.scenario import Scenario
from labkit.server import serve
from labkit.source import EventSource
from labkit.tidy import confidence_intervals
from labkit.trace import earthquakes, from_log
