"""A strategy in a process of its own. Run as a script: it needs the standard library and the student's file.

The judge says on standard input when a round begins and what each poll brought, a line of JSON each, with a number; it
never says what is still to come. Each line is answered by one, with that number: what next_delay returned, or what is
wrong.
"""

import inspect
import json
import math
import os
import random
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from threading import Timer
from types import ModuleType

SHORTEST = 0.001
MEMORY = 4 << 30
"""Bytes of address space that a strategy may have, where the system can say so."""


class Fault(ValueError):  # noqa: N818  (of a strategy)
    """What is wrong with a strategy: a text of `labkit.catalogue`, which is not to be had here, and values by name.

    >>> raise Fault("got {number}", number=7)
    Traceback (most recent call last):
    ...
    labkit.course.strategy_process.Fault: got 7
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values))
        self.text, self.values = text, values


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll that was made: `at` seconds from the start it brought events, which had occurred at these instants."""

    at: float
    occurred: tuple[float, ...]


def caller(function: object, tau: float) -> Callable[[Poll], object]:
    """Who remembers the polls, and asks `next_delay(history)`, or `next_delay(history, tau)` if it has that name."""
    if not callable(function):
        raise Fault("next_delay must be a function, got {got}", got=f"{function!r:.80}")
    history: list[Poll] = []
    named = {"tau": tau} if "tau" in inspect.signature(function).parameters else {}
    try:
        inspect.signature(function).bind(history, **named)
    except TypeError as error:
        raise Fault("next_delay must take (history) or (history, tau): {error}", error=str(error)) from None

    def ask(poll: Poll) -> object:
        history.append(poll)
        return function(history.copy(), **named)

    return ask


def seconds(value: object) -> float:
    """The delay that was returned, as a number of seconds.

    >>> seconds(60)
    60.0
    >>> seconds("60")
    Traceback (most recent call last):
    ...
    labkit.course.strategy_process.Fault: next_delay must return a number of seconds, got '60' (str)
    """
    if value is None:
        raise Fault("next_delay must return a number of seconds, got None: does each way through it end in a return?")
    if not isinstance(value, Real) or isinstance(value, bool):
        got = {"got": f"{value!r:.80}", "type": type(value).__name__}
        raise Fault("next_delay must return a number of seconds, got {got} ({type})", **got)
    try:
        delay = float(value)
    except OverflowError:
        delay = math.inf
    if not math.isfinite(delay):
        raise Fault("next_delay must return a finite number of seconds, got {got} (to stop asking: 1e9)", got=delay)
    if delay < SHORTEST:
        raise Fault("next_delay must return {least} seconds or more, got {got}", least=SHORTEST, got=f"{delay:g}")
    return delay


def load(path: Path) -> object:
    """The next_delay of a file, which is run anew: what a round left in its variables is gone."""
    module = ModuleType("strategy")
    module.__file__ = str(path)
    sys.modules["strategy"] = module
    random.seed(0)  # a strategy that draws lots draws the same ones again
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    if "next_delay" in vars(module):
        return vars(module)["next_delay"]
    others = [name for name, value in vars(module).items() if inspect.isfunction(value)]
    if near := get_close_matches("next_delay", others, 1):
        raise Fault("there is no next_delay in the file; it has {near}: rename it", near=near[0])
    if others:
        raise Fault("there is no next_delay in the file; its functions are: {others}", others=", ".join(others))
    raise Fault("there is no next_delay in the file, and no other function")


def fault(error: BaseException, path: Path) -> dict[str, object]:
    """What went wrong, and the line of the student's file: its number, and what it says."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        words = f"{type(error).__name__}: {error.msg}"
        error, lines = Fault("line {number}: {error}", number=error.lineno, error=words), []
    elif isinstance(error, SystemExit):
        error = Fault("it called exit: leave that out, the judge ends the process")
    elif not isinstance(error, Fault):
        error = Fault("{error}", error=f"{type(error).__name__}: {error}".rstrip(": "))
    where = {"number": lines[-1].lineno, "line": lines[-1].line} if lines else None
    return {"fault": error.text, "values": error.values, "where": where}


def main(path: Path, limit: float) -> None:
    """Answer the judge until it has gone. What the student prints goes elsewhere than the answers."""
    lines, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    last = Timer(limit, os._exit, (1,))  # the judge kills us sooner, unless it was killed itself
    last.daemon = True
    last.start()
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path.insert(0, str(path.parent))
    ask: Callable[[Poll], object] | None = None
    for line in lines:
        given = json.loads(line)
        answer: dict[str, object] = {}
        try:
            if ask is None or "tau" in given:
                ask = caller(load(path), given["tau"])
            else:
                answer = {"delay": seconds(ask(Poll(given["at"], tuple(given["occurred"]))))}
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the judge hears of everything
            answer = fault(error, path)
        answers.write(json.dumps({"number": given["number"], **answer}) + "\n")
        answers.flush()
    os._exit(0)  # no thread of the student's is waited for


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), float(sys.argv[2]))
