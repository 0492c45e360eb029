"""A child process that answers messages: what it says is heard, and nothing of it stays, however it ends."""

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labkit.clock import monotonic
from labkit.lenses.real import SourceProcess
from labkit.process import JSON_LINES, KEPT_BYTES, ChildProcess, Codec, ProcessEndedError, with_deadline

posix = pytest.mark.skipif(os.name != "posix", reason="sessions and fork are POSIX's")
ECHO = "for line in open(0): print(line, end='', flush=True)"
ANSWER = """
import {codec}, os, sys
from labkit import process

def answer(message):
    print("noise")
    os.write(1, b"noise")
    print("more noise", file=sys.stderr)
    return [message, sys.stdin.read(), os.getsid(0) if os.name == "posix" else None]

codec = {codec} if {codec}.__name__ == "pickle" else process.JSON_LINES
process.answer_parent(answer, codec, int(sys.argv[1]), lambda: open(sys.argv[2], "w").close())
"""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that a test starts: each has ended at its end, its pipes are closed, and no thread is left."""
    made = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[call-overload]
            made.append(self)

    monkeypatch.setattr("labkit.process.subprocess.Popen", Recorded)
    threads = set(threading.enumerate())
    yield made
    for process in made:
        assert process.returncode is not None
        assert [pipe.closed for pipe in (process.stdin, process.stdout, process.stderr)] == [True] * 3
    assert set(threading.enumerate()) <= threads


def child(code: str, *arguments: str, codec: Codec = JSON_LINES, **named: float) -> ChildProcess:
    return ChildProcess(["-c", code, *arguments], codec, "the child", **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(("codec", "name"), [(JSON_LINES, "json"), (pickle, "pickle")])
def test_a_message_is_answered_whatever_the_child_prints(codec: Codec, name: str, tmp_path: Path) -> None:
    """Its standard input is empty, its session is its own, and it cleans up when it is closed."""
    message, cleaned = {"text": "ü\n", "numbers": [1.5, None]}, tmp_path / "cleaned"
    with child(ANSWER.format(codec=name), str(os.getpid()), str(cleaned), codec=codec, stop_seconds=5.0) as process:
        for _ in range(2):
            answer, standard_input, session = process.ask(message)
            assert (answer, standard_input) == (message, "")
        assert session != (os.getsid(0) if os.name == "posix" else 0)
        assert not process.ended()
        assert not cleaned.exists()
    assert cleaned.exists()
    assert process.errors().count("noise") == 6


def test_each_of_several_threads_gets_the_answer_to_its_own_message() -> None:
    with child(ECHO) as process, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(process.ask, range(2000))) == list(range(2000))


# Nothing is left


def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the import of flask fail in child processes."""
    (tmp_path / "flask.py").write_text("raise RuntimeError('no flask today')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_process_that_fails_while_starting_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(tmp_path, monkeypatch)
    with (
        pytest.raises(ProcessEndedError, match=r"the child ended with status 1\n(.|\n)*no flask today") as error,
        child("import flask") as process,
    ):
        process.ask("ready")
    assert error.value.status == 1


def test_a_source_process_that_fails_while_starting_leaves_neither_process_nor_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(tmp_path, monkeypatch)
    with pytest.raises(RuntimeError, match=r"the source's process ended with status 1\n(.|\n)*no flask today"):
        SourceProcess(str(tmp_path)).__enter__()


def test_a_source_process_that_is_interrupted_while_starting_leaves_neither_process_nor_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    def interrupt(self: ChildProcess) -> None:
        assert started[0].poll() is None
        raise KeyboardInterrupt

    monkeypatch.setattr(ChildProcess, "receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        SourceProcess(str(tmp_path)).__enter__()


@pytest.mark.parametrize("stop_seconds", [0.0, 0.2])
def test_a_process_that_does_not_end_is_killed(stop_seconds: float) -> None:
    began = monotonic()
    with child("import time; time.sleep(60)", stop_seconds=stop_seconds) as process:
        assert not process.ended()
    assert process.ended()
    assert stop_seconds <= monotonic() - began < 5


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "XZ"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_a_child_started_is_killed_with_it() -> None:
    forks = "import os, time\npid = os.fork()\nprint(pid, flush=True) if pid else None\ntime.sleep(60)"
    with child(forks) as process:
        pid = process.receive()
        assert runs(pid)
    until = monotonic() + 5
    while runs(pid):
        assert monotonic() < until


# What goes wrong


def test_a_process_that_closes_its_output_has_no_status() -> None:
    with child("import os, time; os.close(1); time.sleep(60)") as process:
        with pytest.raises(ProcessEndedError, match="the child closed its standard output") as error:
            process.ask(1)
        assert error.value.status is None


@pytest.mark.parametrize("line", ["no JSON", "[" * 9000, "7" * 5000, '"\xff"'])
def test_what_is_no_json_is_refused_with_its_beginning(line: str) -> None:
    code = f"import sys; sys.stdout.buffer.write({line.encode('latin-1')!r} + b'\\n')"
    with (
        child(code) as process,
        pytest.raises(ValueError, match=rf"must be a line of JSON, got b.{re.escape(line[0])}"),
    ):
        process.receive()


def test_only_the_beginning_of_standard_error_is_kept() -> None:
    """However much there is, it does not block the process."""
    with child("import sys; sys.stderr.write('é' * 200_000); print(7)") as process:
        assert process.receive() == 7
    assert process.errors() == "é" * (KEPT_BYTES // 2)


# The deadline


def test_work_within_the_deadline_returns_or_raises() -> None:
    assert with_deadline(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        with_deadline(5, lambda: 1 / 0)


@posix
@pytest.mark.parametrize(
    "wait", [lambda process: process.ask(1), lambda process: process.ask("x" * 1_000_000)], ids=["short", "long"]
)
def test_work_past_the_deadline_is_left_also_when_a_child_that_escaped_holds_the_pipes(
    wait: Callable[[ChildProcess], object],
) -> None:
    """While it reads, and while it writes more than the pipe holds."""
    code = "import os, time\nif os.fork() == 0: os.setsid(); print(os.getpid(), flush=True)\ntime.sleep(60)"
    began, before = monotonic(), set(threading.enumerate())
    with child(code) as process:
        escaped = process.receive()
        with pytest.raises(TimeoutError):
            with_deadline(0.2, lambda: wait(process))
    assert monotonic() - began < 10
    os.kill(escaped, signal.SIGKILL)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
