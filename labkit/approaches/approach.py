"""What an approach is: parameters, a loop, and declarations for tables, pictures and lenses."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

from labkit.approaches.consumer import Consumer
from labkit.catalogue import duration, gettext
from labkit.checks import check_fields
from labkit.theory import ClosedForm

Marker = str | tuple[int, Literal[0, 1, 2], int]
"""A matplotlib marker, or (points, 1 for a star, degrees of rotation)."""


@dataclass(frozen=True)
class Style:
    """How an approach looks in every picture: a colour for the screen, a marker and a hatch for grey print."""

    colour: str
    marker: Marker
    hatch: str


@dataclass(frozen=True)
class Approach:
    """A way to learn of events: a frozen dataclass whose fields are its parameters.

    A subclass has a `name`, overrides `subscribe`, `run` or both, and declares here what tables, pictures, lenses and
    limits need, so that none of them compares names.
    """

    name: ClassVar[str]
    """The name on the command line and in tables."""
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real")
    """The lenses that can run it."""
    phrase: ClassVar[str] = ""
    """What pictures call it, with parameters in braces: "poll every {interval}". The label if it is empty."""
    style: ClassVar[Style] = Style("#555555", "8", "-.")
    in_order: ClassVar[bool] = True
    """Whether a consumer receives the events in the order in which they occurred."""
    reconnect_pause: ClassVar[float] = 0.0
    """Seconds of its pause after a failure, if that is not a parameter."""
    overflows: ClassVar[bool] = False
    """Whether events are lost if more occur between two requests than one answer holds."""

    @property
    def types(self) -> tuple[str, ...]:
        """Only events of these types are received; all if empty."""
        return ()

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def idle_interval(self) -> float:
        """Seconds between two of its requests while no event occurs; infinite if it sends none."""
        return sum(getattr(self, each.name) for each in fields(self) if each.metadata.get("idle")) or float("inf")

    @property
    def label(self) -> str:
        """The name, the interval, and each parameter that differs from its default: `polling interval=10`."""
        values = asdict(self)
        shown = [each.name for each in fields(self) if each.name == "interval" or values[each.name] != each.default]
        return " ".join([self.name, *(f"{name}={_plain(values[name])}" for name in shown)])

    @property
    def title(self) -> str:
        """What pictures call it: `poll every 60 s`, with each other parameter that differs from its default.

        A subclass has a phrase of its own, or its label.
        """
        text = vars(type(self)).get("phrase", "")
        if not text:
            return self.label
        values = asdict(self)
        others = [each.name for each in fields(self) if values[each.name] != each.default]
        others = [name for name in others if f"{{{name}}}" not in text]
        said = [name if values[name] is True else f"{name}={_plain(values[name])}" for name in others]
        times = {each.name: _time(values[each.name]) for each in fields(self) if each.metadata.get("unit") == "s"}
        return ", ".join([gettext(text, **values | times), *said])

    @property
    def called(self) -> bool:
        """Whether the source calls it, at a URL that it subscribes, so that the source's retry profile matters."""
        return type(self).subscribe is not Approach.subscribe

    def theory(self, rate: float, delay: float) -> ClosedForm | None:
        """Its closed form for events at `rate` per second and `delay` s each way, if nothing breaks; None if unknown.

        A subclass whose loop differs overrides it.
        """
        return None

    def repeated(self, repeat: int) -> Self:
        """The approach for a repeat of a run, from 0: its `seed`, if it has one, is higher by `repeat`."""
        seeds = {each.name: getattr(self, each.name) + repeat for each in fields(self) if each.name == "seed"}
        return replace(self, **seeds)

    def wants(self, type: str) -> bool:
        """Whether events of this type should be received."""
        return not self.types or type in self.types

    def subscribe(self, consumer: Consumer) -> None:
        """Prepare the run before t = 0; its exchanges are set-up. Does nothing unless overridden."""

    def run(self, consumer: Consumer) -> None:
        """The loop, from t = 0 until the run ends it. Does nothing unless overridden: deliveries need no loop."""


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(seconds: float) -> str:
    """Seconds, as on the axes, so that the labels of one picture compare: 3,600 s. From a day on, days and hours."""
    number = f"{seconds:,.0f}" if seconds >= 1000 else f"{seconds:.4g}"
    return gettext("{number} s", number=number) if seconds < 86_400 else duration(seconds)
