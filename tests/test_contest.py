"""The contest: the optimum is minimal, costs equal the virtual lens's, and a bad strategy has no score but a reason."""

import io
import itertools
import json
import math
import os
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import labkit

from labkit import Aimd, HalveDouble, Polling, Scenario, compare, earthquakes, poisson
from labkit.approaches import Approach
from labkit.arrivals import WEEK
from labkit.clock import NANO, monotonic
from labkit.course import Contest, ContestTrace, Disqualified, Outcome, Poll, contest, optimum, rules, simulate, traces
from labkit.course.contest import baselines
from labkit.course.scoring import MOST_POLLS, outcome
from labkit.course.strategy import run_strategy
from labkit.course.strategy_process import StrategyError, poll_handler
from labkit.plots.contest import contest as contest_figure
from labkit.process import ChildProcess

HOUR = 3600 * NANO
DOOR = ContestTrace.of("door", tau=60, horizon=7200, events=[30, 40, 1000, 1000, 3600, 7199.5])


@pytest.fixture(scope="module")
def ten_minutes() -> Contest:
    """The contest of a strategy that always waits ten minutes."""
    return contest(lambda history: 600)


@cache
def practice() -> tuple[ContestTrace, ...]:
    """The traces of seed 0, drawn once."""
    return tuple(traces(0))


def cost(events: Sequence[int], polls: Sequence[int], horizon: int, tau: int) -> int:
    """J · τ by its definition: each event waits for the first poll at or after it, or for the horizon."""
    waits = [min([poll for poll in polls if poll >= event] or [horizon]) - event for event in events]
    return len(polls) * tau + sum(waits)


# The optimum


@given(st.lists(st.integers(0, 99), max_size=8), st.integers(100, 150), st.integers(1, 120))
def test_no_set_of_polls_is_cheaper_than_the_optimum(events: list[int], horizon: int, tau: int) -> None:
    """Against every subset of the events' instants, and some that are elsewhere: `cost` knows nothing of groups."""
    events.sort()
    instants = sorted({*events, *(event + 1 for event in events[:2])})
    choices = (polls for size in range(len(instants) + 1) for polls in itertools.combinations(instants, size))
    least = min(cost(events, polls, horizon, tau) for polls in choices)
    assert cost(events, optimum(events, horizon, tau), horizon, tau) == least


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(1, 5000))
def test_the_hull_finds_what_trying_every_group_finds(events: list[int], tau: int) -> None:
    events.sort()
    count, horizon = len(events), 10_001
    least = [0]
    for j in range(1, count + 1):
        groups = (sum(events[j - 1] - event for event in events[i:j]) for i in range(j))
        least.append(tau + min(before + wait for before, wait in zip(least, groups, strict=False)))
    tails = (sum(horizon - event for event in events[i:]) for i in range(count + 1))
    best = min(head + tail for head, tail in zip(least, tails, strict=True))
    assert cost(events, optimum(events, horizon, tau), horizon, tau) == best


@given(
    st.lists(st.floats(0, 999), max_size=20),
    st.lists(st.floats(0.5, 400), min_size=1, max_size=20),
    st.floats(0.01, 1000),
)
def test_no_strategy_is_cheaper_than_the_optimum(events: list[float], delays: list[float], tau: float) -> None:
    """Exactly, in whole nanoseconds: no rounding can make a ratio less than 1."""
    trace, rhythm = ContestTrace.of("any", tau, 1000, events), itertools.cycle(delays)
    best = outcome(trace, optimum(trace.events, trace.horizon, round(tau * NANO)), "optimal")
    assert simulate(trace, lambda poll: next(rhythm)).scaled >= best.scaled


def test_a_clairvoyant_that_polls_at_each_event_is_not_the_optimum() -> None:
    """At λτ > 2 it loses to a fixed interval already."""
    trace = ContestTrace.of("busy", 6000, WEEK, [event.occurred_at for event in poisson(10).events])
    eager = outcome(trace, sorted(set(trace.events)), "eager")
    scaled = {one.strategy: one.scaled for one in baselines(trace)}
    assert eager.scaled > scaled["fixed"] > scaled["optimal"]


