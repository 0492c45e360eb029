"""What a student sees of labkit, in their language: one catalogue (gettext), whose source is English.

Titles, labels, captions and sentences of pictures, and what the exercises' checks and the contest's judge say, go
through `gettext`. Errors stay English, as Python's own do, and so does the command line.
"""

import gettext as translations
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
