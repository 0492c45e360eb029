"""The checks of the exercises. A check says: not attempted, incorrect and why, or correct."""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dis import get_instructions
from inspect import isfunction, unwrap
from math import isclose
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb, walk_tb
from types import CodeType, ModuleType
from typing import Any

import labkit
from labkit.catalogue import gettext
from labkit.course.contest import contest
from labkit.course.strategy import Disqualified

OURS = (sys.prefix, sys.base_prefix, str(Path(__file__).parent.parent))
"""Folders of files that no student wrote."""
LAB = {"labkit", "theory", *labkit.__all__}
"""Names that an answer may not use: it must do its own work."""


class Verdict(AssertionError):  # noqa: N818  (about an answer: the check itself has not failed)
    """Why an answer is not correct."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, without a traceback."""
        return [str(self)]


class NotAttempted(Verdict):
    """There is no answer yet."""


class Incorrect(Verdict):
    """There is an answer, and it is wrong."""


@contextmanager
def checking(name: str) -> Iterator[None]:
    """Turn what happens in the block into a verdict on the answer `name`: an exception, or a printed line, "correct".

    >>> with checking("interval"):
    ...     check("interval", 60, 60)
    correct: interval
    """
    try:
        yield
    except NotImplementedError:
        text = "not attempted: {name} still raises NotImplementedError. Write your answer and run its cell"
        raise NotAttempted(gettext(text, name=name)) from None
    except Verdict as verdict:
        raise verdict from None
    except (Exception, SystemExit) as error:
        if isinstance(error, NameError) and error.name == name:
            text = "not attempted: there is no {name} yet. Its cell was not run, is empty, or raised an error"
            raise NotAttempted(gettext(text, name=name)) from None
        raise _raised(name, error) from error
    print(gettext("correct: {name}", name=name))


def check(name: str, value: object, expected: object, *, within: float = 0.0, hint: str = "") -> None:
    """Raise Incorrect unless the value is as expected. A number may differ by the share `within`.

    >>> check("the interval", 61, 60, within=0.05)
    >>> check("the interval", "60", 60, hint="a number, without quotes")
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: the interval is '60' (str), expected 60. Hint: a number, without quotes
    """
    if not _equal(value, expected, within):
        tolerance = f" ± {100 * within:g}%" if within else ""
        raise _incorrect(name, value, f"{_shown(expected)}{tolerance}", hint)


def check_at_most(name: str, value: object, most: float, *, hint: str = "") -> None:
    """Raise Incorrect unless the value is a number <= `most`.

    >>> check_at_most("the number of requests", 9000, 60)
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: the number of requests is 9,000 (int), expected at most 60
    """
    if not (_number(value) and value <= most):  # type: ignore[operator]
        raise _incorrect(name, value, gettext("at most {most}", most=_shown(most)), hint)


def call(function: Callable[..., object], *arguments: object, hint: str = "") -> Any:
    """An answer's value. An exception gets the call as a note. None is refused: it is the value without a `return`.

    >>> call(print, 5)
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: print(5) returns None. Hint: `return` the value; `print` only shows it
    """
    name = _called(function, arguments)
    try:
        value = function(*arguments)
    except Exception as error:
        error.add_note(gettext("the call was {call}", call=name) + _advice(hint))
        raise
    if value is None:
        text = "incorrect: {call} returns None. Hint: `return` the value; `print` only shows it"
        raise Incorrect(gettext(text, call=name))
    return value


def check_call(
    function: Callable[..., object], arguments: Sequence[object], expected: object, *, within: float = 0, hint: str = ""
) -> None:
    """Call an answer, and check its value as `check` does.

    >>> check_call(max, (60, 300), 60, hint="the shorter interval")
    Traceback (most recent call last):
    ...
    labkit.course.check.Incorrect: incorrect: max(60, 300) is 300 (int), expected 60. Hint: the shorter interval
    """
    name = _called(function, arguments)
    check(name, call(function, *arguments, hint=hint), expected, within=within, hint=hint)


