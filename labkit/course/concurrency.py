"""Calls one function from several threads of several processes at the same time, as webhooks call a receiver.

Run as a script, this is one of the processes. It answers the arguments of each call with what its threads raised.
"""

import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, ClassVar

from labkit.catalogue import gettext
from labkit.clock import RealClock
from labkit.process import JSON_LINES, ChildProcess, ProcessEndedError, answer_parent, plain_environment, with_deadline

LIMIT = 20.0
"""Seconds that all calls together may take."""
SELECT_DELAY = 0.010
"""Seconds by which one SELECT per call and process is delayed: enough for the other process to catch up."""


def call_concurrently(
    path: Path, name: str, calls: Sequence[Sequence[object]], processes: int = 2, threads: int = 4, limit: float = LIMIT
) -> None:
    """Make each call `processes` × `threads` times at the same moment; when all have returned, make the next.

    The function has this name in the file at `path`. Raises NotImplementedError if it does, and RuntimeError for any
    other exception, with its name and text, and when `limit` seconds are over.
    """
    arguments = ["-P", __file__, str(os.getpid()), str(path), name, str(threads)]
    with ExitStack() as stack:
        children = [
            stack.enter_context(ChildProcess(arguments, JSON_LINES, env=plain_environment())) for _ in range(processes)
        ]

        def make_calls() -> None:
            for call in [None, *calls]:  # None is answered when the file is loaded, so that all start together
                for child in children:
                    child.send(call)
                for error in [error for child in children for error in child.receive()]:
                    if error.startswith("NotImplementedError"):
                        raise NotImplementedError
                    raise RuntimeError(error)

        try:
            with_deadline(limit, make_calls)
        except (ProcessEndedError, TimeoutError):
            text = "its process ended, or the {limit} s for all calls are over: do the calls wait for each other?"
            raise RuntimeError(gettext(text, limit=f"{limit:g}")) from None


class SlowConnection(sqlite3.Connection):
    """A database that answers a SELECT late while `delays` has one, so that other calls change what it has read."""

    delays: ClassVar[list[float]] = []

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        cursor = super().execute(*arguments)
        if str(arguments[0]).lstrip().upper().startswith("SELECT"):
            with suppress(IndexError):
                RealClock().sleep(self.delays.pop())
        return cursor


def main(parent: int, path: Path, name: str, threads: int) -> None:
    """Answer the parent's calls until it ends."""
    names: dict[str, Any] = {"__name__": path.stem}
    sqlite3.connect = partial(sqlite3.connect, factory=SlowConnection)  # type: ignore[assignment]

    def answer(call: Sequence[Any] | None) -> list[str]:
        errors: list[str] = []
        barrier = Barrier(1 if call is None else threads)

        def run() -> None:
            barrier.wait()
            try:
                if call is None:
                    exec(compile(path.read_bytes(), str(path), "exec"), names)
                else:
                    names[name](*call)
            except BaseException as error:
                errors.append(f"{type(error).__name__}: {error}".rstrip(": "))

        SlowConnection.delays = [SELECT_DELAY]
        callers = [Thread(target=run) for _ in range(barrier.parties)]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        return errors

    answer_parent(answer, JSON_LINES, parent)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
