"""What every approach is: parameters, a loop, and what others need to know of it."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

from labkit.approaches.consumer import Consumer
from labkit.checks import check_fields

Marker = str | tuple[int, Literal[0, 1, 2], int]
"""A marker of matplotlib's, or (points, 1 for a star, degrees turned)."""


@dataclass(frozen=True)
class Style:
    """How an approach looks in every picture: a hue for the screen, a marker and a hatch for print in grey."""

    colour: str
    marker: Marker
    hatch: str
    role: str = ""
    """What its lane is called, where the kinds of its exchanges do not say it: "poller", "receiver"."""


@dataclass(frozen=True)
class Approach:
    """A way to learn of events: a frozen dataclass whose fields are its parameters.

    A subclass gives itself a `name`, overrides `subscribe`, `run` or both, and declares here whatever the tables,
    pictures, lenses and limits need to know of it, so that none of them compares names.
    """

    name: ClassVar[str]
    """The name on the command line and in tables."""
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real")
    """The lenses that can run it."""
    style: ClassVar[Style] = Style("#555555", "8", "-.")
    in_order: ClassVar[bool] = True
    """Whether a consumer receives the events in the order in which they occurred."""
    reconnect_pause: ClassVar[float] = 0.0
    """Seconds for which it pauses after a failure, whatever its parameters are."""
    overflows: ClassVar[bool] = False
    """Whether events are lost when more of them occur between two requests than one answer holds."""

    @property
    def types(self) -> tuple[str, ...]:
        """Only events of these types are received; all if empty."""
        return ()

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def idle_interval(self) -> float:
        """Seconds from one of its requests to the next while nothing happens; infinite if it sends none."""
        return sum(getattr(self, each.name) for each in fields(self) if each.metadata.get("idle")) or float("inf")

    @property
    def label(self) -> str:
        """The name, with the interval and whatever else is set otherwise than by default: `polling interval=10`."""
        values = asdict(self)
        shown = [each.name for each in fields(self) if each.name == "interval" or values[each.name] != each.default]
        return " ".join([self.name, *(f"{name}={_plain(values[name])}" for name in shown)])

    def repeated(self, repeat: int) -> Self:
        """The same for the repeat of a run: with another seed, if it has a parameter of that name."""
        seeds = {each.name: getattr(self, each.name) + repeat for each in fields(self) if each.name == "seed"}
        return replace(self, **seeds)

    def wants(self, type: str) -> bool:
        """Whether events of this type are to be received."""
        return not self.types or type in self.types

    def subscribe(self, consumer: Consumer) -> None:
        """Arrange before t = 0 what must be arranged; its exchanges are set-up. Nothing, unless overridden."""

    def run(self, consumer: Consumer) -> None:
        """The loop, from t = 0 until the run ends it. Nothing, unless overridden: deliveries come by themselves."""


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
