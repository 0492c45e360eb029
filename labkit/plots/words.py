"""Numbers and lists in a picture's sentences, in the chosen language."""

import math
from collections.abc import Iterable

from labkit.catalogue import escaped, gettext, ngettext


def short(value: float, digits: int = 3) -> str:
    """A number in this many significant digits, as people write it; the same on every machine.

    >>> short(29.938), short(0.02), short(1763.25), short(0), short(2.5e-9)
    ('29.9', '0.02', '1,760', '0', '2.5e-09')
    """
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0 or not math.isfinite(rounded):
        return f"{rounded + 0:g}"
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent < -6 or exponent > 12:
        return f"{rounded:g}"
    text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def phrase(text: str, **values: str | float) -> str:
    """A text in the chosen language, with its numbers in three significant digits.

    >>> phrase("{label} is {wait} s late", label="polling", wait=29.938)
    'polling is 29.9 s late'
    """
    return gettext(text, **{name: value if isinstance(value, str) else short(value) for name, value in values.items()})


def counted(number: float, one: str, many: str) -> str:
    """A number of things.

    >>> counted(1, "{number} event", "{number} events"), counted(1707, "{number} event", "{number} events")
    ('1 event', '1,707 events')
    """
    return ngettext(one, many, number, number=short(number, 9))


def listed(parts: Iterable[str]) -> str:
    """The parts of a list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = parts
    return gettext("{most} and {last}", most=", ".join(most), last=last) if most else last


def percent(share: float) -> str:
    """A share in two significant digits.

    >>> percent(0.0123), percent(1)
    ('1.2%', '100%')
    """
    return gettext("{share}%", share=short(100 * share, 2))


def printable(text: str, longest: int = 40) -> str:
    """A text from somebody else's file as one harmless line: unprintable characters as escapes, and a long text cut.

    >>> printable("paid\\x1b[31m"), printable("x" * 50, 5)
    ('paid\\\\x1b[31m', 'xxxx…')
    """
    shown = escaped(text[:longest])
    return shown if len(text) <= longest and len(shown) <= longest else shown[: longest - 1] + "…"
