"""How a request travels: a transport counts each exchange, a carrier carries it, conditions apply the faults."""

from labkit.network.exchange import TIMEOUT, Carrier, Client, Network
from labkit.network.meter import Meter

__all__ = ["TIMEOUT", "Carrier", "Client", "Meter", "Network"]
