"""One connection's conversation: HTTP/1.1, strictly and within limits, carried to a WSGI app (PEP 3333)."""

from labkit.handler.handler import Handler

__all__ = ["Handler"]
