"""Any WSGI app on a real loopback port: HTTP/1.1, strictly and within limits (PEP 3333)."""

from labkit.server.serve import LIMITS, RequestLimits, Server, serve

__all__ = ["LIMITS", "RequestLimits", "Server", "serve"]