def on_its_own(function: object, *given: str, hint: str = "") -> None:
    """Raise Incorrect if the cell that defines the function uses labkit, or one of the names in `given`.

    It reads the names in the cell's code, and so does not find a hidden import (`__import__("lab" + "kit")`).
    """
    code, source = _cell(function)
    if used := _names(compile(source, code.co_filename, "exec")) & {*LAB, *given}:
        text = "incorrect: the cell of {name} uses {used}. Write it without; to try things out, use another cell"
        raise Incorrect(gettext(text, name=code.co_name, used=", ".join(sorted(used))) + _advice(hint))


@contextmanager
def cell_file(function: object) -> Iterator[Path]:
    """The cell that defines a function, as a file for another process, which sees nothing of the notebook."""
    _, source = _cell(function)
    with TemporaryDirectory(prefix="labkit-") as folder:
        path = Path(folder) / "answer.py"
        path.write_text(source, encoding="utf-8")
        yield path


def scores(function: object, seed: int) -> dict[str, float]:
    """The contest's scores of the cell that defines a `next_delay`, which runs as a file does, and of the baselines."""
    with cell_file(function) as path:
        try:
            return contest(path, seed).scores
        except Disqualified as error:
            if str(error).endswith("NotImplementedError"):
                raise NotImplementedError from None
            raise Incorrect(gettext("incorrect: {reason}", reason=error)) from None


def _cell(function: object) -> tuple[CodeType, str]:
    """A function's code, and the source of the cell that defines it."""
    inner = unwrap(function) if callable(function) else function
    if not isfunction(inner):
        got, kind = _shown(function), type(function).__name__
        raise Incorrect(gettext("incorrect: {value} ({type}), expected a function", value=got, type=kind))
    return inner.__code__, "".join(linecache.getlines(inner.__code__.co_filename))


def _names(code: CodeType) -> set[str]:
    """The names that a cell imports, assigns, and looks up globally."""
    steps = [step for step in get_instructions(code) if step.opname.endswith(("_NAME", "_GLOBAL"))]
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return {str(step.argval).split(".")[0] for step in steps}.union(*inner)


def _called(function: Callable[..., object], arguments: Sequence[object]) -> str:
    return f"{function.__name__}({', '.join(map(repr, arguments))})"


def _advice(hint: str) -> str:
    return gettext(". Hint: {hint}", hint=hint) if hint else ""


def _incorrect(name: str, value: object, expected: str, hint: str) -> Incorrect:
    got = {"name": name, "value": _shown(value), "type": type(value).__name__, "expected": expected}
    return Incorrect(gettext("incorrect: {name} is {value} ({type}), expected {expected}", **got) + _advice(hint))


def _raised(name: str, error: BaseException) -> Incorrect:
    """The verdict on an exception: its text, and the last line of the answer's cell in its traceback."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(OURS)]
    for frame, _ in walk_tb(error.__traceback__):
        if isfunction(answer := frame.f_globals.get(name)):
            frames = [each for each in frames if each.filename == answer.__code__.co_filename]
            break
    where = gettext(", in line {number}, `{line}`", number=frames[-1].lineno, line=frames[-1].line) if frames else ""
    raised = f"{type(error).__name__}: {error}".rstrip(": ")
    notes = "".join(f"; {note}" for note in vars(error).get("__notes__", ()))
    return Incorrect(gettext("incorrect: {name} raised {error}", name=name, error=raised) + where + notes)


def _equal(value: object, expected: object, within: float) -> bool:
    try:
        if _number(expected):
            return _number(value) and isclose(value, expected, rel_tol=within)  # type: ignore[arg-type]
        return type(value) is type(expected) and bool(value == expected)
    except Exception:  # an array has no truth value; an int may be too large for a float
        return False


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    try:
        text = f"{value:,}" if _number(value) and isinstance(value, int) else repr(value)
    except Exception:  # an int of 5,000 digits, a __repr__ that raises
        text = "a value that cannot be shown"
    return text if len(text) <= 200 else f"{text[:200]}…"


class _Locked(ModuleType):
    """This module, so that an answer cannot replace the checks."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"the checks cannot be replaced: leave {name} as it is")


sys.modules[__name__].__class__ = _Locked
