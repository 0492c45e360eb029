"""Translations: all that a student reads goes through `gettext`, with the English text as its key.

That is: titles, labels, captions and sentences of plots, and the verdicts of the exercises' checks and of the contest.
Error messages stay English, as Python's own do, and so does the command line.
"""

import gettext as translations
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
"""A catalogue is `locale/LANGUAGE/LC_MESSAGES/labkit.mo`."""
_chosen: translations.NullTranslations = translations.NullTranslations()


def language(code: str = "en", folder: Path = FOLDER) -> None:
    """Choose the language from now on. Raises ValueError, with the languages that exist, if it has no catalogue."""
    global _chosen
    if code == "en":
        _chosen = translations.NullTranslations()
        return
    try:
        _chosen = translations.translation("labkit", folder, [code])
    except FileNotFoundError:
        existing = ", ".join(["en", *sorted(each.parts[-3] for each in folder.glob("*/LC_MESSAGES/labkit.mo"))])
        raise ValueError(f"language must be one of {existing}, got {code!r}") from None


def gettext(text: str, /, **values: object) -> str:
    """A text in the chosen language, with its values filled in by name.

    >>> gettext("{found} of {events}", found=3, events=7)
    '3 of 7'
    """
    return _chosen.gettext(text).format(**values)


def ngettext(one: str, many: str, number: float, /, **values: object) -> str:
    """The same, in the form (singular, plural, …) that the language has for `number`.

    >>> ngettext("{number} event", "{number} events", 2, number=2)
    '2 events'
    """
    whole = int(number) if number % 1 == 0 else 2  # 1.5 takes the plural form
    return _chosen.ngettext(one, many, whole).format(**values)


def escaped(text: str) -> str:
    r"""A text from somebody else, safe for a terminal: what is not printable stands as an escape.

    >>> escaped("paid\x1b[31m")
    'paid\\x1b[31m'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


_UNITS = (
    (86_400, "{number} day", "{number} days"),
    (3_600, "{number} h", "{number} h"),
    (60, "{number} min", "{number} min"),
    (1, "{number} s", "{number} s"),
)


def duration(seconds: float) -> str:
    """A duration in its two largest units, rounded to the smaller: 216,072 s, which is 60.02 h, is 2 days 12 h.

    >>> duration(216_072), duration(604_800), duration(5_400), duration(90), duration(2.5)
    ('2 days 12 h', '7 days', '1 h 30 min', '1 min 30 s', '2.5 s')
    """
    for (size, *larger), (step, *smaller) in pairwise(_UNITS):
        if seconds >= size:
            parts = zip(divmod(round(seconds / step), size // step), (larger, smaller), strict=True)
            return " ".join(ngettext(one, many, n, number=f"{n:,}") for n, (one, many) in parts if n)
    return gettext("{number} s", number=f"{seconds:,.4g}")
