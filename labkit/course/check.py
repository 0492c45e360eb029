"""What the check of an exercise says: not attempted, incorrect and why, or correct."""

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isfunction
from math import isclose
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb

from labkit.catalogue import say
from labkit.course.contest import contest
from labkit.course.judge import Disqualified

OURS = (sys.prefix, sys.base_prefix, str(Path(__file__).parent.parent))
"""Where files are that no student wrote."""


class Verdict(AssertionError):  # noqa: N818  (on an answer: the check has not failed)
    """Why an answer is not correct."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence is enough."""
        return [str(self)]


class NotAttempted(Verdict):
    """There is no answer yet."""


class Incorrect(Verdict):
    """There is an answer, and it is wrong."""


@contextmanager
def checking(name: str) -> Iterator[None]:
    """Whatever happens in the block becomes a verdict on the answer `name`: an exception, or a line, "correct".

    >>> with checking("interval"):
    ...     check("interval", 60, 60)
    correct: interval
    """
    try:
        yield
    except NotImplementedError:
        said = "not attempted: {name} still raises NotImplementedError; write yours, and run it"
        raise NotAttempted(say(said, name=name)) from None
    except NameError as error:
        if error.name == name:
            said = "not attempted: there is no {name} yet; run the cell that makes it"
            raise NotAttempted(say(said, name=name)) from None
        raise _fault(name, error) from error
    except Verdict as verdict:
        raise verdict from None
    except (Exception, SystemExit) as error:
        raise _fault(name, error) from error
    print(say("correct: {name}", name=name))


def check(name: str, value: object, expected: object, *, within: float = 0.0, hint: str = "") -> None:
    """Raise Incorrect unless the value is the one that was expected; a number may be off by a share, `within`.

    >>> check("the interval", 61, 60, within=0.05)
    >>> check("the interval", "60", 60, hint="a number, without quotes")
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: the interval is '60' (str), expected 60. Hint: a number, without quotes
    """
    if _equal(value, expected, within):
        return
    tolerance = say(", give or take {share:g} of it", share=within) if within else ""
    raise _incorrect(name, value, f"{_shown(expected)}{tolerance}", hint)


def check_at_most(name: str, value: object, most: float, *, hint: str = "") -> None:
    """Raise Incorrect unless the value is a number, and no larger.

    >>> check_at_most("the number of requests", 9000, 60)
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: the number of requests is 9,000 (int), expected at most 60
    """
    if not (_number(value) and value <= most):  # type: ignore[operator]
        raise _incorrect(name, value, say("at most {most}", most=_shown(most)), hint)


@contextmanager
def cell_file(function: object) -> Iterator[Path]:
    """The cell in which a function stands, as a file: for another process, which sees nothing of the notebook."""
    if not isfunction(function):
        got, kind = _shown(function), type(function).__name__
        raise Incorrect(say("incorrect: {value} ({type}), expected a function", value=got, type=kind))
    lines = linecache.getlines(function.__code__.co_filename)
    with TemporaryDirectory(prefix="labkit-") as folder:
        path = Path(folder) / "answer.py"
        path.write_text("".join(lines), encoding="utf-8")
        yield path


def scores(function: object, seed: int) -> dict[str, float]:
    """What the cell of a `next_delay` scores in a contest, and what the baselines do; it is judged as a file is."""
    with cell_file(function) as path:
        try:
            return contest(path, seed).scores
        except Disqualified as error:
            if str(error).endswith("NotImplementedError"):
                raise NotImplementedError from None
            raise Incorrect(say("incorrect: {reason}", reason=error)) from None


def _incorrect(name: str, value: object, expected: str, hint: str) -> Incorrect:
    got = {"name": name, "value": _shown(value), "type": type(value).__name__, "expected": expected}
    advice = say(". Hint: {hint}", hint=hint) if hint else ""
    return Incorrect(say("incorrect: {name} is {value} ({type}), expected {expected}", **got) + advice)


def _fault(name: str, error: BaseException) -> Incorrect:
    """An exception out of the answer: what it says, and the last line of the student's on the way to it."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(OURS)]
    where = say(", in line {number}, `{line}`", number=frames[-1].lineno, line=frames[-1].line) if frames else ""
    raised = f"{type(error).__name__}: {error}".rstrip(": ")
    return Incorrect(say("incorrect: {name} raised {error}", name=name, error=raised) + where)


def _equal(value: object, expected: object, within: float) -> bool:
    try:
        if _number(expected):
            return _number(value) and isclose(value, expected, rel_tol=within)  # type: ignore[arg-type]
        return type(value) is type(expected) and bool(value == expected)
    except Exception:  # an array that is neither equal nor not, a whole number that no float can hold
        return False


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    try:
        text = f"{value:,}" if _number(value) and isinstance(value, int) else repr(value)
    except Exception:  # a number of 5,000 digits, an object that cannot say what it is
        text = "something that cannot be shown"
    return text if len(text) <= 200 else f"{text[:200]}…"
