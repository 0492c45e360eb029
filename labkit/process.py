"""A child process that answers messages over its standard streams.

`ChildProcess` is the parent's side, `answer_parent` the child's. A codec writes and reads one message: `pickle` where
both sides are ours, `JSON_LINES` where the child runs a student's code. Never unpickle what such a process writes: it
could make the parent run anything.
"""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import IO, Any, NoReturn, Protocol, Self, TypeVar

PLAIN = re.compile(
    "PATH|HOME|TZ|USERPROFILE|APPDATA|SYSTEMROOT|SYSTEMDRIVE|WINDIR|TEMP|TMP|TMPDIR|LANG|LC_[A-Z]+|(DY)?LD_LIBRARY_PATH"
    "|PYTHON[A-Z]+|VIRTUAL_ENV|CONDA_PREFIX|[A-Z]+_NUM_THREADS",
    re.IGNORECASE,
)
"""Names of the environment that a process which runs a student's code is given: those that Python and NumPy read."""
LONGEST_LINE = 1 << 20
"""Bytes. A longer line is no message."""
KEPT_BYTES = 20_000
"""Of the child's standard error, from its beginning."""
JOIN_SECONDS = 1.0
"""For which the status or the pipes of a process that has ended are waited for: one of its children may hold them."""
PARENT_CHECK_SECONDS = 0.2

T = TypeVar("T")


class Codec(Protocol):
    """How one message is written and read; the module `pickle` is one. `load` raises EOFError at the end."""

    def dump(self, message: Any, stream: Any, /) -> None: ...
    def load(self, stream: Any, /) -> Any: ...


class JsonLines:
    """A message is one line of JSON."""

    def dump(self, message: Any, stream: Any, /) -> None:
        stream.write(json.dumps(message).encode() + b"\n")

    def load(self, stream: Any, /) -> Any:
        line = stream.readline(LONGEST_LINE)
        if not line:
            raise EOFError
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError(f"a message must be a line of JSON, got {line[:40]!r}") from None


JSON_LINES = JsonLines()


class ProcessEndedError(RuntimeError):
    """The process gives no more answers. Its `status` is None if it runs on and has only closed its output."""

    def __init__(self, name: str, status: int | None, errors: str) -> None:
        what = "closed its standard output" if status is None else f"ended with status {status}"
        super().__init__(f"{name} {what}\n{errors[-2000:]}")
        self.status = status


class ChildProcess:
    """Python in a child process. After the `with` block it has ended and its pipes are closed, whatever happened.

    It runs in a session of its own: Ctrl-C reaches the parent alone, and the processes that the child started are
    killed with it. One that starts its own session escapes, so this is not a sandbox.
    """

    def __init__(self, arguments: Sequence[str], codec: Codec, name: str = "the child process",
                 stop_seconds: float = 0.0, env: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """Start `python *arguments`. When closed, it has `stop_seconds` to end by itself before it is killed."""
        self._codec, self._name, self._stop_seconds = codec, name, stop_seconds
        self._lock, self._kept = Lock(), bytearray()
        command, pipe = [sys.executable, *arguments], subprocess.PIPE
        flags = 0x200 if os.name == "nt" else 0  # a new process group, for the same on Windows
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True, creationflags=flags
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._reader = Thread(target=self._keep, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def ask(self, message: Any, /) -> Any:
        """Send a message and return the answer. Several threads may ask: each gets its own answer."""
        with self._lock:
            self.send(message)
            return self.receive()

    def send(self, message: Any) -> None:
        """Half of `ask`, to send to several processes before the first has answered."""
        with suppress(OSError):  # it has ended: `receive` raises
            self._codec.dump(message, self._stdin)
            self._stdin.flush()

    def receive(self) -> Any:
        """The other half. Raises ProcessEndedError, or ValueError for what is no message."""
        try:
            return self._codec.load(self._stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(JOIN_SECONDS)
                self._reader.join(JOIN_SECONDS)
            raise ProcessEndedError(self._name, self._process.poll(), self.errors()) from None

    def ended(self) -> bool:
        return self._process.poll() is not None

    def errors(self) -> str:
        """The beginning of what it wrote to standard error; all of it once the process is closed."""
        return self._kept.decode(errors="replace")

    def close(self) -> None:
        """End the process, and what it started, and close the pipes."""
        try:
            if self._stop_seconds:
                with suppress(OSError):
                    self._stdin.close()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(self._stop_seconds)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            closer = Thread(target=self._close_pipes, daemon=True)  # a thread may read on, from a child that escaped
            closer.start()
            for thread in (closer, self._reader):
                thread.join(JOIN_SECONDS)

    def _close_pipes(self) -> None:
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()

    def _keep(self, stream: IO[bytes]) -> None:
        """Read standard error, so that it never fills its pipe."""
        with suppress(OSError, ValueError), stream:
            while piece := os.read(stream.fileno(), 65_536):
                self._kept += piece[: KEPT_BYTES - len(self._kept)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def plain_environment() -> dict[str, str]:
    """This process's environment without what may be a secret: a token, a grader's seed, a hub's key."""
    return {name: value for name, value in os.environ.items() if PLAIN.fullmatch(name)}


def with_deadline(seconds: float, work: Callable[[], T]) -> T:
    """Return or raise what `work()` does, or raise TimeoutError if that takes longer than `seconds`.

    `work` runs in a thread. After the deadline it stays there until what it waits for ends: close the process next.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return result.result(seconds)


def when_parent_dies(parent: int, end: Callable[[], object]) -> None:
    """Call `end()` in a thread when the process `parent` has died, also if it was killed. Only on POSIX systems."""

    def watch() -> None:
        while os.getppid() == parent:
            Event().wait(PARENT_CHECK_SECONDS)
        end()

    if os.name == "posix":
        Thread(target=watch, daemon=True).start()


def answer_parent(
    answer: Callable[[Any], Any], codec: Codec, parent: int, clean_up: Callable[[], object] = lambda: None
) -> NoReturn:
    """The child's side: answer each message, until the process `parent` has died or has closed its end.

    Then clean up and exit at once, without waiting for threads. What the child prints goes to standard error, and its
    standard input is empty, so neither disturbs the messages.
    """
    messages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def end() -> NoReturn:
        clean_up()
        os._exit(0)

    when_parent_dies(parent, end)  # no EOF comes while a process that the parent forked holds the pipe's other end
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            codec.dump(answer(codec.load(messages)), answers)
            answers.flush()
    end()