# The arithmetic


@given(st.lists(st.floats(0, 999), max_size=20), st.lists(st.floats(0.5, 400), min_size=1, max_size=20))
def test_an_outcome_is_what_its_definition_says(events: list[float], delays: list[float]) -> None:
    """And the polls return each event once, in order, at or after its instant and after the poll before."""
    trace, rhythm, polls = ContestTrace.of("any", 7, 1000, events), itertools.cycle(delays), []

    def next_delay(poll: Poll) -> float:
        polls.append(poll)
        return next(rhythm)

    result = simulate(trace, next_delay)
    instants = [round(poll.at * NANO) for poll in polls]
    assert result.scaled == cost(trace.events, instants, trace.horizon, 7 * NANO)
    assert result.polls == len(polls)
    returned = [round(occurred * NANO) for poll in polls for occurred in poll.occurred]
    assert returned == [event for event in trace.events if event <= instants[-1]]
    for before, poll in zip([Poll(-1.0, ()), *polls], polls, strict=False):
        assert all(before.at < occurred <= poll.at for occurred in poll.occurred)


DAY = poisson(12, duration=86_400, seed=4)


def lens(approach: Approach) -> tuple[list[int], int]:
    """The instants of the polls, and the total latency up to the horizon, of a run of the virtual lens."""
    result = compare(Scenario(DAY, delay=0.0), [approach])[0]
    received = (result.receipts.received_at * NANO).round()
    occurred = (result.receipts.occurred_at * NANO).round()
    latency = received.clip(upper=DAY.duration * NANO) - occurred
    return (result.counted.sent_at * NANO).round().astype(int).tolist(), int(latency.sum())


def arithmetic(rule: Callable[..., float]) -> tuple[list[int], int]:
    """The same of a simulated trace."""
    trace = ContestTrace.of("poisson", 600, DAY.duration, [event.occurred_at for event in DAY.events])
    handle, instants = poll_handler(rule, trace.tau), []

    def next_delay(poll: Poll) -> object:
        instants.append(round(poll.at * NANO))
        return handle(poll)

    latency = simulate(trace, next_delay).latency
    return instants, latency


@pytest.mark.parametrize("interval", [60.0, 301.7, 7000.0])
def test_the_arithmetic_is_the_virtual_lens_s_at_a_fixed_interval(interval: float) -> None:
    """Where the network has no delay: polls at the same nanoseconds, and the same total latency."""
    assert arithmetic(lambda history: interval) == lens(Polling(interval=interval, limit=1000))


@pytest.mark.parametrize(
    ("approach", "rule"), [(Aimd(start=600, add=600, longest=1e9), rules.aimd), (HalveDouble(), rules.halve_double)]
)
def test_the_baselines_are_the_lab_s_approaches(approach: Approach, rule: Callable[..., float]) -> None:
    """A rule computes its last delay from instants in whole nanoseconds, so it may be off by a few of them."""
    (ours, latency), (theirs, total) = arithmetic(rule), lens(approach)
    assert len(ours) == len(theirs)
    assert all(abs(a - b) <= len(ours) for a, b in zip(ours, theirs, strict=True))
    assert abs(latency - total) <= len(ours) * len(DAY.events)


def test_the_fixed_interval_is_the_best_of_the_fixed_ones_on_a_poisson_stream() -> None:
    """J = D/T + nT/2τ is flat at its minimum: within 3% of the formula, and higher 30% to either side."""
    trace = traces(seed=1)[5]
    best = math.sqrt(2 * trace.tau / trace.rate)
    found = {share: simulate(trace, lambda poll, share=share: best * share).cost for share in (0.7, 1.0, 1.3)}
    assert (trace.name, trace.tau) == ("poisson", 600)
    assert found[1.0] == simulate(trace, poll_handler(rules.fixed(trace), trace.tau)).cost
    assert found[0.7] > found[1.0] < found[1.3]
    assert found[1.0] == pytest.approx(math.sqrt(2 * len(trace.events) * trace.horizon / NANO / trace.tau), rel=0.03)


