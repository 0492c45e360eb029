"""How an approach looks: each declares it itself."""

from labkit.approaches import APPROACHES, Approach, Style


def style(label: str) -> Style:
    """The style of an approach, by its label, which starts with its name; one that is not built in is dark grey.

    >>> style("polling interval=60").marker
    'o'
    """
    name = (label.split() or [""])[0]
    return APPROACHES[name].style if name in APPROACHES else Approach.style
