"""The options for the source's retries and retention, and `labkit retries`, which lists the profiles."""

import re
import textwrap
from itertools import groupby

import click

from labkit.catalogue import duration
from labkit.cli.output import terminal
from labkit.policies import RetryProfile, SwitchOff
from labkit.retries import profile, profiles

retries_option = click.option(
    "--retries", metavar="NAME|SECONDS,…",
    help="When the source retries: as a known sender does (see labkit retries), or after these waits, e.g. 5,300,1800."
    " [default: as Standard Webhooks]",
)  # fmt: skip
retention_option = click.option(
    "--retention", type=float, metavar="SECONDS",
    help="The source keeps an event this long; an older cursor is answered 410. [default: for ever]",
)  # fmt: skip


def retries_of(text: str | None) -> RetryProfile:
    """The profile that `--retries` names, or one with these waits and all else as in Standard Webhooks.

    >>> retries_of("svix").timeout, retries_of("5,300,1800").waits
    (15, (5.0, 300.0, 1800.0))

    Raises click.UsageError that shows the text.
    """
    if text is None:
        return RetryProfile()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?(,\d{1,9}(\.\d{1,9})?)*", text):
        return RetryProfile(waits=tuple(map(float, text.split(","))))
    try:
        return profile(text)
    except ValueError as error:
        raise click.UsageError(f"--retries {text}: {error}; or give waits in seconds, such as 5,300,1800") from None


def source_of(retries: RetryProfile) -> str:
    """Where a profile comes from, and what of it is assumed; "" for one of your own."""
    if not retries.name:
        return ""
    remark = f" {retries.remark}" if retries.remark else ""
    return (
        f"Retries of {retries.name}: {retries.source}, read in {retries.read}. Not published there, and assumed:"
        f" {retries.assumptions()}.{remark}"
    )


@click.command("retries")
def retries_command() -> None:
    """List the retry profiles of known senders: what each publishes, where, and what is assumed."""
    console = terminal()
    for name, each in profiles().items():
        console.print(f"{name}  {each.source} ({each.read})", soft_wrap=True)
        for label, value in facts(each).items():
            console.print(f"    {label}: {value}", soft_wrap=True)
        console.print(textwrap.indent(f"assumed: {each.assumptions()}", " " * 4), soft_wrap=True)
        if each.remark:
            console.print(f"    {each.remark}", soft_wrap=True)


def facts(retries: RetryProfile) -> dict[str, str]:
    """A profile in words: the columns of the table in `docs/retries.md`.

    >>> facts(profile("brevo"))["gives up"], facts(profile("slack"))["waits after a failure"]
    ('4xx, 5xx, but not 429', 'at once, 1 min, 5 min')
    """
    but = f", but not {', '.join(retries.retried)}" if retries.retried else ""
    return {
        "waits after a failure": _waits(retries.waits),
        "in all": _span(sum(retries.waits)) if sum(retries.waits) else "–",
        "timeout": _span(retries.timeout),
        "gives up": (", ".join(retries.gives_up) or "–") + but,
        "ends": ", ".join(retries.ends) or "–",
        "Retry-After": f"up to {_span(retries.longest_retry_after)}" if retries.longest_retry_after else "ignored",
        "rest": _span(retries.rest) if retries.rest else "–",
        "switched off": _off(retries.off),
    }


def _waits(waits: tuple[float, ...]) -> str:
    """Waits in words; one that is repeated is written once.

    >>> _waits((60, 3600, 3600, 3600)), _waits(())
    ('1 min, 3 × 1 h', 'none')
    """
    runs = [(wait, len(list(same))) for wait, same in groupby(waits)]
    shown = [f"{times} × {_span(wait)}" if times > 1 else _span(wait) for wait, times in runs]
    return ", ".join(shown) or "none"


def _span(seconds: float) -> str:
    """A time, exactly.

    >>> _span(272_105), _span(0)
    ('75 h 35 min 5 s', 'at once')
    """
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number:g} {unit}" for number, unit in parts if number) or "at once"


def _off(off: SwitchOff) -> str:
    if not off:
        return "–"
    rules = []
    if off.failures:
        rules.append(f"after {off.failures} failures in a row")
    if off.failing_for:
        rules.append(f"after {duration(off.failing_for)} without a success")
    if off.success_below:
        least = f" of at least {off.least_attempts:,} attempts" if off.least_attempts > 1 else ""
        rules.append(f"if under {off.success_below:.0%}{least} succeed in {duration(off.window)}")
    if off.back_after:
        back = f"back after {duration(off.back_after)}, doubling up to {duration(off.longest_back)}"
        rules.append(back + (f"; after {off.final_failures} for good" if off.final_failures else ""))
    return "; ".join(rules)