def test_a_score_is_the_geometric_mean_of_the_ratios(ten_minutes: Contest) -> None:
    table = ten_minutes.table()
    assert table.groupby("strategy").size().unique().tolist() == [15]
    for strategy, rows in table.groupby("strategy"):
        ratios = rows.cost / rows.optimal_cost
        assert ten_minutes.scores[str(strategy)] == pytest.approx(math.prod(ratios) ** (1 / 15), rel=1e-12)
        assert (ratios >= 1).all()
    assert ten_minutes.scores["optimal"] == 1
    assert ten_minutes.score == ten_minutes.scores["yours"]


# The traces


def test_a_seed_makes_the_traces_and_another_makes_others() -> None:
    assert tuple(traces(0)) == practice()
    assert not {trace.events for trace in practice()} & {trace.events for trace in traces(1)}


def test_every_trace_of_a_contest_is_another() -> None:
    """Nothing that is learnt from one helps with the next, also if only τ differs."""
    assert len(practice()) == len({trace.events for trace in practice()}) == 15
    for trace in practice():
        assert list(trace.events) == sorted(trace.events)
        assert trace.events[0] >= 0
        assert trace.events[-1] < trace.horizon
        assert 3 < trace.rate * 3600 < 60 or trace.name in ("bursty", "switching")


def test_remembering_the_earthquakes_does_not_help() -> None:
    """A cheat that knows the recorded week, its shift and its scale, and polls optimally for that, loses to fixed.

    It draws the same random numbers as the trace. No strategy can, so none can know more.
    """
    week = [event.occurred_at for event in earthquakes().events]
    for seed in range(5):
        for trace in (one for one in traces(seed) if one.name == "earthquakes"):
            chance = random.Random(f"{seed}/earthquakes/{trace.tau:g}")
            shift, scale = chance.random() * WEEK, chance.uniform(0.5, 1)
            memory = ContestTrace.of("memory", trace.tau, scale * WEEK, [(at + shift) % WEEK * scale for at in week])
            assert memory.horizon == trace.horizon
            cheat = outcome(trace, optimum(memory.events, memory.horizon, round(trace.tau * NANO)), "cheat")
            fixed = simulate(trace, poll_handler(rules.fixed(trace), trace.tau))
            assert cheat.scaled > fixed.scaled


