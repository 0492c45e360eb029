"""What was measured: one row per exchange, one row per event and consumer. Nothing is dropped or aggregated."""

from array import array
from collections.abc import Mapping, Sequence
from math import nan
from sys import intern
from threading import Lock
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["poll", "delivery", "fetch", "action", "setup"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OUTCOMES = ("empty", "hit", "throttled", "error", "done")
CameBy = tuple[int, int]
"""A sender's port, and the number of a request on that connection, from 1: both ends know them."""


class Ledger:
    """What the network and the consumers record, in columns: about 120 bytes per exchange.

    Both tables number their rows from 0 in the order in which they were opened.
    """

    def __init__(self) -> None:
        # one entry per exchange
        self.kind: list[str] = []
        self.sender: list[str] = []
        self.host: list[str] = []
        self.method: list[str] = []
        self.path: list[str] = []
        self.about: list[str] = []
        self.error: list[str] = []
        self.status = array("h")
        self.bytes_out = array("q")
        self.bytes_in = array("q")
        self.sent_at = array("d")
        self.answered_at = array("d")
        self.connection = array("q")
        self.request = array("l")
        """The number of the request on its connection, from 1; 0 without a connection."""
        self.new_events = array("l")
        self.in_flight: set[int] = set()
        # one entry per event
        self.event_id: list[str] = []
        self.occurred_at = array("d")
        self._event_row: dict[str, int] = {}
        # one entry per event that a consumer has received
        self._receipts: dict[str, dict[int, _Receipt]] = {}
        self.received = 0
        self.pollers: set[str] = set()
        self.open_ended: set[int] = set()
        """Exchanges whose answers do not end by themselves, such as streams."""
        self._lock = Lock()

    def open(self, kind: Kind, sender: str, host: str, method: str, path: str, sent_at: float, about: str = "") -> int:
        """Record an exchange as it is sent, and the id of the event that it is about; returns its number."""
        with self._lock:
            self.kind.append(kind)
            self.sender.append(intern(sender))
            self.host.append(intern(host))
            self.method.append(intern(method))
            self.path.append(intern(path))
            self.about.append(intern(about))
            self.error.append("")
            self.status.append(0)
            self.bytes_out.append(0)
            self.bytes_in.append(0)
            self.sent_at.append(sent_at)
            self.answered_at.append(nan)
            self.connection.append(-1)
            self.request.append(0)
            self.new_events.append(0)
            exchange = len(self.status) - 1
            self.in_flight.add(exchange)
            return exchange

    def count(self, exchange: int, bytes_out: int, bytes_in: int, connection: int, request: int = 0) -> None:
        """Record an exchange's bytes so far, and its connection."""
        self.bytes_out[exchange], self.bytes_in[exchange] = bytes_out, bytes_in
        self.connection[exchange], self.request[exchange] = connection, request

    def close(self, exchange: int, answered_at: float, status: int, error: str = "") -> None:
        """Record an exchange's end: its answer's last byte, or the error that ended it."""
        with self._lock:
            self.in_flight.remove(exchange)
            self.answered_at[exchange] = answered_at
            self.status[exchange] = status
            self.error[exchange] = error or self.error[exchange]  # what a reader rejected stays so

    def reject(self, exchange: int, error: str) -> None:
        """Record that an answer, complete as it was, could not be read: it is no JSON."""
        self.error[exchange] = error

    def happened(self, event_id: str, occurred_at: float) -> None:
        """Record an event, when it happens."""
        if event_id in self._event_row:
            raise ValueError(f"event {event_id} happened already; ids must be unique within a run")
        self._event_row[event_id] = len(self.event_id)
        self.event_id.append(event_id)
        self.occurred_at.append(occurred_at)

    def add_consumer(self, name: str) -> None:
        """Add a consumer, which should receive every event."""
        self._receipts[name] = {}

    def add_poller(self, consumer: str) -> None:
        """Record that a consumer polls: it can lack an event while no delivery is pending."""
        self.pollers.add(consumer)

    def arrived(self, consumer: str, event_id: str, at: float, exchange: int, came_by: CameBy = (0, 0)) -> bool:
        """Record that an event reached a consumer, before deduplication; True for the first copy, its receipt.

        On sockets a receiver does not know the exchange (-1), but the sender's port and the request's number on that
        connection, `came_by`, by which `merge` finds the exchange.
        """
        if event_id not in self._event_row:
            raise ValueError(f"{consumer} received event {event_id!r}, which never happened")
        row = self._event_row[event_id]
        with self._lock:
            receipts = self._receipts[consumer]
            if row in receipts:
                receipts[row].copies += 1
                return False
            receipts[row] = _Receipt(at, exchange, came_by)
            if exchange >= 0:
                self.new_events[exchange] += 1
            self.received += 1
            return True

    def had_effect(self, consumer: str, event_id: str) -> None:
        """Record an effect of an event that arrived, at a consumer whose receiver deduplicates."""
        with self._lock:
            self._receipts[consumer][self._event_row[event_id]].effects += 1

    def merge(self, other: "Ledger", ports: Sequence[int], names: Mapping[str, str], offset: float) -> None:
        """Add another process's exchanges, sent from these local `ports`, and sort all by the time sent.

        Its hosts are renamed by `names`, and `offset` seconds are added to its instants. A receipt's exchange is the
        one with the same port and the same number on its connection.
        """
        own, taken = len(self.status), len(other.status)
        connections = max(self.connection, default=-1) + 1
        for column in set(_COLUMNS) - {"host", "sent_at", "answered_at", "connection"}:
            getattr(self, column).extend(getattr(other, column))
        self.host.extend(names.get(host, host) for host in other.host)
        self.sent_at.extend(at + offset for at in other.sent_at)
        self.answered_at.extend(at + offset for at in other.answered_at)
        self.connection.extend(number + connections if number >= 0 else -1 for number in other.connection)
        self.in_flight |= {own + exchange for exchange in other.in_flight}
        sent: dict[CameBy, list[int]] = {}
        for exchange in range(taken):
            if other.connection[exchange] >= 0:
                key = ports[other.connection[exchange]], other.request[exchange]
                sent.setdefault(key, []).append(own + exchange)
        order = sorted(range(own + taken), key=self.sent_at.__getitem__)
        place = {exchange: number for number, exchange in enumerate(order)}
        for receipts in self._receipts.values():
            for receipt in receipts.values():
                if receipt.exchange < 0 and receipt.came_by in sent:
                    # one, unless the system reused the port: then the last one sent before the receipt
                    earlier = [number for number in sent[receipt.came_by] if self.sent_at[number] <= receipt.at]
                    receipt.exchange = max(earlier or sent[receipt.came_by], key=self.sent_at.__getitem__)
                    self.new_events[receipt.exchange] += 1
                receipt.exchange = place.get(receipt.exchange, -1)
        for column in _COLUMNS:
            values = getattr(self, column)
            values[:] = (
                [values[exchange] for exchange in order]
                if isinstance(values, list)
                else array(values.typecode, [values[exchange] for exchange in order])
            )
        self.in_flight = {place[exchange] for exchange in self.in_flight}
        self.open_ended = {place[exchange] for exchange in self.open_ended}

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _lock=Lock())

    def complete(self) -> bool:
        """Whether every consumer holds every event."""
        return self.received == len(self.event_id) * len(self._receipts)

    def frames(self, duration: float) -> "tuple[pd.DataFrame, pd.DataFrame]":
        """The exchanges and the receipts of a run whose horizon is at `duration`."""
        return self.exchanges(duration), self.receipts()

    def exchanges(self, duration: float) -> "pd.DataFrame":
        """Every exchange, in the order sent.

        | column | unit | meaning |
        |---|---|---|
        | exchange (index) | | its number, from 0 in the order sent |
        | consumer | | the consumer that the exchange belongs to |
        | kind | | poll, delivery, fetch, action or setup |
        | sender, host | | the sender, and the host that it was sent to |
        | method, path | | of the request; without the query |
        | event_id | | of the event that a delivery, fetch or action is about; a batch has its own; "" for others |
        | status | | of the answer; 0 if there was none |
        | error | | the exception's name; "" if there was none, "unanswered" if the run ended first |
        | outcome | | hit (brought a new event), throttled (429), error (4xx, 5xx, none), done (an action), empty |
        | new_events | events | that reached the consumer first by this exchange |
        | bytes_out, bytes_in | bytes | of the request and of the answer, headers included |
        | sent_at, answered_at | s after t = 0 | the request's first byte leaves, the answer's last byte arrives |
        | connection | | number of its connection; -1: none |
        | drain | | sent at or after the horizon, `duration`: not counted in requests and bytes |
        """
        import numpy as np
        import pandas as pd

        status, sent_at, new_events = np.array(self.status), np.array(self.sent_at), np.array(self.new_events)
        error = np.array(self.error, dtype=object)
        error[list(self.in_flight)] = "unanswered"
        failed = (error != "") | (status >= 400)
        failed[list(self.open_ended & self.in_flight)] = False  # an open-ended answer has not failed
        action = np.array([kind == "action" for kind in self.kind], dtype=bool)
        choice = np.select([new_events > 0, status == 429, failed, action], [1, 2, 3, 4])
        outcome = np.array(OUTCOMES, dtype=object)[choice]  # five texts, shared
        consumer = [s if s in self._receipts else h for s, h in zip(self.sender, self.host, strict=True)]
        frame = pd.DataFrame(
            {
                "consumer": consumer,
                "kind": self.kind,
                "sender": self.sender,
                "host": self.host,
                "method": self.method,
                "path": self.path,
                "event_id": self.about,
                "status": status,
                "error": error,
                "outcome": outcome,
                "new_events": new_events,
                "bytes_out": np.array(self.bytes_out),
                "bytes_in": np.array(self.bytes_in),
                "sent_at": sent_at,
                "answered_at": np.array(self.answered_at),
                "connection": np.array(self.connection),
                "drain": sent_at >= duration,
            }
        )
        return frame.rename_axis("exchange")

    def receipts(self) -> "pd.DataFrame":
        """Every event, for every consumer, in the order of consumers and then of events.

        | column | unit | meaning |
        |---|---|---|
        | event_id | | |
        | consumer | | |
        | occurred_at | s after t = 0 | the event happened |
        | received_at | s after t = 0 | its first copy reached the consumer; NaN: never |
        | latency | s | received_at - occurred_at |
        | exchange | | number of the exchange that brought it; -1: none |
        | copies | | how often it arrived, before deduplication |
        | effects | | how often it had its effect at a consumer that deduplicates: more than once is a defect |
        """
        import numpy as np
        import pandas as pd

        never, frames = _Receipt(nan, -1, copies=0), []
        occurred_at = np.array(self.occurred_at)
        for consumer, receipts in self._receipts.items():
            rows = [receipts.get(row, never) for row in range(len(self.event_id))]
            received_at = np.array([receipt.at for receipt in rows], dtype=float)
            frames.append(
                pd.DataFrame(
                    {
                        "event_id": self.event_id,
                        "consumer": consumer,
                        "occurred_at": occurred_at,
                        "received_at": received_at,
                        "latency": received_at - occurred_at,
                        "exchange": np.array([receipt.exchange for receipt in rows], dtype=np.int64),
                        "copies": np.array([receipt.copies for receipt in rows], dtype=np.int64),
                        "effects": np.array([receipt.effects for receipt in rows], dtype=np.int64),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)


class _Receipt:
    __slots__ = ("at", "came_by", "copies", "effects", "exchange")

    def __init__(self, at: float, exchange: int, came_by: CameBy = (0, 0), copies: int = 1) -> None:
        self.at, self.exchange, self.came_by, self.copies, self.effects = at, exchange, came_by, copies, 0


_COLUMNS = ("kind", "sender", "host", "method", "path", "about", "error", "status", "bytes_out", "bytes_in", "sent_at",
            "answered_at", "connection", "request", "new_events")  # fmt: skip
