"""The child's side of a strategy: runs a student's file in a process of its own.

It runs as a script and needs only the standard library and the student's file. Importing labkit would take longer than
the rest of the start. The parent sends one line of JSON when a trace begins and one for each poll, with a number. The
answer to each has the same number, and holds what next_delay returned or what is wrong.
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

SHORTEST_DELAY = 0.001
MEMORY = 4 << 30
"""Bytes of address space that a strategy may use, where the system has such a limit."""


class StrategyError(ValueError):
    """What is wrong with a strategy: a text, which the parent translates by `labkit.catalogue`, and its values by name.

    >>> raise StrategyError("got {number}", number=7)
    Traceback (most recent call last):
    ...
    labkit.course.strategy_process.StrategyError: got 7
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values))
        self.text, self.values = text, values


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll: `at` seconds after the start it returned events that had occurred at the instants in `occurred`."""

    at: float
    occurred: tuple[float, ...]


def poll_handler(function: object, tau: float) -> Callable[[Poll], object]:
    """Turn `next_delay(history)` or `next_delay(history, tau)` into a function of the newest poll alone."""
    if not callable(function):
        raise StrategyError("next_delay must be a function, got {got}", got=f"{function!r:.80}")
    history: list[Poll] = []
    named = {"tau": tau} if "tau" in inspect.signature(function).parameters else {}
    try:
        inspect.signature(function).bind(history, **named)
    except TypeError as error:
        raise StrategyError("next_delay must take (history) or (history, tau): {error}", error=str(error)) from None

    def handle(poll: Poll) -> object:
        history.append(poll)
        return function(history.copy(), **named)

    return handle


def checked_delay(value: object) -> float:
    """The returned delay in seconds, as a float.

    >>> checked_delay(60)
    60.0
    >>> checked_delay("60")
    Traceback (most recent call last):
    ...
    labkit.course.strategy_process.StrategyError: next_delay must return a number of seconds, got '60' (str)
    """
    if value is None:
        raise StrategyError("next_delay must return a number of seconds, got None: does every branch end in a return?")
    if not isinstance(value, Real) or isinstance(value, bool):
        got = {"got": f"{value!r:.80}", "type": type(value).__name__}
        raise StrategyError("next_delay must return a number of seconds, got {got} ({type})", **got)
    try:
        delay = float(value)
    except OverflowError:
        delay = math.inf
    if not math.isfinite(delay):
        raise StrategyError("next_delay must return a finite number of seconds, got {got} (to stop: 1e9)", got=delay)
    if delay < SHORTEST_DELAY:
        raise StrategyError("next_delay must return >= {least} s, got {got}", least=SHORTEST_DELAY, got=f"{delay:g}")
    return delay


def load(path: Path) -> object:
    """The next_delay of a file. The file is run again for each trace, so its variables start anew."""
    module = ModuleType("strategy")
    module.__file__ = str(path)
    sys.modules["strategy"] = module
    random.seed(0)  # a strategy that uses random numbers gets the same ones each time
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    if "next_delay" in vars(module):
        return vars(module)["next_delay"]
    others = [name for name, value in vars(module).items() if inspect.isfunction(value)]
    if near := get_close_matches("next_delay", others, 1):
        raise StrategyError("there is no next_delay in the file; it has {near}: rename it", near=near[0])
    if others:
        raise StrategyError("there is no next_delay in the file, only the functions {others}", others=", ".join(others))
    raise StrategyError("there is no next_delay in the file, and no other function")


def report(error: BaseException, path: Path) -> dict[str, object]:
    """An answer that says what went wrong, and on which line of the student's file."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        words = f"{type(error).__name__}: {error.msg}"
        error, lines = StrategyError("line {number}: {error}", number=error.lineno, error=words), []
    elif isinstance(error, SystemExit):
        error = StrategyError("it called exit: remove that call, the process ends without it")
    elif not isinstance(error, StrategyError):
        error = StrategyError("{error}", error=f"{type(error).__name__}: {error}".rstrip(": "))
    where = {"number": lines[-1].lineno, "line": lines[-1].line} if lines else None
    return {"error": error.text, "values": error.values, "where": where}


def main(path: Path, limit: float) -> None:
    """Answer the parent until it closes the pipe. What the student prints goes to standard error."""
    messages, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    timer = Timer(limit, os._exit, (1,))  # if the parent was killed; otherwise it kills us sooner
    timer.daemon = True
    timer.start()
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path.append(str(path.parent))  # last: another student's random.py there is not imported in Python's place
    handle: Callable[[Poll], object] | None = None
    for line in messages:
        message = json.loads(line)
        answer: dict[str, object] = {}
        try:
            if handle is None or "tau" in message:
                handle = poll_handler(load(path), message["tau"])
            else:
                answer = {"delay": checked_delay(handle(Poll(message["at"], tuple(message["occurred"]))))}
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: the parent reports them
            answer = report(error, path)
        answers.write(json.dumps({"number": message["number"], **answer}) + "\n")
        answers.flush()
    os._exit(0)  # without waiting for the student's threads


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), float(sys.argv[2]))
