"""The events, approaches and faults of a command: the options that `labkit compare` and `labkit sweep` share."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from labkit import trace
from labkit.approaches import APPROACHES, Approach, Polling, Webhook
from labkit.arrivals import Arrivals, bursty, daily, poisson, switching
from labkit.checks import number
from labkit.cli.log import LOG_OPTIONS, is_log, refuse, split
from labkit.cli.named import parse_all
from labkit.cli.rate_limit import poll_interval_option, rate_limit_of, rate_limit_option
from labkit.cli.retries import retention_option, retries_of, retries_option
from labkit.faults import FAULTS, Fault
from labkit.lenses import LENSES, Lens
from labkit.scenario import Scenario

MADE: dict[str, Any] = {"poisson": poisson, "bursty": bursty, "daily": daily, "switching": switching}
DEFAULT: tuple[Approach, ...] = (Polling(interval=10), Polling(interval=60), Polling(interval=300), Webhook())

Command = Callable[..., Any]


def scenario_options(number: type[float] | click.ParamType[Any], more: str = "") -> Callable[[Command], Command]:
    """The options that describe what runs. `number` is the type of a rate and of a delay, and `more` follows these."""
    options = [
        click.option(
            "--trace", "what", multiple=True, default=("earthquakes",), metavar="NAME|FILE", show_default=True,
            help=f"The events: earthquakes, {', '.join(MADE)}, or a log of your own as CSV or JSON lines; - is standard"
            " input. Repeatable for files.",
        ),
        *LOG_OPTIONS,
        click.option("--min-magnitude", type=float, metavar="M", help="Only events of magnitude M or more."),
        click.option("--rate", type=number, metavar=f"EVENTS_PER_HOUR{more}",
                     help="Mean rate of generated events. [default: 10]"),
        click.option("--duration", type=float, metavar="SECONDS",
                     help="Events end here. [default: a week, or FILE's own]"),
        click.option("--delay", type=number, metavar=f"SECONDS{more}",
                     help="Network delay, each way. [default: 0.02; real: none]"),
        click.option("--consumers", type=int, default=1, show_default=True, metavar="N",
                     help="How many need every event."),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random."),
        click.option("--lens", default="virtual", metavar="|".join(LENSES), show_default=True,
                     help="Simulated time, loopback sockets and the machine's own clock, or arithmetic."),
        click.option("--speed", type=float, default=1.0, metavar="X", help="Real lens: divide every time by X."),
        click.option("--approach", "chosen", multiple=True, metavar="NAME[:key=value,…]",
                     help="Repeatable; `all` is every approach, and interval=10+60 is two."
                     " [default: polling every 10, 60 and 300 s, and webhook; see labkit approaches]"),
        click.option(
            "--fault", "faults", multiple=True, metavar="NAME[:key=value,…]",
            help=f"What breaks, such as outage:start=3600,duration=1200; repeatable: {', '.join(FAULTS)}.",
        ),
        rate_limit_option, poll_interval_option, retries_option, retention_option,
    ]  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def scenario_of(lens: Lens, what: Sequence[str], seed: int, delay: float | None, faults: tuple[Fault, ...],
                rate_limit: str, poll_interval: float, retries: str | None, retention: float | None, consumers: int,
                arrivals: Callable[..., Arrivals] | None = None, **events: Any) -> Scenario:  # fmt: skip
    """The scenario that these options describe; `arrivals` is `arrivals_of`, or one that keeps what it has read."""
    return Scenario(
        (arrivals or arrivals_of)(tuple(what), seed, **events),
        lens.delay if delay is None else delay,
        seed,
        consumers,
        retries=retries_of(retries),
        rate_limit=rate_limit_of(rate_limit, poll_interval),
        retention=retention,
        faults=faults,
    )


def approaches_of(chosen: Sequence[str], lens: str) -> Sequence[Approach]:
    """The approaches that `--approach` names, or the default ones."""
    return [approach for text in chosen for approach in _parsed(text, lens)] or DEFAULT


def _parsed(text: str, lens: str) -> list[Approach]:
    """The approach that `--approach` names; `all` is every approach that the lens can run, with its defaults."""
    if text == "all":
        able = [approach() for approach in APPROACHES.values() if lens in approach.lenses]
        if not able:
            raise click.UsageError(f"--approach all: no approach names the {lens} lens among its `lenses`; name some")
        return able
    return parse_all("--approach", text, APPROACHES)


def arrivals_of(traces: Sequence[str], seed: int, **options: Any) -> Arrivals:
    """The arrivals that the options describe; an option that does not apply to them is an error."""
    reading, given = split(options)
    names, what = ", ".join(MADE), traces[0] if len(traces) == 1 else ""
    if what in MADE or what == "earthquakes":
        refuse(reading, what)
    rate = given.pop("rate", None)
    if what in MADE:
        return _made(what, seed, rate, given)
    if rate is not None:
        raise click.UsageError(f"--rate {rate:g}: a recorded trace has its own rate; --rate is for {names}")
    if what == "earthquakes":
        return trace.earthquakes(**given)
    for path in traces:
        if not is_log(path):
            be = f"earthquakes, {names} or the path of a CSV or JSON lines file"
            raise click.UsageError(f"--trace must be {be}, got {path!r}")
    return trace.from_log(*traces, **reading, **given)


def _made(what: str, seed: int, rate: float | None, given: dict[str, Any]) -> Arrivals:
    if "min_magnitude" in given:
        refused = f"--min-magnitude {given['min_magnitude']:g}"
        raise click.UsageError(f"{refused}: {what} events have no magnitude; use --trace earthquakes")
    if rate is not None:
        number("--rate", rate, "events per hour", above=0)
        # switching is quiet half the time; the other half it is busy, at 60 times the quiet rate
        quiet_and_busy = {"quiet_per_hour": 2 * rate / 61, "busy_per_hour": 120 * rate / 61}
        given |= quiet_and_busy if what == "switching" else {"per_hour": rate}
    made: Arrivals = MADE[what](seed=seed, **given)
    return made


def lens_of(name: str, speed: float) -> Lens:
    """A lens with its options. `LENSES[name]` refuses an option that it does not have."""
    if name not in LENSES:
        raise click.UsageError(f"--lens must be {' or '.join(LENSES)}, got {name!r}")
    try:
        return LENSES[name](**({} if speed == 1 else {"speed": speed}))
    except TypeError:
        raise click.UsageError(f"--speed {speed:g}: the {name} lens has no speed; use --lens real") from None
