"""The event source: what happens is stored, listed, and told to those who subscribed."""

from labkit.source.source import EventSource

__all__ = ["EventSource"]
