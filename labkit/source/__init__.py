"""The event source: it stores events, lists them, and delivers them to its subscribers."""

from labkit.source.app import EventSource

__all__ = ["EventSource"]
