"""Which results a picture shows."""

from collections.abc import Iterable, Sequence

from labkit.approaches import Approach
from labkit.result import Result
from labkit.theory import ClosedForm

Results = Result | Sequence[Result] | Iterable[Result]
"""One result or several; a Comparison is a sequence of them."""


def as_results(results: Results) -> tuple[Result, ...]:
    """The results as a tuple. Raises ValueError if there are none, TypeError for anything else."""
    several = (results,) if isinstance(results, Result) else tuple(results)
    if not several:
        raise ValueError("results must be of at least one approach, got none")
    for each in several:
        if not isinstance(each, Result):
            raise TypeError(f"a picture takes results, such as compare(…)[0], got {each!r:.80}")
    return several


def names_of(result: Result) -> tuple[str, str, str]:
    """The names that choose a result: its label, its title and its approach's name."""
    return result.label, result.approach.title, result.approach.name


def chosen(results: Sequence[Result], show: Iterable[str] | None, what: str = "show") -> list[Result]:
    """The results that have one of these names; all if it is None. Raises ValueError for a name that none has."""
    if show is None:
        return list(results)
    wanted = [show] if isinstance(show, str) else list(show)
    known = {name for result in results for name in names_of(result)}
    if unknown := [name for name in wanted if name not in known]:
        labels = ", ".join(dict.fromkeys(repr(result.label) for result in results))
        raise ValueError(f"{what} must name results, of {labels}; got {', '.join(map(repr, unknown))}")
    return [result for result in results if set(names_of(result)) & set(wanted)]


def rate_of(result: Result) -> float:
    """Events per second, as they occurred: 61 events in an hour are 0.0169 per second, for any number of consumers."""
    scenario = result.scenario
    return float(result.row()["events"] / scenario.consumers / scenario.duration)


def theory_of(approach: Approach, rate: float, delay: float) -> ClosedForm | None:
    """The approach's closed form; None if it declares none, or if these values are outside of its limits."""
    try:
        return approach.theory(rate, delay)
    except ValueError:
        return None
