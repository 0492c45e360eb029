"""Serve any WSGI app on a loopback port: HTTP/1.1, strictly and within limits (PEP 3333, RFC 9112)."""

from labkit.server.limits import RequestLimits
from labkit.server.server import TOKEN, TOKEN_RULE, Server, address_of, serve
from labkit.server.waiting_body import WaitingBody

__all__ = ["TOKEN", "TOKEN_RULE", "RequestLimits", "Server", "WaitingBody", "address_of", "serve"]
