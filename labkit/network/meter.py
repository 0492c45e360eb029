"""What a carrier counts of one exchange."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Bytes and connection of one exchange so far, and the way to cut it, which its carrier sets."""

    exchange: int
    sender: str
    host: str
    until: float | None
    bytes_out: int = 0
    bytes_in: int = 0
    connection: int = -1
    request: int = 0
    """The number of the request on its connection, from 1; 0 without a connection."""
    on_cut: Callable[[], None] | None = None
    is_cut: bool = False
    leg: Callable[[], float] = lambda: 0.0
    """Seconds that the next message takes longer, one way, than the network's delay."""
    round_trips: int = 0
    """How many round trips a new connection costs."""

    def cut(self) -> None:
        """Break the connection of the exchange."""
        self.is_cut = True
        if self.on_cut:
            self.on_cut()
