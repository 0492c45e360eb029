"""What a student sees of labkit, in their language: one catalogue (gettext), whose source is English.

Titles, labels, captions and sentences of pictures, and what the exercises' checks and the contest say, go
through `gettext`. Errors stay English, as Python's own do, and so does the command line.
"""

import gettext as translations
from itertools import pairwise
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
"""A catalogue is `locale/LANGUAGE/LC_MESSAGES/labkit.mo`."""
_chosen: translations.NullTranslations = translations.NullTranslations()


def language(code: str = "en", folder: Path = FOLDER) -> None:
    """Choose the language of what is shown from now on. ValueError, with those there are, if it has no catalogue."""
    global _chosen
    if code == "en":
        _chosen = translations.NullTranslations()
        return
    try:
        _chosen = translations.translation("labkit", folder, [code])
    except FileNotFoundError:
        there = ", ".join(["en", *sorted(each.parts[-3] for each in folder.glob("*/LC_MESSAGES/labkit.mo"))])
        raise ValueError(f"there is no catalogue for {code!r}; there are: {there}") from None


def gettext(text: str, /, **values: object) -> str:
    """A text in the chosen language, its values put in by name.

    >>> gettext("{found} of {events}", found=3, events=7)
    '3 of 7'
    """
    return _chosen.gettext(text).format(**values)


def ngettext(one: str, many: str, number: float, /, **values: object) -> str:
    """The same for a number of things, in the form that the language has for so many.

    >>> ngettext("{number} event", "{number} events", 2, number=2)
    '2 events'
    """
    whole = int(number) if number % 1 == 0 else 2  # 1.5 events are several
    return _chosen.ngettext(one, many, whole).format(**values)


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
