"""What the check of an exercise says: not attempted, incorrect and why, or correct."""

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dis import get_instructions
from inspect import isfunction, unwrap
from math import isclose
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb, walk_tb
from types import CodeType, ModuleType

import labkit
from labkit.catalogue import gettext
from labkit.course.contest import contest
from labkit.course.judge import Disqualified

OURS = (sys.prefix, sys.base_prefix, str(Path(__file__).parent.parent))
"""Where files are that no student wrote."""
LAB = {"labkit", "theory", *labkit.__all__}
"""What an answer that is its author's own does without."""


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
        raise NotAttempted(gettext(said, name=name)) from None
    except NameError as error:
        if error.name == name:
            said = "not attempted: there is no {name} yet: its cell was not run, is empty, or had an error"
            raise NotAttempted(gettext(said, name=name)) from None
        raise _fault(name, error) from error
    except Verdict as verdict:
        raise verdict from None
    except (Exception, SystemExit) as error:
        raise _fault(name, error) from error
    print(gettext("correct: {name}", name=name))


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
    tolerance = gettext(", give or take {share:g} of it", share=within) if within else ""
    raise _incorrect(name, value, f"{_shown(expected)}{tolerance}", hint)


def check_at_most(name: str, value: object, most: float, *, hint: str = "") -> None:
    """Raise Incorrect unless the value is a number, and no larger.

    >>> check_at_most("the number of requests", 9000, 60)
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: the number of requests is 9,000 (int), expected at most 60
    """
    if not (_number(value) and value <= most):  # type: ignore[operator]
        raise _incorrect(name, value, gettext("at most {most}", most=_shown(most)), hint)


def on_its_own(function: object, *given: str) -> None:
    """Raise Incorrect if the cell in which a function stands uses the lab, or what was given to measure with.

    It reads the cell's names, and so does not see what is hidden from it (`__import__("lab" + "kit")`).
    """
    code, source = _cell(function)
    if used := _names(compile(source, code.co_filename, "exec")) & {*LAB, *given}:
        said = "incorrect: the cell of {name} uses {used}. Work it out without, and try things out in another cell"
        raise Incorrect(gettext(said, name=code.co_name, used=", ".join(sorted(used))))


@contextmanager
def cell_file(function: object) -> Iterator[Path]:
    """The cell in which a function stands, as a file: for another process, which sees nothing of the notebook."""
    _, source = _cell(function)
    with TemporaryDirectory(prefix="labkit-") as folder:
        path = Path(folder) / "answer.py"
        path.write_text(source, encoding="utf-8")
        yield path


def scores(function: object, seed: int) -> dict[str, float]:
    """What the cell of a `next_delay` scores in a contest, and what the baselines do; it is judged as a file is."""
    with cell_file(function) as path:
        try:
            return contest(path, seed).scores
        except Disqualified as error:
            if str(error).endswith("NotImplementedError"):
                raise NotImplementedError from None
            raise Incorrect(gettext("incorrect: {reason}", reason=error)) from None


def _cell(function: object) -> tuple[CodeType, str]:
    """A function's code, and the text of the cell in which it stands."""
    inner = unwrap(function) if callable(function) else function
    if not isfunction(inner):
        got, kind = _shown(function), type(function).__name__
        raise Incorrect(gettext("incorrect: {value} ({type}), expected a function", value=got, type=kind))
    return inner.__code__, "".join(linecache.getlines(inner.__code__.co_filename))


def _names(code: CodeType) -> set[str]:
    """What a cell imports, makes, and looks for outside of its functions."""
    steps = [step for step in get_instructions(code) if step.opname.endswith(("_NAME", "_GLOBAL"))]
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return {str(step.argval).split(".")[0] for step in steps}.union(*inner)


def _incorrect(name: str, value: object, expected: str, hint: str) -> Incorrect:
    got = {"name": name, "value": _shown(value), "type": type(value).__name__, "expected": expected}
    advice = gettext(". Hint: {hint}", hint=hint) if hint else ""
    return Incorrect(gettext("incorrect: {name} is {value} ({type}), expected {expected}", **got) + advice)


def _fault(name: str, error: BaseException) -> Incorrect:
    """An exception out of the answer: what it says, and the last line of the answer's cell on the way to it."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(OURS)]
    for frame, _ in walk_tb(error.__traceback__):
        if isfunction(answer := frame.f_globals.get(name)):
            frames = [each for each in frames if each.filename == answer.__code__.co_filename]
            break
    where = gettext(", in line {number}, `{line}`", number=frames[-1].lineno, line=frames[-1].line) if frames else ""
    raised = f"{type(error).__name__}: {error}".rstrip(": ")
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    return Incorrect(gettext("incorrect: {name} raised {error}", name=name, error=raised) + where + notes)


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


class _Locked(ModuleType):
    """This module, in which no answer can put checks of its own."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"leave the checks as they are: {name} cannot be replaced")


sys.modules[__name__].__class__ = _Locked
