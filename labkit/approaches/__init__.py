"""The ways to learn of an event, one a file. `APPROACHES` maps their names on the command line to their classes."""

from labkit.approaches.consumer import Approach, Consumer
from labkit.approaches.polling import Polling
from labkit.approaches.relay import Relay
from labkit.approaches.webhook import Webhook

APPROACHES: dict[str, type[Approach]] = {approach.name: approach for approach in (Polling, Webhook, Relay)}

__all__ = ["APPROACHES", "Approach", "Consumer", "Polling", "Relay", "Webhook"]