# What a strategy must return


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (float("nan"), r"must return a finite number of seconds, got nan"),
        (float("inf"), r"finite number of seconds, got inf \(to stop: 1e9\)"),
        (10**400, r"finite number of seconds, got inf"),
        (0, r"must return >= 0.001 s, got 0"),
        (-2.5, r">= 0.001 s, got -2.5"),
        ("60", r"a number of seconds, got '60' \(str\)"),
        (True, r"a number of seconds, got True \(bool\)"),
        (0.1, rf"polled {MOST_POLLS:,} times by 5,000 s of 7,200 s, the most on one trace: return longer delays"),
    ],
)
def test_a_delay_is_refused_with_the_value(delay: object, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        simulate(DOOR, lambda poll: delay)


@pytest.mark.parametrize("delay", [1e9, 1e300, 1.7e308])
def test_a_huge_delay_stops_polling(delay: float) -> None:
    assert simulate(DOOR, lambda poll: delay).polls == 1


# Files that get no score

GOOD = "def next_delay(history):\n    return 600\n"
DELAY = "def next_delay(history): return "
BAD = {
    "raises": (
        "def next_delay(history):\n    return 600 / (3 - len(history))\n",
        r"strategy.py, on trace 1 \(poisson, τ = 60 s\), after poll 3 at \d+ s:"
        r" line 2, `return 600 / \(3 - len\(history\)\)`: ZeroDivisionError: division by zero",
    ),
    "none": (
        "def next_delay(history): pass",
        r"on trace 1 .*: next_delay must return .*, got None: does every branch end in a return",
    ),
    "misnamed": (
        "def nextdelay(history): return 60",
        r"strategy.py, while loading it: there is no next_delay in the file; it has nextdelay: rename it",
    ),
    "nothing": ("def wait(history): return 60", r"no next_delay in the file, only the functions wait"),
    "a number": ("next_delay = 60", r"next_delay must be a function, got 60"),
    "parameters": (
        "def next_delay(history, memory): return 60",
        r"must take \(history\) or \(history, tau\): missing a required argument: 'memory'",
    ),
    "syntax": ("def next_delay(history):\n    retrun 60\n", r"while loading it: line 2: SyntaxError"),
    "import": ("import numppy\n", r"line 1, `import numppy`: ModuleNotFoundError: No module named 'numppy'"),
    "exit": (
        "import sys\ndef next_delay(history):\n    sys.exit()\n",
        r"after poll 1 at 0 s: line 3, `sys.exit\(\)`: it called exit",
    ),
    "exit at once": ("exit(0)", r"while loading it: line 1, `exit\(0\)`: it called exit"),
    "dies": ("import os\ndef next_delay(history): os._exit(3)", r"its process ended with status 3"),
    "reads": (DELAY + "float(input())", r"line 1, .*EOFError"),
    "recursion": (DELAY + "next_delay(history)", r"line 1, .*RecursionError"),
    "a long message": ("def next_delay(history): raise ValueError('x' * 20_000)", r"ValueError: x{20000}$"),
    "rubbish": (
        "import os\ndef next_delay(history):\n    for n in range(3, 20):\n        try: os.write(n, b'60\\n' * 9)\n"
        "        except OSError: pass\n    return 60",
        r"it wrote to the pipe for answers \(60\): do not write to files that you have not opened",
    ),
    "closes": (
        "import os\ndef next_delay(history):\n    os.closerange(0, 30)\n    while True: pass",
        r"its process closed the pipe for answers",
    ),
    "interrupts": ("def next_delay(history): raise KeyboardInterrupt", r"line 1, .*KeyboardInterrupt"),
    "waits": (
        "def next_delay(history):\n    while True: pass\n",
        r"after poll 1 at 0 s: the 1.5 s for all traces are over, the last \d s without an answer: an endless loop\?",
    ),
    "slow": (
        "import time\ndef next_delay(history):\n    time.sleep(0.2)\n    return 600\n",
        r"on trace 1 .*, after poll \d+ at [\d,]+ s: the 1.5 s for all traces are over: make next_delay faster",
    ),
    "not UTF-8": ("name = '\xff'\n" + DELAY + "60", r"while loading it: .*SyntaxError"),
}


def write(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "strategy.py"
    path.write_bytes(code.encode("latin-1"))
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_strategy_has_no_score_and_the_message_says_where_and_why(tmp_path: Path, name: str) -> None:
    code, message = BAD[name]
    began = monotonic()
    with pytest.raises(Disqualified) as reason:
        run_strategy(write(tmp_path, code), practice()[:1], limit=1.5 if name in ("waits", "slow") else 60.0)
    assert re.search(message, str(reason.value)), str(reason.value)
    assert monotonic() - began < 30


@pytest.mark.skipif(os.name == "nt", reason="forking is POSIX")
def test_two_processes_that_answer_are_noticed(tmp_path: Path) -> None:
    forks = "import os\ndef next_delay(history):\n    os.fork()\n    return 600\n"
    with pytest.raises(Disqualified, match=r"more than one process answers: remove the code that starts another one"):
        run_strategy(write(tmp_path, forks), practice()[:1])


FORGED = [
    '{"number": 2, "error": "x"}',
    '{"number": 2, "error": "x", "values": {}}',
    '{"number": 2, "error": "{x}", "values": {}, "where": null}',
    '{"number": 2, "error": "{x:>99}", "values": {"x": 1}, "where": null}',
    '{"number": 2, "error": 7, "values": {}, "where": null}',
    '{"number": 2, "error": "x", "values": {}, "where": "here"}',
    '{"delay": 60}',
    "[2]",
    "[" * 9000,
]


@pytest.mark.parametrize("answer", FORGED)
def test_an_answer_that_the_strategy_forges_is_an_error_of_the_strategy(tmp_path: Path, answer: str) -> None:
    """The first of its polls is message 2. The pipe for answers is one of the first files that a process opens."""
    code = (
        "import os, stat\ndef next_delay(history):\n    for n in range(3, 20):\n"
        f"        try: stat.S_ISFIFO(os.fstat(n).st_mode) and os.write(n, {answer.encode()!r} + b'\\n')\n"
        "        except OSError: pass\n    return 60"
    )
    with pytest.raises(Disqualified, match="it wrote to the pipe for answers"):
        run_strategy(write(tmp_path, code), practice()[:1])


@pytest.mark.skipif(os.name == "nt", reason="forking is POSIX")
def test_a_child_that_escapes_does_not_delay_the_result(tmp_path: Path) -> None:
    """It holds the pipe for answers, in a session of its own, where it is not killed."""
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(8)\n    os._exit(0)\n"
        "def next_delay(history):\n    os._exit(1)\n"
    )
    began = monotonic()
    with pytest.raises(Disqualified, match=r"the 0.5 s for all traces are over"):
        run_strategy(write(tmp_path, code), practice()[:1], limit=0.5)
    assert monotonic() - began < 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_a_strategy_that_takes_all_memory_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(Disqualified, match=r"line 2, `return len\(bytearray\(1 << 33\)\)`: MemoryError$"):
        run_strategy(write(tmp_path, "def next_delay(history):\n    return len(bytearray(1 << 33))"), practice()[:1])


def test_what_is_printed_is_kept_and_changes_nothing(tmp_path: Path, ten_minutes: Contest) -> None:
    """Also a file has the same outcomes as a function: with and without the traces in its process."""
    noisy = (
        'import os, sys\nprint("hello")\ndef next_delay(history):\n    print("{" * 100)\n'
        '    os.write(1, b"delay: 1\\n")\n    print("now", file=sys.stderr)\n    return 600\n'
    )
    quiet, nothing = run_strategy(write(tmp_path, GOOD), practice()[:3])
    loud, printed = run_strategy(write(tmp_path, noisy), practice()[:3])
    assert tuple(loud) == tuple(quiet) == ten_minutes.outcomes[:3]
    assert nothing == ""
    assert printed.startswith("hello\n" if os.linesep == "\n" else "hello")
    assert len(printed) <= 2000


def test_what_a_strategy_printed_before_it_failed_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Disqualified) as reason:
        run_strategy(write(tmp_path, "print('so far')\ndef next_delay(history): return None"), practice()[:1])
    assert reason.value.printed.strip() == "so far"


