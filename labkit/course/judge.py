"""The judge: holds the traces, and plays them with a strategy that runs in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

from labkit.catalogue import gettext
from labkit.clock import monotonic
from labkit.course import strategy_process
from labkit.course.scoring import Outcome, play
from labkit.course.strategy_process import Fault, Poll
from labkit.course.traces import Trace

LIMIT = 60.0
"""Seconds that a strategy has for all its traces together."""
KEPT = 2000
"""Characters of what a strategy prints that are kept."""


class Disqualified(Exception):  # noqa: N818  (a verdict on a strategy, not a failure of the judge)
    """Why a strategy has no score: the file, the trace, the line or the value, and what to do."""

    def __init__(self, reason: str, printed: str = "") -> None:
        super().__init__(reason)
        self.printed = printed
        """The beginning of what it had printed by then."""


@dataclass
class Moment:
    """How far a strategy has come."""

    trace: Trace | None = None
    number: int = 0
    polls: int = 0
    at: float = 0.0
    asked: float = 0.0
    """The machine's `monotonic()` when it was last asked something."""

    def __str__(self) -> str:
        if self.trace is None or self.polls == 0:
            return gettext("as it was loaded")
        trace = {"number": self.number, "trace": self.trace.name, "tau": f"{self.trace.tau:g}"}
        told = {**trace, "polls": f"{self.polls:,}", "at": f"{self.at:,.0f}"}
        return gettext("on trace {number} ({trace}, τ = {tau} s), after poll {polls} at {at} s", **told)


class Player:
    """A strategy's process, told of its own polls and of nothing else. It and its children are killed after the block.

    A child that makes itself a session of its own gets away: this is no prison.
    """

    def __init__(self, path: Path, limit: float) -> None:
        self.path, self.limit, self.questions = path, limit, 0
        self.printed = ""
        self.moment = Moment(asked=monotonic())

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", strategy_process.__file__, str(self.path), str(self.limit + 5)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8:backslashreplace"},
            start_new_session=True,  # so that Ctrl-C is for us alone, and its children end with it
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._reader = Thread(target=self._keep, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        return self

    def begin(self, number: int, trace: Trace) -> Callable[[Poll], object]:
        """Begin a round; returns whom to ask. The trace stays here: τ goes over."""
        self.moment = Moment(trace, number)
        self._answer({"tau": trace.tau})
        return self.ask

    def ask(self, poll: Poll) -> object:
        """Tell of a poll; returns the seconds to the next, which nobody has checked."""
        self.moment.polls, self.moment.at = self.moment.polls + 1, poll.at
        return self._answer({"at": poll.at, "occurred": poll.occurred}).get("delay")

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        process, self.moment.asked = self._process, monotonic()
        self.questions += 1
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):  # it has ended, which the lack of an answer says
            process.stdin.write(json.dumps({"number": self.questions, **question}).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline(10_000)
        if not line:
            status = None
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(1.0)
            if status is None:
                raise Fault("its process closed the file for answers: leave out what does that")
            raise Fault("its process ended by itself, with status {status}: leave out what does that", status=status)
        try:
            answer: dict[str, Any] = json.loads(line)
            number, fault = answer["number"], _said(answer)
        except (ValueError, LookupError, TypeError, AttributeError):
            got = f"{line[:40]!r}"
            raise Fault(
                "it wrote {got} where only answers belong: leave the process's own files alone", got=got
            ) from None
        if number != self.questions:
            raise Fault("more than one process of it answers: leave out what starts another (fork)")
        if fault:
            raise Fault("{fault}", fault=fault)
        return answer

    def _keep(self, stream: IO[bytes]) -> None:
        """Read what is printed, so that it never fills the pipe; keep the beginning."""
        with suppress(OSError, ValueError), stream:
            while piece := os.read(stream.fileno(), 65_536):
                self.printed += piece.decode(errors="replace")[: KEPT - len(self.printed)]

    def close(self) -> None:
        """Close our ends of the pipes: by who reads them, lest a close waits for a read."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._reader.join(1.0)


def _said(answer: dict[str, Any]) -> str:
    """The fault that the process reports, if it does, in the chosen language, with the student's line."""
    if "fault" not in answer:
        return ""
    if set("{}") & set(re.sub(r"{\w+}", "", answer["fault"])):
        raise ValueError("a fault has names in braces, and nothing else that format would do")
    fault = gettext(answer["fault"], **answer["values"])
    return gettext("line {number}, `{line}`: {fault}", **where, fault=fault) if (where := answer["where"]) else fault


def judged(path: Path, traces: Sequence[Trace], limit: float = LIMIT) -> tuple[list[Outcome], str]:
    """Play all traces with the strategy in a file; returns what came of it, and the beginning of what it printed.

    Raises Disqualified with the reason where there is no result, and never takes more than `limit` seconds and a few.
    """
    ended: list[list[Outcome] | BaseException] = []

    def work(one: Player) -> None:
        try:
            ended.append([play(trace, one.begin(number, trace)) for number, trace in enumerate(traces, start=1)])
        except BaseException as error:
            ended.append(error)
        finally:
            one.close()

    with Player(path, limit) as one:
        thread = Thread(target=work, args=(one,), daemon=True)  # whatever it waits for, we do not
        thread.start()
        thread.join(limit)
        moment, waited, over = str(one.moment), monotonic() - one.moment.asked, thread.is_alive()
    result: list[Outcome] | BaseException
    if not over:
        (result,) = ended
    elif waited > limit / 2:
        why = "the {limit} s for all traces are over; no answer for {waited} s: does it loop for ever?"
        result = Fault(why, limit=f"{limit:g}", waited=f"{waited:.0f}")
    else:
        result = Fault("the {limit} s for all traces are over; answer sooner", limit=f"{limit:g}")
    if isinstance(result, Fault):
        reason = {"file": path.name, "moment": moment, "reason": gettext(result.text, **result.values)}
        raise Disqualified(gettext("{file}, {moment}: {reason}", **reason), one.printed) from None
    if isinstance(result, BaseException):
        raise result
    return result, one.printed
