"""A webhook receiver: what is verified, deduplicated, done once, and acknowledged."""

from labkit.receiver.inbox import Inbox

__all__ = ["Inbox"]
