"""What a fault is: a window of time, selectors, and what it does to an exchange."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from random import Random
from typing import Any, ClassVar, NoReturn, Protocol

import httpx

from labkit.checks import check_fields, number, share, whole
from labkit.clock import nanoseconds
from labkit.ledger import KINDS, Kind

SOURCE = "source"
"""The source's name on every network; all other parties are consumers."""
Onward = Callable[[], httpx.Response]
Rewrite = Callable[[Iterator[bytes]], Iterator[bytes]]


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

    @property
    def events(self) -> tuple[str, ...]:
        """The event's id; of a batch's delivery, the ids of the events in it."""

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> httpx.Response:
        """An answer from something in between, after a round trip: the host never sees the request."""

    def discard(self, answer: httpx.Response) -> None:
        """Drop an answer: none of its bytes arrives."""

    def rewrite(self, answer: httpx.Response, body: Rewrite) -> httpx.Response:
        """The answer with its body as `body(chunks)` yields it; the bytes that it yields are counted."""

    def drip(self, answer: httpx.Response, seconds: float) -> httpx.Response:
        """The answer, one byte every `seconds`. A read timeout is for each byte; only a deadline is for the answer."""

    def wait(self, seconds: float) -> None:
        """Keep the sender waiting. Raises ReadTimeout at the sender's timeout, and ReadError if an outage cuts it."""

    def time_out(self, error: type[httpx.TimeoutException], reason: str) -> NoReturn:
        """Wait until the sender's timeout, then raise the error; ReadError if an outage cuts it before."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault applies to exchanges that are sent in its window of time and that all its selectors select.

    The window is half-open, in seconds after t = 0. With a `period` it recurs: `start=60, duration=10, period=600` is
    10 s of every 10 min. `every=3` selects the events in places 3, 6, 9, …, and every third poll of each consumer.
    `attempts=(1,)` selects first attempts only. Each selected exchange is hit with probability `p`, drawn anew for each
    attempt from the scenario's seed.
    """

    name: ClassVar[str]
    """The name on the command line."""
    cuts: ClassVar[bool] = False
    """Whether exchanges in flight when the window begins are cut."""
    fails: ClassVar[bool] = True
    """Whether an exchange that it hits may end with an error, after which some clients pause."""
    selectors: ClassVar[tuple[str, ...]] = ("kinds", "events", "every", "attempts", "p")
    """The selectors that it takes; a condition that is no exchange's takes fewer."""
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real")
    """The lenses that can run it."""
    limits: ClassVar[str] = ""
    """Why the other lenses cannot."""
    start: float = field(default=0.0, metadata={"unit": "s"})
    duration: float = field(default=math.inf, metadata={"unit": "s"})
    period: float = field(default=math.inf, metadata={"unit": "s"})
    """The window recurs this often; once if infinite."""
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
        if self.period != math.inf:
            number("start", self.start, "of seconds after t = 0, since the fault recurs")
            number("duration", self.duration, "seconds, since the fault recurs", above=0)
            number("period", self.period, "seconds, the duration", above=self.duration)
        if not isinstance(self.kinds, tuple) or not all(kind in KINDS for kind in self.kinds):
            raise ValueError(f"kinds must be a tuple of {', '.join(KINDS)}, got {self.kinds!r}")
        if not isinstance(self.events, tuple) or not all(isinstance(id, str) for id in self.events):
            raise ValueError(f"events must be a tuple of ids, such as ('evt_000001',), got {self.events!r}")
        if not isinstance(self.attempts, tuple):
            raise ValueError(f"attempts must be a tuple, got {self.attempts!r}")
        for name, value in (("every", self.every), *(("each of attempts", attempt) for attempt in self.attempts)):
            whole(name, value, 1)
        share("p", self.p)
        for name in set(Fault.selectors) - set(self.selectors):
            if getattr(self, name) != self.__dataclass_fields__[name].default:
                raise ValueError(f"{self.name} takes no {name}, got {getattr(self, name)!r}: leave it out")
        check_fields(self)

    @property
    def end(self) -> float:
        """The end of the window, in seconds after t = 0; that instant is outside. Infinite if the window recurs."""
        if self.period != math.inf:
            return math.inf
        return self.duration if self.start == -math.inf else self.start + self.duration

    def starts(self) -> Iterator[float]:
        """The instants at which the window begins."""
        return iter([self.start]) if self.period == math.inf else (self.start + n * self.period for n in count())

    def active(self, at: float) -> bool:
        """Whether an instant is in the window."""
        if self.period == math.inf:
            return self.start <= at < self.end
        since = nanoseconds(at) - nanoseconds(self.start)
        return since >= 0 and since % nanoseconds(self.period) < nanoseconds(self.duration)

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
            and (not self.events or not set(self.events).isdisjoint(exchange.events))
            and exchange.place % self.every == 0
            and (not self.attempts or exchange.attempt in self.attempts)
        )

    def carry(self, exchange: Exchange, onward: Onward) -> httpx.Response:
        """Apply the fault to an exchange. `onward()` carries it on and returns its answer."""
        return onward()

    # conditions of the world, which the lenses apply; by default there are none

    @property
    def round_trips(self) -> int:
        """How many round trips a new connection costs, before the first request on it."""
        return 0

    def leg(self, chance: Random) -> float:
        """Seconds that the next message takes longer on its way, one way."""
        return 0.0

    def clock_ahead(self, at: float) -> float:
        """Seconds that the consumers' clocks are ahead of the source's."""
        return 0.0

    @property
    def commit_lag(self) -> float:
        """Seconds from an event's occurrence until the source's store shows it."""
        return 0.0
