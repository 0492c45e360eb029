"""Adaptive polling: poll more often after a poll that found an event, less often after an empty one."""

from dataclasses import dataclass
from typing import ClassVar

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import pages
from labkit.approaches.parameters import LONGEST, SHORTEST, idle_seconds, seconds
from labkit.checks import number


class _Adaptive(Approach):
    """Polls with an interval that stays between `shortest` and `longest`; the subclass says how it adapts."""

    start: float
    shortest: float
    longest: float

    def __post_init__(self) -> None:
        super().__post_init__()
        number("longest", self.longest, "seconds", least=self.shortest, most=LONGEST)
        number("start", self.start, "seconds", least=self.shortest, most=self.longest)

    def adapted(self, interval: float, found: bool) -> float:
        """The next interval, before the limits."""
        raise NotImplementedError

    def run(self, consumer: Consumer) -> None:
        """Poll until the run ends."""
        client, cursor, interval = consumer.client("poll"), "", self.start
        while True:
            found = False
            for answer, page in pages(client, cursor):
                for event in page["events"]:
                    consumer.receive(event, answer)
                    found = True
                cursor = page["next"]
            interval = self.limited(self.adapted(interval, found))
            consumer.pause(interval)

    def limited(self, interval: float) -> float:
        """An interval within the limits."""
        return min(max(interval, self.shortest), self.longest)


@dataclass(frozen=True)
class Aimd(_Adaptive):
    """Lengthen the interval by `add` seconds after an empty poll, and halve it after one that found an event (AIMD).

    The interval stays between `shortest` and `longest`. It settles where add·e^(-λT) = (1 - e^(-λT))·T/2, at about
    √(2·add/λ): 60 s (exactly: 54 s) for one event every 360 s and add = 5 s.
    """

    name: ClassVar[str] = "aimd"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "AIMD {shortest} to {longest}"
    style: ClassVar[Style] = Style("#8F3B00", "<", "--")
    start: float = seconds(60.0)
    add: float = seconds(5.0, SHORTEST)
    shortest: float = seconds(1.0, SHORTEST)
    longest: float = idle_seconds(3600.0)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Aimd(rate, delay, self.add, self.shortest, self.longest)

    def adapted(self, interval: float, found: bool) -> float:
        return interval / 2 if found else interval + self.add


@dataclass(frozen=True)
class HalveDouble(_Adaptive):
    """Double the interval after an empty poll, and halve it after one that found an event (MIMD).

    Each doubling is undone by a halving, so half of the polls are empty at any rate, as long as the interval reaches
    neither limit: empty - other polls = log2(last interval / first).
    """

    name: ClassVar[str] = "halve_double"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "halve or double, {shortest} to {longest}"
    style: ClassVar[Style] = Style("#7A5500", ">", "||")
    start: float = seconds(60.0)
    shortest: float = seconds(1.0, SHORTEST)
    longest: float = idle_seconds(3600.0)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.HalveDouble(rate, delay, self.shortest, self.longest)

    def adapted(self, interval: float, found: bool) -> float:
        return interval / 2 if found else interval * 2
