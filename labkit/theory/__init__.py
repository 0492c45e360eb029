"""Closed forms: what each approach costs by arithmetic alone. One class per approach, under the approach's own name.

Symbols: rate λ (events per second), interval T, delay d (one way), period P: the time between the instants at which two
polls reach the source. The source takes no time, and nothing is lost unless a rule says so. "Poisson only" marks a rule
for independent events at a constant rate; the others hold for any arrivals without phase lock to the poller. Properties
have the names of a `Result`'s columns, so that theory can be drawn over measurements.

>>> polled, pushed = Polling(rate=1 / 360, interval=60, delay=0.02), Webhook(rate=1 / 360, delay=0.02)
>>> round(polled.requests_per_event, 2), polled.mean_latency, pushed.requests_per_event, pushed.mean_latency
(6.0, 30.04, 1.0, 0.02)
"""

from labkit.theory.adaptive import Aimd, HalveDouble, aimd_fluid_interval, aimd_rough_interval
from labkit.theory.batched import Batched
from labkit.theory.budget import freshness, mean_freshness, optimal_budget, proportional_budget, uniform_budget
from labkit.theory.closed_form import ClosedForm
from labkit.theory.doorbell import Doorbell
from labkit.theory.feed import Feed
from labkit.theory.hybrid import Hybrid
from labkit.theory.jitter import Jittered, unequal_empty_share, unequal_wait
from labkit.theory.leased import Leased
from labkit.theory.long_polling import LongPolling
from labkit.theory.on_demand import OnDemand, on_demand_crossover
from labkit.theory.polling import Polling, best_interval, crossover_interval, pages
from labkit.theory.relay import Relay
from labkit.theory.stream import FakeStream, Stream
from labkit.theory.thin import Thin
from labkit.theory.webhook import Webhook, attempts_per_event

__all__ = [
    "Aimd", "Batched", "ClosedForm", "Doorbell", "FakeStream", "Feed", "HalveDouble", "Hybrid", "Jittered",
    "Leased", "LongPolling", "OnDemand", "Polling", "Relay", "Stream", "Thin", "Webhook", "aimd_fluid_interval",
    "aimd_rough_interval", "attempts_per_event", "best_interval", "crossover_interval", "freshness",
    "mean_freshness", "on_demand_crossover", "optimal_budget", "pages", "proportional_budget", "unequal_empty_share",
    "unequal_wait", "uniform_budget",
]  # fmt: skip
