"""How a request travels: a transport counts every exchange, a carrier carries it, conditions say what happens to it."""

from labkit.network.exchange import TIMEOUT, Carrier, Client, Network
from labkit.network.meter import Meter

__all__ = ["TIMEOUT", "Carrier", "Client", "Meter", "Network"]
