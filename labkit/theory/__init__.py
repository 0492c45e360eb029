"""Closed forms: what arithmetic says each way of learning of an event costs. It knows nothing of any lens.

Symbols: rate λ (events a second), interval T, delay d (one way), period P: the time between the moments
at which two polls reach the source. The server takes no time, nothing is lost unless a rule says so.
"Poisson only" marks a rule that needs events which come one by one, independently, at one rate;
the others need no more than arrivals without phase lock to the poller.
The properties carry the names of a `Result`'s columns, so that theory can be drawn over measurements.
"""

from labkit.theory.adaptive import AdaptiveTheory, aimd, aimd_fluid_interval, aimd_rough_interval, halve_double
from labkit.theory.batched import BatchedTheory, batched
from labkit.theory.feed import FeedTheory, feed
from labkit.theory.hybrid import HybridTheory, hybrid
from labkit.theory.jitter import JitteredTheory, jittered, unequal_empty_share, unequal_wait
from labkit.theory.long_polling import LongPollingTheory, long_polling
from labkit.theory.on_demand import OnDemandTheory, on_demand, on_demand_crossover
from labkit.theory.polling import PollingTheory, best_interval, crossover_interval, pages, polling
from labkit.theory.relay import RelayTheory, relay
from labkit.theory.renewal import RenewalTheory
from labkit.theory.stream import FakeStreamTheory, StreamTheory, fake_stream, stream
from labkit.theory.thin import ThinTheory, thin
from labkit.theory.webhook import WebhookTheory, attempts_per_event, webhook

__all__ = [
    "AdaptiveTheory",
    "BatchedTheory",
    "FakeStreamTheory",
    "FeedTheory",
    "HybridTheory",
    "JitteredTheory",
    "LongPollingTheory",
    "OnDemandTheory",
    "PollingTheory",
    "RelayTheory",
    "RenewalTheory",
    "StreamTheory",
    "ThinTheory",
    "WebhookTheory",
    "aimd",
    "aimd_fluid_interval",
    "aimd_rough_interval",
    "attempts_per_event",
    "batched",
    "best_interval",
    "crossover_interval",
    "fake_stream",
    "feed",
    "halve_double",
    "hybrid",
    "jittered",
    "long_polling",
    "on_demand",
    "on_demand_crossover",
    "pages",
    "polling",
    "relay",
    "stream",
    "thin",
    "unequal_empty_share",
    "unequal_wait",
    "webhook",
]
