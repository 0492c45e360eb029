"""What a student sees of labkit, in their language: one catalogue (gettext), whose source is English.

Titles, labels, captions and sentences of pictures, and what the exercises' checks and the contest's judge say, go
through `say`. Errors stay English, as Python's own do, and so does the command line.
"""

import gettext
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
"""A catalogue is `locale/LANGUAGE/LC_MESSAGES/labkit.mo`."""
_chosen: gettext.NullTranslations = gettext.NullTranslations()


def language(code: str = "en", folder: Path = FOLDER) -> None:
    """Choose the language of what is shown from now on. ValueError, with those there are, if it has no catalogue."""
    global _chosen
    if code == "en":
        _chosen = gettext.NullTranslations()
        return
    try:
        _chosen = gettext.translation("labkit", folder, [code])
    except FileNotFoundError:
        there = ", ".join(["en", *sorted(each.parts[-3] for each in folder.glob("*/LC_MESSAGES/labkit.mo"))])
        raise ValueError(f"there is no catalogue for {code!r}; there are: {there}") from None


def say(text: str, /, **values: object) -> str:
    """A text in the chosen language, its values put in by name.

    >>> say("{found} of {events}", found=3, events=7)
    '3 of 7'
    """
    return _chosen.gettext(text).format(**values)


def say_number(one: str, many: str, number: float, /, **values: object) -> str:
    """The same for a number of things, in the form that the language has for so many.

    >>> say_number("{number} event", "{number} events", 2, number=2)
    '2 events'
    """
    whole = int(number) if number % 1 == 0 else 2  # 1.5 events are several
    return _chosen.ngettext(one, many, whole).format(**values)
