"""The connections that one client keeps while they are idle, as a real client does."""

import ssl
from collections import defaultdict
from functools import cached_property
from itertools import chain
from threading import Lock

import httpcore
import httpx

from labkit.clock import monotonic
from labkit.network.exchange import KEEP_ALIVE


class Connections:
    """Idle connections by origin: the one that became idle last is used again, within 5 s.

    A pool of httpcore looks at all its connections for every request: 1,000 deliveries at once to one host took twice
    as long as to 100 hosts. An https connection verifies the certificate for the origin's host.
    """

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend
        self._idle = defaultdict[tuple[bytes, bytes, int], list[httpcore.HTTPConnection]](list)
        self._looked_at, self._lock, self._closed = monotonic(), Lock(), False

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whose certificates are accepted: certifi's list, or the file that SSL_CERT_FILE names."""
        return httpx.create_ssl_context()

    def take(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        """A connection to this origin, idle or new, for one exchange."""
        self._close_expired()
        while True:
            with self._lock:
                idle = self._idle[_key(origin)]
                connection = idle.pop() if idle else self._new(origin)
            if not connection.has_expired():  # outside the lock: it asks the system whether the peer has closed it
                return connection
            connection.close()

    def keep(self, origin: httpcore.Origin, connection: httpcore.HTTPConnection) -> None:
        """Keep the connection of a completed exchange for the next one, if it is still open."""
        with self._lock:
            if connection.is_idle() and not self._closed:
                self._idle[_key(origin)].append(connection)
            else:
                connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in chain(*self._idle.values()):
                connection.close()

    def _new(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        trust = self._trust if origin.scheme == b"https" else None
        return httpcore.HTTPConnection(origin, trust, keepalive_expiry=KEEP_ALIVE, network_backend=self._backend)

    def _close_expired(self) -> None:
        """Close those that nobody took again: looked at once per KEEP_ALIVE."""
        with self._lock:
            if monotonic() <= self._looked_at + KEEP_ALIVE:
                return
            self._looked_at = monotonic()
            for idle in self._idle.values():
                for connection in [each for each in idle if each.has_expired()]:
                    idle.remove(connection)
                    connection.close()


def _key(origin: httpcore.Origin) -> tuple[bytes, bytes, int]:
    return origin.scheme, origin.host, origin.port
