"""One function, called by several threads of several processes at once, as deliveries and retries call a receiver.

Run as a script, this is one of the processes: it answers each line of arguments by a line of what its threads raised.
"""

import importlib.util
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Barrier, Thread, Timer
from typing import Any, ClassVar

from labkit.catalogue import gettext
from labkit.clock import RealClock

LIMIT = 20.0
"""Seconds that all calls together may take."""
LATE = 0.010
"""Seconds by which a database answers late, once a call and process: enough for the other process to catch up."""


def at_once(
    path: Path,
    name: str,
    calls: Sequence[Sequence[object]],
    processes: int = 2,
    threads: int = 4,
    limit: float = LIMIT,
) -> None:
    """Make each call `processes` × `threads` times at the same moment, and when all are through, the next.

    The function is the one of that name in the file at `path`. If one raises NotImplementedError, so does this;
    RuntimeError for whatever else it raises, with its name and words, and if `limit` seconds are over.
    """
    command = [sys.executable, "-P", "-u", __file__, str(path), name, str(threads)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            )
            for _ in range(processes)
        ]
        for one in started:
            last = Timer(limit, one.kill)
            last.start()
            stack.callback(last.cancel)
            stack.callback(one.kill)
        for call in [None, *calls]:  # the first is no call: who answers it has loaded the file
            for one in started:
                assert one.stdin is not None
                one.stdin.write(json.dumps(call).encode() + b"\n")
                one.stdin.flush()
            for one in started:
                assert one.stdout is not None
                _raise(one.stdout.readline(), limit)


def _raise(line: bytes, limit: float) -> None:
    if not line:
        said = "its process ended, or the {limit} s for all calls are over: do they wait for each other?"
        raise RuntimeError(gettext(said, limit=f"{limit:g}"))
    for fault in json.loads(line):
        if fault.startswith("NotImplementedError"):
            raise NotImplementedError
        raise RuntimeError(fault)


class Overtaken(sqlite3.Connection):
    """A database whose first answer to a SELECT comes late: others have time to change what was seen."""

    pauses: ClassVar[list[float]] = []

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        cursor = super().execute(*arguments)
        if str(arguments[0]).lstrip().upper().startswith("SELECT"):
            with suppress(IndexError):
                RealClock().sleep(self.pauses.pop())
        return cursor


def main(path: Path, name: str, threads: int) -> None:
    """Answer until nobody asks any more."""
    function: Callable[..., object] | None = None
    answers, sys.stdout = sys.stdout, sys.stderr
    sqlite3.connect = partial(sqlite3.connect, factory=Overtaken)  # type: ignore[assignment]
    for line in sys.stdin:
        faults: list[str] = []
        if function is None:
            try:
                function = _load(path, name)
            except BaseException as error:
                faults.append(_words(error))
        else:
            Overtaken.pauses, together = [LATE], Barrier(threads)
            crowd = [Thread(target=_call, args=(function, json.loads(line), together, faults)) for _ in range(threads)]
            for thread in crowd:
                thread.start()
            for thread in crowd:
                thread.join()
        print(json.dumps(faults), file=answers, flush=True)


def _call(function: Callable[..., object], arguments: Sequence[Any], together: Barrier, faults: list[str]) -> None:
    together.wait()
    try:
        function(*arguments)
    except BaseException as error:
        faults.append(_words(error))


def _words(error: BaseException) -> str:
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
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
