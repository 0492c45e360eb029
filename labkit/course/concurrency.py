"""Calls one function from several threads of several processes at the same time, as webhooks call a receiver.

Run as a script, this is one of the processes. It answers the arguments of each call with what its threads raised.
"""

import importlib.util
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, ClassVar

from labkit.catalogue import gettext
from labkit.clock import RealClock
from labkit.process import JSON_LINES, ChildProcess, ProcessEndedError, answer_parent, with_deadline

LIMIT = 20.0
"""Seconds that all calls together may take."""
SELECT_DELAY = 0.010
"""Seconds by which one SELECT per call and process is delayed: enough for the other process to catch up."""


def call_concurrently(
    path: Path,
    name: str,
    calls: Sequence[Sequence[object]],
    processes: int = 2,
    threads: int = 4,
    limit: float = LIMIT,
) -> None:
    """Make each call `processes` × `threads` times at the same moment; when all have returned, make the next.

    The function has this name in the file at `path`. Raises NotImplementedError if it does, and RuntimeError for any
    other exception, with its name and text, and when `limit` seconds are over.
    """
    arguments = ["-P", __file__, str(os.getpid()), str(path), name, str(threads)]
    with ExitStack() as stack:
        children = [stack.enter_context(ChildProcess(arguments, JSON_LINES)) for _ in range(processes)]

        def make_calls() -> None:
            for call in [None, *calls]:  # None is answered when the file is loaded, so that all start together
                for child in children:
                    child.send(call)
                for child in children:
                    _raise_first(child.receive())

        try:
            with_deadline(limit, make_calls)
        except (ProcessEndedError, TimeoutError):
            text = "its process ended, or the {limit} s for all calls are over: do the calls wait for each other?"
            raise RuntimeError(gettext(text, limit=f"{limit:g}")) from None


def _raise_first(errors: Sequence[str]) -> None:
    for error in errors:
        if error.startswith("NotImplementedError"):
            raise NotImplementedError
        raise RuntimeError(error)


class SlowConnection(sqlite3.Connection):
    """A database that answers a SELECT late, `delays` having one: other calls can change what it has read."""

    delays: ClassVar[list[float]] = []

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        cursor = super().execute(*arguments)
        if str(arguments[0]).lstrip().upper().startswith("SELECT"):
            with suppress(IndexError):
                RealClock().sleep(self.delays.pop())
        return cursor


def main(parent: int, path: Path, name: str, threads: int) -> None:
    """Answer the parent's calls until it ends."""
    function: Callable[..., object] | None = None
    sqlite3.connect = partial(sqlite3.connect, factory=SlowConnection)  # type: ignore[assignment]

    def answer(call: Sequence[Any] | None) -> list[str]:
        nonlocal function
        errors: list[str] = []
        if call is None:
            try:
                function = _load(path, name)
            except BaseException as error:
                errors.append(_describe(error))
            return errors
        assert function is not None
        SlowConnection.delays, barrier = [SELECT_DELAY], Barrier(threads)
        callers = [Thread(target=_call, args=(function, call, barrier, errors)) for _ in range(threads)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        return errors

    answer_parent(answer, JSON_LINES, parent)


def _call(function: Callable[..., object], arguments: Sequence[Any], barrier: Barrier, errors: list[str]) -> None:
    barrier.wait()
    try:
        function(*arguments)
    except BaseException as error:
        errors.append(_describe(error))


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _load(path: Path, name: str) -> Callable[..., object]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., object] = getattr(module, name)
    return function


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
