"""The event source: it stores events, lists them, and delivers them to its subscribers."""

from labkit.source.source import EventSource

__all__ = ["EventSource"]
