"""What a carrier counts of one exchange."""

from collections.abc import Callable


class Meter:
    """Bytes and connection of one exchange so far, and the way to cut it, which its carrier sets."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "connection",
        "exchange",
        "host",
        "is_cut",
        "on_cut",
        "request",
        "sender",
        "until",
    )

    def __init__(self, exchange: int, sender: str, host: str, until: float | None) -> None:
        self.exchange, self.sender, self.host, self.until = exchange, sender, host, until
        self.bytes_out = self.bytes_in = 0
        self.connection = -1
        self.request = 0
        """The number of the request on its connection, from 1; 0 without a connection."""
        self.on_cut: Callable[[], None] | None = None
        self.is_cut = False

    def cut(self) -> None:
        """Break the connection of the exchange."""
        self.is_cut = True
        if self.on_cut:
            self.on_cut()
