"""What a log is like, in sentences."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from labkit.catalogue import duration, gettext
from labkit.description import Description
from labkit.description.dispersion import Scale
from labkit.description.rhythm import FEWEST, Rhythm
from labkit.plots.window import DAYS, date
from labkit.plots.words import counted, listed, phrase, printable

WINDOWS = {1: "second", 60: "minute", 3600: "hour"}
VERDICTS = {
    "poisson": "Counts per window vary as a Poisson stream's in windows of {windows}.",
    "more": "Counts per window vary more than a Poisson stream's in windows of {windows}.",
    "less": "Counts per window vary less than a Poisson stream's in windows of {windows}.",
}
MOST_TYPES = 8
"""So many of the types are named, and drawn."""
HOUR, DAY = 3600, 86_400


def sentences(description: Description) -> list[str]:
    """What a log is like, one plain sentence each."""
    return [*_rate(description), *_gaps(description), *_busiest(description), *dispersion_said(description.dispersion),
            *_rhythm(description), *_types(description)]  # fmt: skip


def _rate(found: Description) -> Iterator[str]:
    events = counted(found.events, "{number} event", "{number} events")
    first, last = date(found.first, found.zone), date(found.last, found.zone)
    if found.rate is None:
        yield phrase("{events}, at {first}: too little for a rate.", events=events, first=first)
        return
    text = "{events} in {span}, from {first} to {last}."
    yield phrase(text, events=events, span=duration(found.last - found.first), first=first, last=last)
    each = duration(1 / found.rate)
    yield phrase("The rate is {rate} per hour: one every {each}.", rate=found.rate * 3600, each=each)


def _gaps(found: Description) -> Iterator[str]:
    if (gaps := found.gaps) is None:
        return
    after = date(gaps.longest_after, found.zone)
    text = "Half of the gaps are up to {half}, 95% up to {most}; the longest, {longest}, begins at {after}."
    yield phrase(text, half=duration(gaps.p50), most=duration(gaps.p95), longest=duration(gaps.max), after=after)
    yield phrase("The squared coefficient of variation of the gaps is {cv2}; a Poisson stream's is 1.", cv2=gaps.cv2)
    if gaps.ties:
        share = f"{gaps.ties / (found.events - 1):.1%}"
        ties = counted(gaps.ties, "{number} event is", "{number} events are")
        yield phrase("{ties} at the same instant as the event before ({share}).", ties=ties, share=share)
    if found.resolution >= 1:
        yield phrase("The instants are whole multiples of {unit}.", unit=duration(found.resolution))


def _busiest(found: Description) -> Iterator[str]:
    for each in found.busiest:
        if found.rate is None or found.last - found.first < each.window:
            continue
        events, start = counted(each.events, "{number} event", "{number} events"), date(each.start, found.zone)
        ratio = each.events / each.window / found.rate
        text = "The busiest {window} has {events}, {ratio} times the mean, from {start} on."
        yield phrase(text, window=gettext(WINDOWS[each.window]), events=events, ratio=ratio, start=start)


def dispersion_said(scales: Sequence[Scale]) -> Iterator[str]:
    """How much counts per window vary, in runs of windows with one verdict, and the scale that is farthest out."""
    if not scales:
        yield gettext("There are too few events, or too few windows, to say how the counts per window vary.")
        return
    for verdict, each in groupby(scales, lambda scale: scale.verdict):
        run = list(each)
        first, last = duration(run[0].window), duration(run[-1].window)
        windows = first if len(run) == 1 else gettext("{first} to {last}", first=first, last=last)
        yield gettext(VERDICTS[verdict], windows=windows)
    far = max(scales, key=lambda scale: max(scale.ratio / scale.high, scale.low / max(scale.ratio, 1e-9)))
    if far.verdict != "poisson":
        text = "In windows of {window} the variance is {ratio} times the mean; a Poisson stream's is {low} to {high}."
        yield phrase(text, window=duration(far.window), ratio=far.ratio, low=far.low, high=far.high)


def _rhythm(found: Description) -> Iterator[str]:
    if found.rhythm is None:
        short = gettext("The log is too short for a rhythm: it takes at least a day.")
        long = gettext("The log is longer than 100 years: it has a wrong instant, and no rhythm.")
        yield short if found.last - found.first < DAY else long
        return
    if found.resolution <= HOUR:
        yield _daily(found.rhythm, str(found.zone))
    yield _weekly(found.rhythm)


def _daily(rhythm: Rhythm, zone: str) -> str:
    ends = {
        True: "This repeats from day to day.",
        False: "The days have no rhythm in common: this may be chance.",
        None: "A daily rhythm takes at least {days} whole days to show.",
    }
    most, least = int(rhythm.hours.argmax()), int(rhythm.hours.argmin())
    text = (
        "By hour of the day ({zone}), the rate is highest from {most} ({high} per hour), lowest from {least} ({low})."
    )
    said = phrase(
        text, zone=zone, most=_hour(most), high=rhythm.hours[most], least=_hour(least), low=rhythm.hours[least]
    )
    return f"{said} {gettext(ends[rhythm.daily], days=FEWEST[24])}"


def _weekly(rhythm: Rhythm) -> str:
    if rhythm.weekly is None:
        return gettext("A weekly rhythm takes at least {weeks} whole weeks to show.", weeks=FEWEST[7])
    ends = {True: "This repeats from week to week.", False: "The weeks have no rhythm in common: this may be chance."}
    days = rhythm.weekdays
    most, least = int(days.argmax()), int(days.argmin())
    text = "By day of the week, the rate is highest on {most} ({high} per hour), lowest on {least} ({low})."
    said = phrase(text, most=gettext(DAYS[most]), high=days[most], least=gettext(DAYS[least]), low=days[least])
    return f"{said} {gettext(ends[rhythm.weekly])}"


def _hour(hour: int) -> str:
    return gettext("{first}:00 to {last}:00", first=hour, last=hour + 1)


def _types(found: Description) -> Iterator[str]:
    if not found.types:
        return
    shown = list(found.types.items())[:MOST_TYPES]
    total = sum(found.types.values())
    parts = [gettext("{name} {share}", name=printable(name) or '""', share=f"{n / total:.1%}") for name, n in shown]
    if len(found.types) > MOST_TYPES:
        rest = total - sum(n for _, n in shown)
        parts.append(gettext("others {share}", share=f"{rest / total:.1%}"))
    kinds = counted(len(found.types), "{number} type", "{number} types")
    yield gettext("The events have {kinds}: {parts}.", kinds=kinds, parts=listed(parts))