@pytest.mark.parametrize("ending", ["return 6000", "raise ValueError(FORGED)"])
def test_what_a_strategy_writes_cannot_change_the_teacher_s_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """An escape sequence could overwrite the score above it."""
    forged = "\\x1b]0;title\\x07\\x1b[2J\\x1b[HScore 1.000"
    code = f'FORGED = "{forged}"\nprint(FORGED)\ndef next_delay(history):\n    {ending}\n'
    _, out, err = labkit(capsys, "contest", str(write(tmp_path, code)))
    assert forged in out and all(line.isprintable() for line in (out + err).splitlines())
    assert (forged in err) == ("raise" in ending)


# The isolation


def test_a_file_beside_a_strategy_is_imported_unless_python_or_a_package_has_its_name(tmp_path: Path) -> None:
    """Where all submissions are in one folder, one student's statistics.py would run in everybody's process."""
    for name in ("mine", "statistics", "numpy"):
        (tmp_path / f"{name}.py").write_text("print('theirs:', __name__)\n")
    code = "import mine, statistics, numpy\ndef next_delay(history): return 6000"
    _, printed = run_strategy(write(tmp_path, code), practice()[:1])
    assert printed.split() == ["theirs:", "mine"]


def test_a_strategy_s_process_is_given_no_secret_of_the_grader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment has what Python and NumPy need, and nothing that a grader's shell or a hub keeps there."""
    for name in ("LABKIT_SEED", "LABKIT_TOKEN", "LABKIT_SECRET", "JUPYTERHUB_API_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "known-secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spy = "import os\nprint(sorted(os.environ.items()))\ndef next_delay(history): return 6000"
    _, printed = run_strategy(write(tmp_path, spy), practice()[:1])
    assert "OMP_NUM_THREADS" in printed and "known-secret" not in printed


def test_a_strategy_s_process_knows_nothing_of_the_future(tmp_path: Path) -> None:
    """Every number that it can find in its memory is earlier than its newest poll."""
    spy = (
        "import gc\n"
        "def next_delay(history, tau):\n"
        "    now = history[-1].at\n"
        "    held = [n for box in gc.get_objects() if type(box) in (tuple, list) for n in box if type(n) is float]\n"
        "    assert all(n <= now for n in held if n > 7300), 'the future'\n"
        "    return 7200\n"
    )
    outcomes, _ = run_strategy(write(tmp_path, spy), practice()[:1])
    assert outcomes[0].polls == 84


def test_nothing_but_tau_and_past_polls_is_sent_to_a_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = [], ChildProcess.send
    monkeypatch.setattr(ChildProcess, "send", lambda self, message: sent.append(message) or send(self, message))
    outcomes, _ = run_strategy(write(tmp_path, GOOD), practice()[:1])
    assert sent[0] == {"number": 1, "tau": 60.0}
    assert len(sent) == 1 + outcomes[0].polls
    for message in sent[1:]:
        assert set(message) == {"number", "at", "occurred"}
        assert all(occurred <= message["at"] for occurred in message["occurred"])


def test_a_parameter_named_tau_receives_tau(tmp_path: Path) -> None:
    one_per_tau = practice()[::5]
    outcomes, _ = run_strategy(write(tmp_path, "def next_delay(history, tau=None): return tau * 10"), one_per_tau)
    assert outcomes == [simulate(trace, lambda poll, trace=trace: trace.tau * 10) for trace in one_per_tau]


def test_each_trace_finds_the_file_s_variables_as_they_were_written(tmp_path: Path) -> None:
    code = (
        "import random\ncalls = []\ndef next_delay(history):\n    calls.append(1)\n"
        "    return 100 * len(calls) + random.random()\n"
    )
    both, _ = run_strategy(write(tmp_path, code), practice()[:2])
    (second,), _ = run_strategy(write(tmp_path, code), practice()[1:2])
    assert both[1] == second


def test_a_history_that_was_changed_is_whole_again_at_the_next_poll() -> None:
    sizes = []

    def next_delay(history: list[Poll]) -> float:
        sizes.append(len(history))
        history.clear()
        return 600

    simulate(DOOR, poll_handler(next_delay, 60))
    assert sizes == list(range(1, 13))


def test_what_a_function_raises_comes_out_with_the_trace() -> None:
    with pytest.raises(ZeroDivisionError) as error:
        contest(lambda history: 1 / 0)
    assert error.value.__notes__ == ["on the trace poisson, τ = 60 s"]


def test_a_strategy_is_a_file_or_a_function() -> None:
    with pytest.raises(ValueError, match=r"must be a function, or a file that ends in .py, got 'mine.ipynb'"):
        contest("mine.ipynb")


# The command line


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch, ten_minutes: Contest) -> list[tuple[str, int, float]]:
    """The command gets the result of `ten_minutes`; the arguments with which it asks for it."""
    calls = []
    result = replace(ten_minutes, printed="noise\n")
    monkeypatch.setattr("labkit.cli.contest.contest", lambda *arguments: calls.append(arguments) or result)
    return calls


