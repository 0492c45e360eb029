"""Runs a student's strategy on the traces of a contest. The traces stay here; the strategy has a process of its own."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labkit.catalogue import gettext
from labkit.clock import monotonic
from labkit.course import strategy_process
from labkit.course.scoring import Outcome, simulate
from labkit.course.strategy_process import Poll, StrategyError
from labkit.course.traces import ContestTrace
from labkit.process import JSON_LINES, ChildProcess, ProcessEndedError, plain_environment, with_deadline

LIMIT = 60.0
"""Seconds that a strategy has for all its traces together."""
KEPT = 2000
"""Characters of what a strategy prints that are kept."""


class Disqualified(Exception):  # noqa: N818  (a result, not a failure of the contest)
    """Why a strategy has no score: the file, the trace, the line or the value, and what to do."""

    def __init__(self, reason: str, printed: str = "") -> None:
        super().__init__(reason)
        self.printed = printed
        """The beginning of what it had printed by then."""


class Strategy(ChildProcess):
    """A strategy's process. It receives τ and the strategy's own polls, and nothing else of a trace."""

    def __init__(self, path: Path, limit: float) -> None:
        arguments = ["-P", "-u", strategy_process.__file__, str(path), str(limit + 5)]
        env = {**plain_environment(), "PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        super().__init__(arguments, JSON_LINES, env=env)
        self._trace: ContestTrace | None = None
        self._number, self._polls, self._at = 0, 0, 0.0
        self._sent, self.sent_at = 0, monotonic()
        """Messages, and the machine's time at the last one."""

    def progress(self) -> str:
        """How far it has come, in words."""
        if self._trace is None or self._polls == 0:
            return gettext("while loading it")
        trace = {"number": self._number, "trace": self._trace.name, "tau": f"{self._trace.tau:g}"}
        poll = {"polls": f"{self._polls:,}", "at": f"{self._at:,.0f}"}
        return gettext("on trace {number} ({trace}, τ = {tau} s), after poll {polls} at {at} s", **trace, **poll)

    def begin(self, number: int, trace: ContestTrace) -> Callable[[Poll], object]:
        """Begin a trace. Returns the function to call with each poll."""
        self._number, self._trace, self._polls = number, trace, 0
        self._exchange({"tau": trace.tau})
        return self.next_delay

    def next_delay(self, poll: Poll) -> object:
        """The seconds to the next poll, unchecked: the student's process may have forged them."""
        self._polls, self._at = self._polls + 1, poll.at
        return self._exchange({"at": poll.at, "occurred": poll.occurred}).get("delay")

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return its answer. Raises StrategyError for an error, and for what is no answer to it."""
        self._sent, self.sent_at = self._sent + 1, monotonic()
        answer: dict[str, Any] = {}
        try:
            answer = self.ask({"number": self._sent, **message})
            number, error = answer["number"], _reported_error(answer)
        except ProcessEndedError as end:
            if end.status is None:
                raise StrategyError("its process closed the pipe for answers: remove the code that does so") from None
            text = "its process ended with status {status}: remove the code that ends it"
            raise StrategyError(text, status=end.status) from None
        except (ValueError, LookupError, TypeError, AttributeError) as wrong:
            text = "it wrote to the pipe for answers ({got}): do not write to files that you have not opened"
            raise StrategyError(text, got=f"{answer or wrong!s:.80}") from None
        if number != self._sent:
            raise StrategyError("more than one process answers: remove the code that starts another one (fork)")
        if error:
            raise StrategyError("{error}", error=error)
        return answer


def _reported_error(answer: dict[str, Any]) -> str:
    """The error that the process reports, or "": in the chosen language, with the student's line."""
    if "error" not in answer:
        return ""
    if set("{}") & set(re.sub(r"{\w+}", "", answer["error"])):
        raise ValueError("an error's text must have names in braces, and no other format")
    error = gettext(answer["error"], **answer["values"])
    return gettext("line {number}, `{line}`: {error}", **where, error=error) if (where := answer["where"]) else error


def run_strategy(path: Path, traces: Sequence[ContestTrace], limit: float = LIMIT) -> tuple[list[Outcome], str]:
    """Run the strategy in a file on all traces. Returns the outcomes, and the beginning of what it printed.

    Raises Disqualified with the reason if there is no result. Takes at most `limit` seconds, and about two to clear up.
    """
    outcomes, reason = list[Outcome](), ""
    with Strategy(path, limit) as strategy:

        def run() -> list[Outcome]:
            return [simulate(trace, strategy.begin(number, trace)) for number, trace in enumerate(traces, start=1)]

        try:
            outcomes = with_deadline(limit, run)
        except StrategyError as error:
            reason = gettext(error.text, **error.values)
        except TimeoutError:
            waited = monotonic() - strategy.sent_at
            text = "the {limit} s for all traces are over: make next_delay faster"
            if waited > limit / 2:
                text = "the {limit} s for all traces are over, the last {waited} s without an answer: an endless loop?"
            reason = gettext(text, limit=f"{limit:g}", waited=f"{waited:.0f}")
        progress = strategy.progress()
    printed = strategy.errors()[:KEPT]
    if reason:
        text = gettext("{file}, {progress}: {reason}", file=path.name, progress=progress, reason=reason)
        raise Disqualified(text, printed)
    return outcomes, printed
