"""The source as everybody uses it: a publisher, and its HTTP interface."""

from functools import cached_property

from flask import Flask

from labkit.source.app import create_app
from labkit.source.publisher import Publisher


class EventSource(Publisher):
    """A toy event source: `emit` events, and serve `app`, which lists them and takes subscriptions.

    Without arguments: in memory, on the machine's clock, delivering to loopback addresses.
    """

    @cached_property
    def app(self) -> Flask:
        """The WSGI app, with the routes of `docs/http.md`."""
        return create_app(self)