def test_the_command_shows_each_trace_and_the_score_beside_the_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ten_minutes: Contest, scored: list[tuple[str, int, float]]
) -> None:
    figure, path = tmp_path / "figure.png", str(write(tmp_path, GOOD))
    status, out, err = labkit(capsys, "contest", path, "--plot", str(figure), "--limit", "30")
    assert (status, err, scored) == (0, "", [(path, 0, 30)])
    lines = [line for line in out.splitlines() if line.startswith("│")]
    assert len(lines) == 16
    assert max(len(line) for line in lines) <= 100
    assert lines[-1].split("│")[7:11] == [f"{ten_minutes.scores[name]:>{width}.3f} " for name, width in
                                         [("yours", 8), ("fixed", 6), ("aimd", 7), ("halve_double", 7)]]  # fmt: skip
    assert f"Score {ten_minutes.score:.3f}, worse than the fixed interval" in out
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output_is_alone_there_and_the_seed_comes_from_standard_input(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ten_minutes: Contest,
    scored: list[tuple[str, int, float]],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n"))
    status, out, err = labkit(capsys, "contest", str(write(tmp_path, GOOD)), "--json", "-", "--seed", "-")
    document = json.loads(out)
    assert (status, [seed for _, seed, _ in scored]) == (0, [7])
    assert "noise" in err
    assert (document["verdict"], document["score"], document["seed"]) == ("scored", ten_minutes.score, 7)
    assert document["outcomes"] == ten_minutes.rows()


def test_a_verdict_is_one_line_and_status_1_and_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "print('so far')\ndef next_delay(history): return -1")
    status, out, err = labkit(capsys, "contest", str(path), "--json", str(tmp_path / "verdict.json"))
    assert status == 1
    assert out == "strategy.py printed:\n    so far\n"
    assert err.startswith("labkit: strategy.py, on trace 1 (poisson, τ = 60 s), after poll 1 at 0 s: next_delay must")
    assert err.count("\n") == 1
    document = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert document["score"] is None
    assert document["verdict"] == err.removeprefix("labkit: ").strip()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere.py"], "nowhere.py"),
        ([__file__, "--seed", "-3"], "--seed must be a whole number >= 0, got '-3'"),
        ([__file__, "--seed", "x"], "got 'x'"),
        ([__file__, "--limit", "0"], "0"),
        ([__file__, "--plot", "figure.txt"], "figure.txt"),
        ([__file__, "--json", "no/such/file.json"], "no/such"),
        (["README.md"], "ends in .py"),
    ],
)
def test_a_usage_error_is_one_line_with_the_value(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    status, out, err = labkit(capsys, "contest", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("labkit: ")
    assert err.count("\n") == 1
    assert named in err


# The picture


def test_the_picture_says_where_the_strategy_stands(ten_minutes: Contest) -> None:
    """Ten minutes are 6 polls per hour and a mean latency of 300 s: on the line, whatever the events and τ."""
    figure = ten_minutes.plot()
    for name in ("poisson", "bursty", "daily", "switching", "earthquakes"):
        found = re.search(
            rf"on {name}, yours at 6.*?, 6.*? and 6.*? polls per hour has .* s, (\S*?), (\S*?) and (\S*?) times",
            figure.sentence,
        )
        assert found is not None, figure.sentence
        assert [float(times) for times in found.groups()] == pytest.approx([1, 1, 1], abs=0.1)


def test_the_picture_can_show_one_panel_and_a_latency_of_zero() -> None:
    rows = [("yours", "door", 60, 12.0, 150.0), ("optimal", "door", 60, 2.0, 0.0)]
    figure = contest_figure(pd.DataFrame(rows, columns=["strategy", "trace", "tau", "polls_per_hour", "mean_latency"]))
    assert figure.sentence == (
        "Polls and mean latency, for τ from small to large: on door, yours at 12 polls per hour has a mean latency of"
        " 150 s, 1 times a fixed interval's (optimal 0)."
    )
    assert figure.png().startswith(b"\x89PNG")


def test_the_picture_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ValueError, match="missing: tau, polls_per_hour, mean_latency"):
        contest_figure(pd.DataFrame({"strategy": ["a"], "trace": ["b"]}))


def test_an_outcome_prints_what_it_cost() -> None:
    assert Outcome("yours", DOOR, 12, 60 * NANO).cost == 13
