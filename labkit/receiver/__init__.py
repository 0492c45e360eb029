"""A webhook receiver: it verifies a message, deduplicates its events, has the effect of each once, and acknowledges."""

from labkit.receiver.core import Receiver, Reply, UnavailableError
from labkit.receiver.inbox import Inbox

__all__ = ["Inbox", "Receiver", "Reply", "UnavailableError"]
