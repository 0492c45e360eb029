"""The ways to learn of an event, one per file. `APPROACHES` maps their names on the command line to classes."""

from labkit.approaches.adaptive import Aimd, HalveDouble
from labkit.approaches.approach import Approach, Style
from labkit.approaches.batched import Batched
from labkit.approaches.consumer import Consumer
from labkit.approaches.doorbell import Doorbell
from labkit.approaches.feed import ConditionalFeed, Feed
from labkit.approaches.hybrid import Hybrid
from labkit.approaches.leased import Leased
from labkit.approaches.long_polling import LongPolling
from labkit.approaches.on_demand import OnDemand
from labkit.approaches.polling import Polling
from labkit.approaches.relay import Relay
from labkit.approaches.stream import FakeStream, Stream
from labkit.approaches.thin import Thin
from labkit.approaches.webhook import Webhook
from labkit.approaches.websocket import WebSocket

_ALL: tuple[type[Approach], ...] = (
    Polling, Feed, ConditionalFeed, Aimd, HalveDouble, LongPolling, Stream, FakeStream, WebSocket, Webhook, Thin,
    Batched, Hybrid, OnDemand, Relay, Doorbell, Leased,
)  # fmt: skip
APPROACHES: dict[str, type[Approach]] = {approach.name: approach for approach in _ALL}

__all__ = [
    "APPROACHES", "Aimd", "Approach", "Batched", "ConditionalFeed", "Consumer", "Doorbell", "FakeStream", "Feed",
    "HalveDouble", "Hybrid", "Leased", "LongPolling", "OnDemand", "Polling", "Relay", "Stream", "Style",
    "Thin", "WebSocket", "Webhook",
]  # fmt: skip
