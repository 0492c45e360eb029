"""What breaks, where and when: each fault is a frozen record, and the same on every clock."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, NoReturn, Protocol, get_args, get_origin, get_type_hints

import httpx

from labkit.checks import number, one_of, share, whole
from labkit.ledger import KINDS, Kind

SOURCE = "source"
"""The source's name on every network; all other parties are consumers."""
Onward = Callable[[], httpx.Response]


class Exchange(Protocol):
    """What a fault knows of one exchange, and what it can do to it."""

    kind: Kind
    sender: str
    host: str
    parties: tuple[str, str]
    """Who sends it, and who owns the host: a consumer owns what it has put on the network, such as its relay."""
    consumer: str
    event: str
    """The event's id, where the exchange is about one: a delivery, a fetch, an action."""
    place: int
    """The place of that event among all, from 1; otherwise that of the exchange among its consumer's of its kind."""
    attempt: int
    """How often its consumer has had an exchange of this kind about this event, this one included."""
    sent_at: float

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        """An answer by somebody else, a round trip after the request: the host never sees it."""

    def discard(self, answer: httpx.Response) -> None:
        """Let an answer go unheard: none of its bytes arrives."""

    def wait_in_vain(self, error: type[httpx.TimeoutException], reason: str) -> NoReturn:
        """Wait until the sender gives up, and raise."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a fault is for: exchanges sent in a window of time that all selectors select.

    The window is half-open, in seconds after t = 0. `every=3` selects the events in the places 3, 6, 9, …, and of
    polls each consumer's third. `attempts=(1,)` selects the first attempt alone. Of what is selected, a share `p` is
    hit, drawn anew for each attempt from the scenario's seed.
    """

    name: ClassVar[str]
    """The name on the command line."""
    cuts: ClassVar[bool] = False
    """Whether exchanges that are open when the window begins are cut."""
    start: float = field(default=0.0, metadata={"unit": "s"})
    duration: float = field(default=math.inf, metadata={"unit": "s"})
    kinds: tuple[Kind, ...] = ()
    """Kinds of exchange: poll, delivery, fetch, action, setup; all if empty."""
    events: tuple[str, ...] = ()
    """Ids of events; all if empty."""
    every: int = 1
    attempts: tuple[int, ...] = ()
    """Numbers of attempts, the first being 1; all if empty."""
    p: float = 1.0

    def __post_init__(self) -> None:
        if self.start != -math.inf:
            number("start", self.start, "of seconds after t = 0")
        if self.duration != math.inf:
            number("duration", self.duration, "seconds", above=0)
        if not isinstance(self.kinds, tuple) or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds must be a tuple of {', '.join(KINDS)}, got {self.kinds!r}")
        for name, values in (("events", self.events), ("attempts", self.attempts)):
            if not isinstance(values, tuple):
                raise ValueError(f"{name} must be a tuple, got {values!r}")
        for name, value in (("every", self.every), *(("each of attempts", attempt) for attempt in self.attempts)):
            whole(name, value, 1)
        share("p", self.p)
        for name, kind in get_type_hints(type(self)).items():
            if get_origin(kind) is Literal:
                one_of(name, getattr(self, name), get_args(kind))

    @property
    def end(self) -> float:
        """Where the window ends, in seconds after t = 0; that instant is outside of it."""
        return math.inf if self.duration == math.inf else self.start + self.duration

    @property
    def times_out(self) -> bool:
        """Whether a sender notices it only by its own timeout."""
        return False

    @property
    def whole_seconds(self) -> bool:
        """Whether it writes a header in whole seconds."""
        return False

    def record(self) -> dict[str, Any]:
        """The fault as plain values: what is set otherwise than by default."""
        set_ = {name: value for name, value in asdict(self).items() if value != self.__dataclass_fields__[name].default}
        return {"name": self.name, **set_}

    def selects(self, exchange: Exchange) -> bool:
        """Whether an exchange is one of those that this fault is for, whatever its window and `p`."""
        return (
            (not self.kinds or exchange.kind in self.kinds)
            and (not self.events or exchange.event in self.events)
            and exchange.place % self.every == 0
            and (not self.attempts or exchange.attempt in self.attempts)
        )

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        """Do to an exchange what this fault does. `onward()` carries it on, and returns its answer."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Nat(Fault):
    """The consumers are behind NAT: they can call, and cannot be called.

    It models a laptop, a phone, a server in a closed network. A call to a consumer gets no answer: ConnectTimeout after
    the sender's timeout. It holds from the start, set-up included.
    """

    name: ClassVar[str] = "nat"
    start: float = field(default=-math.inf, metadata={"unit": "s"})

    @property
    def times_out(self) -> bool:
        return True

    def selects(self, exchange: Exchange) -> bool:
        called = exchange.host == exchange.parties[1] != SOURCE  # a relay that a consumer owns is public
        return called and exchange.sender != exchange.host and super().selects(exchange)

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.wait_in_vain(httpx.ConnectTimeout, f"{exchange.host} may call, but cannot be called: it is behind NAT")


@dataclass(frozen=True, kw_only=True)
class Outage(Fault):
    """A party is down, or the network between two: nothing reaches it, and nothing leaves it.

    Every consumer with all that it hosts is down (`target="receiver"`), or the source, or the network. Calls fail at
    once, as "refused" (ConnectError), or by a "timeout" (ConnectTimeout). Exchanges that are open when it begins are
    cut (ReadError). What the party holds in memory stays, and events go on happening.
    """

    name: ClassVar[str] = "outage"
    cuts: ClassVar[bool] = True
    target: Literal["receiver", "source", "network"] = "receiver"
    error: Literal["refused", "timeout"] = "refused"

    @property
    def times_out(self) -> bool:
        return self.error == "timeout"

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
        exchange.wait_in_vain(httpx.ConnectTimeout, reason)


@dataclass(frozen=True, kw_only=True)
class LostAnswer(Fault):
    """A request is served, and its answer is lost: the host has done it, and the sender does not know.

    The sender waits until its timeout (ReadTimeout), or the connection is "reset" where the answer would have come
    (ReadError). A lost answer to a delivery is a lost acknowledgement: the source delivers again, and the receiver gets
    a duplicate.
    """

    name: ClassVar[str] = "lost_answer"
    error: Literal["timeout", "reset"] = "timeout"

    @property
    def times_out(self) -> bool:
        return self.error == "timeout"

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        exchange.discard(onward())
        if self.error == "reset":
            raise httpx.ReadError("the connection was reset before the answer came")
        exchange.wait_in_vain(httpx.ReadTimeout, "the answer was lost")


@dataclass(frozen=True, kw_only=True)
class Status(Fault):
    """Somebody in between answers with an error, such as a load balancer without a server: the host sees nothing.

    503, unless `status` says otherwise; with `retry_after`, in whole seconds, its `Retry-After` (RFC 9110, 10.2.3). A
    429 with `retry_after=60` is what a rate limiter answers.
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
"""By their names on the command line."""
