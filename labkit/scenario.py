"""A scenario: what every lens and every approach is given, so that they are comparable."""

from dataclasses import asdict, dataclass, field, replace

from labkit.arrivals import Arrivals
from labkit.catalogue import duration, gettext, ngettext
from labkit.checks import number, whole
from labkit.faults import Fault
from labkit.policies import RateLimit, RetryProfile

LONGEST_DELAY = 15.0
"""Half a client's timeout of 30 s: with a longer delay no answer would arrive in time."""


@dataclass(frozen=True)
class Scenario:
    """Arrivals and the world around them: `delay` in seconds each way, consumers, the source's policies, faults."""

    arrivals: Arrivals
    delay: float = 0.020
    seed: int = 0
    consumers: int = 1
    retries: RetryProfile = field(default_factory=RetryProfile)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    retention: float | None = None
    """Seconds for which the source keeps an event in its list; None is for ever."""
    faults: tuple[Fault, ...] = ()
    """What breaks, such as `Outage(start=3600, duration=1200)`; the first one is the outermost."""

    def __post_init__(self) -> None:
        if not isinstance(self.arrivals, Arrivals):
            raise TypeError(f"a Scenario takes arrivals, such as earthquakes(), got {self.arrivals!r:.80}")
        number("delay", self.delay, "seconds each way", least=0, below=LONGEST_DELAY)
        if not isinstance(self.faults, tuple) or not all(isinstance(fault, Fault) for fault in self.faults):
            raise TypeError(f"faults must be a tuple, such as (Outage(duration=1200),), got {self.faults!r:.80}")
        if chosen := {id for fault in self.faults for id in fault.events}:
            for id in chosen - {event.id for event in self.arrivals.events}:
                raise ValueError(f"a fault selects event {id!r}, which none of the {len(self.arrivals.events):,} is")
        if self.retention is not None:
            number("retention", self.retention, "seconds", above=0)
        whole("consumers", self.consumers, 1)
        whole("seed", self.seed, 0)

    @property
    def duration(self) -> float:
        """The horizon, in seconds after t = 0; half-open."""
        return self.arrivals.duration

    def repeated(self, repeat: int) -> "Scenario":
        """The scenario for a repeat of a run, from 0: seeds are higher by `repeat`, recorded arrivals are the same."""
        return replace(self, arrivals=self.arrivals.repeated(repeat), seed=self.seed + repeat) if repeat else self

    def title(self) -> str:
        """The scenario in a line: `earthquakes: 1,707 events in 7 days, 20 ms each way, seed 0`.

        If the events were drawn from another seed than the run's: `poisson, seed 1: 121 events in 20 min, 20 ms each
        way, run's seed 0`.
        """
        events, drawn_from = len(self.arrivals.events), self.arrivals.params.get("seed", self.seed)
        text = "{trace}: {events} in {length}, {delay} ms each way, seed {seed}"
        if drawn_from != self.seed:
            text = "{trace}, seed {drawn_from}: {events} in {length}, {delay} ms each way, run's seed {seed}"
        return gettext(
            text,
            trace=self.arrivals.name,
            drawn_from=drawn_from,
            events=ngettext("{number} event", "{number} events", events, number=f"{events:,}"),
            length=duration(self.duration),
            delay=f"{self.delay * 1000:g}",
            seed=self.seed,
        )

    def record(self) -> dict[str, object]:
        """The scenario as plain values, without its events."""
        return {
            "trace": self.arrivals.name,
            **self.arrivals.params,
            "events": len(self.arrivals.events),
            "duration": self.duration,
            "epoch": self.arrivals.epoch,
            "delay": self.delay,
            "seed": self.seed,
            "consumers": self.consumers,
            "retries": asdict(self.retries),
            "rate_limit": asdict(self.rate_limit),
            "retention": self.retention,
            "faults": [fault.record() for fault in self.faults],
            "notes": list(self.arrivals.notes),
        }
