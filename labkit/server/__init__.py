"""Serve any WSGI app on a loopback port: HTTP/1.1, strictly and within limits (PEP 3333, RFC 9112)."""

from labkit.server.limits import RequestLimits
from labkit.server.server import Server, serve

__all__ = ["RequestLimits", "Server", "serve"]
