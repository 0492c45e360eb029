"""What breaks, where and when: each fault is a frozen record, with the same effect on every clock."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, NoReturn, Protocol

import httpx

from labkit.checks import check_fields, number, share, whole
from labkit.ledger import KINDS, Kind

SOURCE = "source"
"""The source's name on every network; all other parties are consumers."""
Onward = Callable[[], httpx.Response]


class Exchange(Protocol):
    """What a fault knows about one exchange, and what it can do to it."""

    kind: Kind
    sender: str
    host: str
    parties: tuple[str, str]
    """The sender, and the host's owner: a consumer owns what it has put on the network, such as its relay."""
    consumer: str
    event: str
    """The event's id, if the exchange is about one: a delivery, a fetch, an action."""
    place: int
    """The event's place among all events, from 1; without an event, that among the consumer's exchanges of its kind."""
    attempt: int
    """The number of the consumer's exchanges of this kind about this event so far, this one included."""
    sent_at: float

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        """An answer from something in between, after a round trip: the host never sees the request."""

    def discard(self, answer: httpx.Response) -> None:
        """Drop an answer: none of its bytes arrives."""

    def wait(self, seconds: float) -> None:
        """Keep the sender waiting. Raises ReadTimeout at the sender's timeout, and ReadError if an outage cuts it."""

    def time_out(self, error: type[httpx.TimeoutException], reason: str) -> NoReturn:
        """Wait until the sender's timeout, then raise the error; ReadError if an outage cuts it before."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault applies to exchanges that are sent in its window of time and that all its selectors select.

    The window is half-open, in seconds after t = 0. `every=3` selects the events in places 3, 6, 9, …, and every third
    poll of each consumer. `attempts=(1,)` selects first attempts only. Each selected exchange is hit with probability
    `p`, drawn anew for each attempt from the scenario's seed.
    """

    name: ClassVar[str]
    """The name on the command line."""
    cuts: ClassVar[bool] = False
    """Whether exchanges in flight when the window begins are cut."""
    fails: ClassVar[bool] = True
    """Whether an exchange that it hits may end with an error, after which some clients pause."""
    start: float = field(default=0.0, metadata={"unit": "s"})
    duration: float = field(default=math.inf, metadata={"unit": "s"})
    kinds: tuple[Kind, ...] = ()
    """Kinds of exchange: poll, delivery, fetch, action, setup; all if empty."""
    events: tuple[str, ...] = ()
    """Ids of events; all if empty."""
    every: int = 1
    attempts: tuple[int, ...] = ()
    """Numbers of attempts, from 1; all if empty."""
    p: float = 1.0

    def __post_init__(self) -> None:
        if self.start != type(self).start:
            number("start", self.start, "of seconds after t = 0")
        if self.duration != math.inf:
            number("duration", self.duration, "seconds", above=0)
        if not isinstance(self.kinds, tuple) or not all(kind in KINDS for kind in self.kinds):
            raise ValueError(f"kinds must be a tuple of {', '.join(KINDS)}, got {self.kinds!r}")
        if not isinstance(self.events, tuple) or not all(isinstance(id, str) for id in self.events):
            raise ValueError(f"events must be a tuple of ids, such as ('evt_000001',), got {self.events!r}")
        if not isinstance(self.attempts, tuple):
            raise ValueError(f"attempts must be a tuple, got {self.attempts!r}")
        for name, value in (("every", self.every), *(("each of attempts", attempt) for attempt in self.attempts)):
            whole(name, value, 1)
        share("p", self.p)
        check_fields(self)

    @property
    def end(self) -> float:
        """The end of the window, in seconds after t = 0; that instant is outside."""
        return self.duration if self.start == -math.inf else self.start + self.duration

    @property
    def holds(self) -> float:
        """The most seconds that it keeps a sender waiting; infinite if until the sender's own timeout."""
        return 0.0

    @property
    def whole_seconds(self) -> bool:
        """Whether it sets a header in whole seconds."""
        return False

    def record(self) -> dict[str, Any]:
        """The fault as plain values: its name, and each field that differs from its default."""
        set_ = {name: value for name, value in asdict(self).items() if value != self.__dataclass_fields__[name].default}
        return {"name": self.name, **set_}

    def selects(self, exchange: Exchange) -> bool:
        """Whether the selectors select an exchange; the window and `p` are checked elsewhere."""
        return (
            (not self.kinds or exchange.kind in self.kinds)
            and (not self.events or exchange.event in self.events)
            and exchange.place % self.every == 0
            and (not self.attempts or exchange.attempt in self.attempts)
        )

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        """Apply the fault to an exchange. `onward()` carries it on and returns its answer."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Nat(Fault):
    """The consumers are behind NAT: they can call, and cannot be called.

    It models a laptop, a phone or a server in a closed network. A call to a consumer gets no answer: ConnectTimeout
    after the sender's timeout. It holds from the start, set-up included.
    """

    name: ClassVar[str] = "nat"
    start: float = field(default=-math.inf, metadata={"unit": "s"})

    @property
    def holds(self) -> float:
        return math.inf

    def selects(self, exchange: Exchange) -> bool:
        called = exchange.host == exchange.parties[1] != SOURCE  # a relay that a consumer owns is public
        return called and exchange.sender != exchange.host and super().selects(exchange)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.time_out(httpx.ConnectTimeout, f"{exchange.host} may call, but cannot be called: it is behind NAT")


@dataclass(frozen=True, kw_only=True)
class Outage(Fault):
    """A party is down, or the network between parties: nothing reaches it, and nothing leaves it.

    `target="receiver"` is every consumer with all that it hosts. Calls fail at once if "refused" (ConnectError), or
    after the sender's "timeout" (ConnectTimeout). Exchanges in flight when it begins are cut (ReadError). What the
    party holds in memory stays, and events go on happening.
    """

    name: ClassVar[str] = "outage"
    cuts: ClassVar[bool] = True
    target: Literal["receiver", "source", "network"] = "receiver"
    error: Literal["refused", "timeout"] = "refused"

    @property
    def holds(self) -> float:
        return math.inf if self.error == "timeout" else 0.0

    def selects(self, exchange: Exchange) -> bool:
        hit = {
            "receiver": any(party != SOURCE for party in exchange.parties),
            "source": SOURCE in exchange.parties,
            "network": True,
        }
        return hit[self.target] and super().selects(exchange)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        reason = f"the {self.target} is down from {self.start:g} s to {self.end:g} s"
        if self.error == "refused":
            raise httpx.ConnectError(reason)
        exchange.time_out(httpx.ConnectTimeout, reason)


@dataclass(frozen=True, kw_only=True)
class LostAnswer(Fault):
    """A request is served, and its answer is lost: the host has acted, and the sender does not know.

    The sender waits until its timeout (ReadTimeout), or the connection is "reset" when the answer should have arrived
    (ReadError). A lost answer to a delivery is a lost acknowledgement: the source delivers again, and the receiver gets
    a duplicate.
    """

    name: ClassVar[str] = "lost_answer"
    error: Literal["timeout", "reset"] = "timeout"

    @property
    def holds(self) -> float:
        return math.inf if self.error == "timeout" else 0.0

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.discard(onward())
        if self.error == "reset":
            raise httpx.ReadError("the connection was reset before the answer came")
        exchange.time_out(httpx.ReadTimeout, "the answer was lost")


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """Something in between answers with an error, such as a load balancer without a server: the host sees nothing.

    `retry_after`, in whole seconds, adds `Retry-After` (RFC 9110, 10.2.3). A rate limiter answers, for example,
    `status=429` with `retry_after=60`.
    """

    name: ClassVar[str] = "status"
    status: int = 503
    retry_after: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("status", self.status, 400, 599)
        if self.retry_after is not None:
            whole("retry_after", self.retry_after, 0, unit="seconds")

    @property
    def whole_seconds(self) -> bool:
        return self.retry_after is not None

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return exchange.answer(self.status, headers, f"{self.status} by the fault {self.name!r}\n".encode())


FAULTS: dict[str, type[Fault]] = {fault.name: fault for fault in (Nat, Outage, LostAnswer, Status)}
"""The faults by their names on the command line."""
