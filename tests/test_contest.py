"""The contest: the optimum is one, the arithmetic is the lab's, and every bad strategy gets its verdict."""

import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import Aimd, HalveDouble, Polling, Scenario, compare, earthquakes, poisson
from labkit.approaches import Approach
from labkit.arrivals import WEEK
from labkit.cli import main
from labkit.clock import NANO, monotonic
from labkit.course import Contest, Disqualified, Outcome, Poll, Trace, contest, optimum, play, rules, traces
from labkit.course.contest import baselines
from labkit.course.judge import Player, judged
from labkit.course.scoring import MOST_POLLS, outcome
from labkit.course.strategy_process import caller
from labkit.plots.contest import contest as contest_figure

HOUR = 3600 * NANO
DOOR = Trace.of("door", tau=60, horizon=7200, events=[30, 40, 1000, 1000, 3600, 7199.5])


@pytest.fixture(scope="module")
def sixty() -> Contest:
    """A contest of who always waits ten minutes."""
    return contest(lambda history: 600)


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
    trace, rhythm = Trace.of("any", tau, 1000, events), itertools.cycle(delays)
    best = outcome(trace, optimum(trace.events, trace.horizon, round(tau * NANO)), "optimal")
    assert play(trace, lambda poll: next(rhythm)).scaled >= best.scaled


def test_a_clairvoyant_that_polls_at_each_event_is_not_the_optimum() -> None:
    """At λτ > 2 it loses to a fixed interval already."""
    trace = Trace.of("busy", 6000, WEEK, [event.occurred_at for event in poisson(10).events])
    eager = outcome(trace, sorted(set(trace.events)), "eager")
    played = {one.player: one.scaled for one in baselines(trace)}
    assert eager.scaled > played["fixed"] > played["optimal"]


# The arithmetic


@given(st.lists(st.floats(0, 999), max_size=20), st.lists(st.floats(0.5, 400), min_size=1, max_size=20))
def test_an_outcome_is_what_its_definition_says(events: list[float], delays: list[float]) -> None:
    """And the polls tell of each event once, in order, at or after its instant and after the poll before."""
    trace, rhythm, polls = Trace.of("any", 7, 1000, events), itertools.cycle(delays), []

    def ask(poll: Poll) -> float:
        polls.append(poll)
        return next(rhythm)

    played = play(trace, ask)
    instants = [round(poll.at * NANO) for poll in polls]
    assert played.scaled == cost(trace.events, instants, trace.horizon, 7 * NANO)
    assert played.polls == len(polls)
    told = [round(occurred * NANO) for poll in polls for occurred in poll.occurred]
    assert told == [event for event in trace.events if event <= instants[-1]]
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
    """The same of a trace that is played."""
    trace = Trace.of("poisson", 600, DAY.duration, [event.occurred_at for event in DAY.events])
    asked, instants = caller(rule, trace.tau), []

    def ask(poll: Poll) -> object:
        instants.append(round(poll.at * NANO))
        return asked(poll)

    latency = play(trace, ask).latency
    return instants, latency


@pytest.mark.parametrize("interval", [60.0, 301.7, 7000.0])
def test_the_arithmetic_is_the_virtual_lens_s_at_a_fixed_interval(interval: float) -> None:
    """Where the network has no delay: polls at the same nanoseconds, and the same total latency."""
    assert arithmetic(lambda history: interval) == lens(Polling(interval=interval, limit=1000))


@pytest.mark.parametrize(
    ("approach", "rule"), [(Aimd(start=600, add=600, longest=1e9), rules.aimd), (HalveDouble(), rules.halve_double)]
)
def test_the_baselines_are_the_lab_s_approaches(approach: Approach, rule: Callable[..., float]) -> None:
    """A rule works its last interval out of instants that are whole nanoseconds; nine halvings deep that is a rest."""
    (ours, latency), (theirs, total) = arithmetic(rule), lens(approach)
    assert len(ours) == len(theirs)
    assert all(abs(a - b) <= len(ours) for a, b in zip(ours, theirs, strict=True))
    assert abs(latency - total) <= len(ours) * len(DAY.events)


def test_the_fixed_interval_is_the_best_of_the_fixed_ones_on_a_poisson_stream() -> None:
    """J = D/T + nT/2τ is flat at its least: within 1 % of the formula's, and dearer 30 % to either side."""
    trace = traces(seed=1)[5]
    best = math.sqrt(2 * trace.tau / trace.rate)
    found = {share: play(trace, lambda poll, share=share: best * share).cost for share in (0.7, 1.0, 1.3)}
    assert (trace.name, trace.tau) == ("poisson", 600)
    assert found[1.0] == play(trace, caller(rules.fixed(trace), trace.tau)).cost
    assert found[0.7] > found[1.0] < found[1.3]
    assert found[1.0] == pytest.approx(math.sqrt(2 * len(trace.events) * trace.horizon / NANO / trace.tau), rel=0.03)


def test_a_score_is_the_geometric_mean_of_the_ratios(sixty: Contest) -> None:
    table = sixty.table()
    assert table.groupby("player").size().unique().tolist() == [15]
    for player, rows in table.groupby("player"):
        ratios = rows.cost / rows.optimal_cost
        assert sixty.scores[str(player)] == pytest.approx(math.prod(ratios) ** (1 / 15), rel=1e-12)
        assert (ratios >= 1).all()
    assert sixty.scores["optimal"] == 1
    assert sixty.score == sixty.scores["yours"]


# The traces


def test_a_seed_makes_the_traces_and_another_makes_others() -> None:
    assert traces(3) == traces(3)
    assert not {trace.events for trace in traces(3)} & {trace.events for trace in traces(4)}


def test_every_trace_of_a_contest_is_another() -> None:
    """What is learnt of one says nothing of the next, not even where only τ is different."""
    drawn = traces(0)
    assert len(drawn) == len({trace.events for trace in drawn}) == 15
    for trace in drawn:
        assert list(trace.events) == sorted(trace.events)
        assert trace.events[0] >= 0
        assert trace.events[-1] < trace.horizon
        assert 3 < trace.rate * 3600 < 60 or trace.name in ("bursty", "switching")


def test_remembering_the_earthquakes_does_not_help() -> None:
    """A cheat that knows the recorded week, and its shift and its scale, and polls as is best for that, loses to fixed.

    It draws what the trace was drawn by: no strategy can, so that none can know more.
    """
    week = [event.occurred_at for event in earthquakes().events]
    for seed in range(5):
        for trace in (one for one in traces(seed) if one.name == "earthquakes"):
            chance = random.Random(f"{seed}/earthquakes/{trace.tau:g}")
            shift, scale = chance.random() * WEEK, chance.uniform(0.5, 1)
            memory = Trace.of("memory", trace.tau, scale * WEEK, [(at + shift) % WEEK * scale for at in week])
            assert memory.horizon == trace.horizon
            cheat = outcome(trace, optimum(memory.events, memory.horizon, round(trace.tau * NANO)), "cheat")
            fixed = play(trace, caller(rules.fixed(trace), trace.tau))
            assert cheat.scaled > fixed.scaled


# The verdicts

GOOD = "def next_delay(history):\n    return 600\n"
DELAY = "def next_delay(history): return "
BAD = {
    "raises": (
        "def next_delay(history):\n    return 600 / (3 - len(history))\n",
        r"strategy.py, on trace 1 \(poisson, τ = 60 s\), after poll 3 at \d+ s:"
        r" line 2, `return 600 / \(3 - len\(history\)\)`: ZeroDivisionError: division by zero",
    ),
    "nan": (DELAY + "float('nan')", r"on trace 1 .* must return a finite number of seconds, got nan"),
    "inf": (DELAY + "float('inf')", r"finite number of seconds, got inf \(to stop asking: 1e9\)"),
    "huge": (DELAY + "10**400", r"finite number of seconds, got inf"),
    "zero": (DELAY + "0", r"must return 0.001 seconds or more, got 0"),
    "negative": (DELAY + "-2.5", r"0.001 seconds or more, got -2.5"),
    "none": ("def next_delay(history): pass", r"got None: does each way through it end in a return"),
    "text": (DELAY + "'60'", r"a number of seconds, got '60' \(str\)"),
    "bool": (DELAY + "True", r"a number of seconds, got True \(bool\)"),
    "async": ("async " + DELAY + "60", r"a number of seconds, got <coroutine .* \(coroutine\)"),
    "misnamed": (
        "def nextdelay(history): return 60",
        r"strategy.py, as it was loaded: there is no next_delay in the file; it has nextdelay: rename it",
    ),
    "nothing": ("def wait(history): return 60", r"no next_delay in the file; its functions are: wait"),
    "a number": ("next_delay = 60", r"next_delay must be a function, got 60"),
    "parameters": (
        "def next_delay(history, memory): return 60",
        r"must take \(history\) or \(history, tau\): missing a required argument: 'memory'",
    ),
    "syntax": ("def next_delay(history):\n    retrun 60\n", r"as it was loaded: line 2: SyntaxError"),
    "import": ("import numppy\n", r"line 1, `import numppy`: ModuleNotFoundError: No module named 'numppy'"),
    "exit": (
        "import sys\ndef next_delay(history):\n    sys.exit()\n",
        r"after poll 1 at 0 s: line 3, `sys.exit\(\)`: it called exit",
    ),
    "exit at once": ("exit(0)", r"as it was loaded: line 1, `exit\(0\)`: it called exit"),
    "dies": ("import os\ndef next_delay(history): os._exit(3)", r"its process ended by itself, with status 3"),
    "asks": (DELAY + "float(input())", r"line 1, .*EOFError"),
    "recursion": (DELAY + "next_delay(history)", r"line 1, .*RecursionError"),
    "many": (DELAY + "0.5", rf"polled {MOST_POLLS:,} times by 25,000 s of .*: return longer delays"),
    "rubbish": (
        "import os\ndef next_delay(history):\n    for n in range(3, 20):\n        try: os.write(n, b'60\\n' * 9)\n"
        "        except OSError: pass\n    return 60",
        r"it wrote b'60\\n' where only answers belong",
    ),
    "kills": ("import os\ndef next_delay(history): os.kill(os.getpid(), 9)", r"ended by itself, with status -?\d+"),
    "closes": (
        "import os\ndef next_delay(history):\n    os.closerange(0, 30)\n    while True: pass",
        r"its process closed the file for answers",
    ),
    "interrupts": ("def next_delay(history): raise KeyboardInterrupt", r"line 1, .*KeyboardInterrupt"),
    "waits": (
        "def next_delay(history):\n    while True: pass\n",
        r"after poll 1 at 0 s: the 3 s for all traces are over; no answer for \d s: does it loop for ever\?",
    ),
    "waits at once": ("while True: pass\n", r"as it was loaded: the 3 s for all traces are over; no answer for \d s"),
    "slow": (
        "import time\ndef next_delay(history):\n    time.sleep(0.2)\n    return 600\n",
        r"on trace 1 .*, after poll \d+ at [\d,]+ s: the 3 s for all traces are over; answer sooner",
    ),
    "not UTF-8": ("name = '\xff'\n" + DELAY + "60", r"as it was loaded: .*SyntaxError"),
}


def write(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "strategy.py"
    path.write_bytes(code.encode("latin-1"))
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_strategy_is_told_where_and_why_it_has_no_score(tmp_path: Path, name: str) -> None:
    code, said = BAD[name]
    began = monotonic()
    with pytest.raises(Disqualified) as verdict:
        judged(write(tmp_path, code), traces(0), limit=3.0 if "wait" in name or name == "slow" else 60.0)
    assert re.search(said, str(verdict.value)), str(verdict.value)
    assert monotonic() - began < 30


@pytest.mark.skipif(os.name == "nt", reason="forking is POSIX")
def test_two_processes_that_answer_are_told_apart(tmp_path: Path) -> None:
    forks = "import os\ndef next_delay(history):\n    os.fork()\n    return 600\n"
    with pytest.raises(Disqualified, match=r"more than one process of it answers: leave out what starts another"):
        judged(write(tmp_path, forks), traces(0))


FORGED = [
    '{"number": 2, "fault": "x"}',
    '{"number": 2, "fault": "x", "values": {}}',
    '{"number": 2, "fault": "{x}", "values": {}, "where": null}',
    '{"number": 2, "fault": "{x:>99}", "values": {"x": 1}, "where": null}',
    '{"number": 2, "fault": 7, "values": {}, "where": null}',
    '{"number": 2, "fault": "x", "values": {}, "where": "here"}',
    '{"delay": 60}',
    "[2]",
]


@pytest.mark.parametrize("answer", FORGED)
def test_an_answer_that_the_strategy_forges_is_a_verdict_and_no_failure_of_the_judge(
    tmp_path: Path, answer: str
) -> None:
    """The first of its polls is question 2; the file for answers is one of the first that a process has open."""
    code = (
        "import os, stat\ndef next_delay(history):\n    for n in range(3, 20):\n"
        f"        try: stat.S_ISFIFO(os.fstat(n).st_mode) and os.write(n, {answer.encode()!r} + b'\\n')\n"
        "        except OSError: pass\n    return 60"
    )
    with pytest.raises(Disqualified, match="where only answers belong"):
        judged(write(tmp_path, code), traces(0)[:1])


@pytest.mark.parametrize("delay", ["1e9", "1e300", "1.7e308"])
def test_whoever_asks_never_again_has_a_score(tmp_path: Path, delay: str) -> None:
    outcomes, _ = judged(write(tmp_path, DELAY + delay), traces(0)[:2])
    assert [one.polls for one in outcomes] == [1, 1]
    assert outcomes == [play(trace, lambda poll: float(delay)) for trace in traces(0)[:2]]


@pytest.mark.skipif(os.name == "nt", reason="forking is POSIX")
def test_a_child_that_the_strategy_left_behind_holds_nobody_up(tmp_path: Path) -> None:
    """It has the pipe for answers open still, in a session of its own, out of our reach."""
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(8)\n    os._exit(0)\n"
        "def next_delay(history):\n    os._exit(1)\n"
    )
    began = monotonic()
    with pytest.raises(Disqualified, match="the 2 s for all traces are over"):
        judged(write(tmp_path, code), traces(0), limit=2.0)
    assert monotonic() - began < 6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_a_strategy_that_takes_all_memory_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(Disqualified, match=r"line 2, `return len\(bytearray\(1 << 33\)\)`: MemoryError$"):
        judged(write(tmp_path, "def next_delay(history):\n    return len(bytearray(1 << 33))"), traces(0))


def test_what_is_printed_is_kept_and_disturbs_nothing(tmp_path: Path) -> None:
    noisy = (
        'import os, sys\nprint("hello")\ndef next_delay(history):\n    print("{" * 100)\n'
        '    os.write(1, b"delay: 1\\n")\n    print("now", file=sys.stderr)\n    return 600\n'
    )
    quiet, nothing = judged(write(tmp_path, GOOD), traces(0)[:3])
    loud, printed = judged(write(tmp_path, noisy), traces(0)[:3])
    assert loud == quiet
    assert nothing == ""
    assert printed.startswith("hello\n" if os.linesep == "\n" else "hello")
    assert len(printed) <= 2000


def test_what_a_strategy_printed_before_it_failed_is_told(tmp_path: Path) -> None:
    with pytest.raises(Disqualified) as verdict:
        judged(write(tmp_path, "print('so far')\ndef next_delay(history): return None"), traces(0))
    assert verdict.value.printed.strip() == "so far"


# The isolation


def test_a_strategy_is_told_of_its_own_polls_and_of_nothing_to_come(tmp_path: Path) -> None:
    """All that its process can find in its memory, each time it is asked, is earlier than now."""
    spy = (
        "import gc\n"
        "def next_delay(history, tau):\n"
        "    now = history[-1].at\n"
        "    held = [n for box in gc.get_objects() if type(box) in (tuple, list) for n in box if type(n) is float]\n"
        "    assert all(n <= now for n in held if n > 7300), 'the future'\n"
        "    return 7200\n"
    )
    outcomes, _ = judged(write(tmp_path, spy), traces(0)[:1])
    assert outcomes[0].polls == 84


def test_nothing_but_tau_and_past_polls_goes_over_to_a_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line that is written to its process, and what that was started with."""
    written, wired = [], Player._answer
    monkeypatch.setattr(Player, "_answer", lambda self, question: written.append(question) or wired(self, question))
    outcomes, _ = judged(write(tmp_path, GOOD), traces(0)[:1])
    assert written[0] == {"tau": 60.0}
    assert len(written) == 1 + outcomes[0].polls
    for question in written[1:]:
        assert set(question) == {"at", "occurred"}
        assert all(occurred <= question["at"] for occurred in question["occurred"])


def test_a_file_and_a_function_have_the_same_score(tmp_path: Path, sixty: Contest) -> None:
    """So the process that holds the traces, and the one that does not, play the same game."""
    assert contest(write(tmp_path, GOOD)).outcomes == sixty.outcomes


def test_tau_is_given_to_who_asks_for_it(tmp_path: Path) -> None:
    seen, _ = judged(write(tmp_path, "def next_delay(history, tau=None): return tau * 10"), traces(0))
    assert seen == [play(trace, lambda poll, trace=trace: trace.tau * 10) for trace in traces(0)]


def test_each_trace_finds_the_file_s_variables_as_they_were_written(tmp_path: Path) -> None:
    code = (
        "import random\nasked = []\ndef next_delay(history):\n    asked.append(1)\n"
        "    return 100 * len(asked) + random.random()\n"
    )
    both, _ = judged(write(tmp_path, code), traces(0)[:2])
    (second,), _ = judged(write(tmp_path, code), traces(0)[1:2])
    assert both[1] == second


def test_a_history_that_was_spoilt_is_whole_again_at_the_next_poll() -> None:
    sizes = []

    def next_delay(history: list[Poll]) -> float:
        sizes.append(len(history))
        history.clear()
        return 600

    play(DOOR, caller(next_delay, 60))
    assert sizes == list(range(1, 13))


def test_a_function_that_raises_says_so_itself() -> None:
    with pytest.raises(ZeroDivisionError) as error:
        contest(lambda history: 1 / 0)
    assert error.value.__notes__ == ["on the trace poisson, τ = 60 s"]
    with pytest.raises(ValueError, match="got None"):
        contest(lambda history: None)


def test_a_strategy_is_a_file_or_a_function() -> None:
    with pytest.raises(ValueError, match=r"a file that ends in .py, or a function; got 'mine.ipynb'"):
        contest("mine.ipynb")


# The command line


def labkit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = 0
    try:
        main(["contest", *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    return status, *capsys.readouterr()


def test_the_command_shows_each_trace_and_the_score_beside_the_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sixty: Contest
) -> None:
    figure = tmp_path / "figure.png"
    status, out, err = labkit(capsys, str(write(tmp_path, GOOD)), "--plot", str(figure))
    assert (status, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("│")]
    assert len(lines) == 16
    assert max(len(line) for line in lines) <= 100
    assert lines[-1].split("│")[7:11] == [f"{sixty.scores[name]:>{width}.3f} " for name, width in
                                         [("yours", 8), ("fixed", 6), ("aimd", 7), ("halve_double", 7)]]  # fmt: skip
    assert f"Score {sixty.score:.3f}, worse than the fixed interval" in out
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output_is_alone_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sixty: Contest
) -> None:
    status, out, _ = labkit(capsys, str(write(tmp_path, "print('noise')\n" + GOOD)), "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert (document["verdict"], document["score"], document["seed"]) == ("scored", sixty.score, 0)
    assert document["outcomes"] == sixty.rows()


def test_a_verdict_is_one_line_and_status_1_and_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "print('so far')\ndef next_delay(history): return -1")
    status, out, err = labkit(capsys, str(path), "--json", str(tmp_path / "verdict.json"))
    assert status == 1
    assert out == "strategy.py printed:\n    so far\n"
    assert err.startswith("labkit: strategy.py, on trace 1 (poisson, τ = 60 s), after poll 1 at 0 s: next_delay must")
    assert err.count("\n") == 1
    document = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert document["score"] is None
    assert document["verdict"] == err.removeprefix("labkit: ").strip()


def test_a_seed_can_come_by_standard_input_where_no_strategy_sees_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkit", "contest", str(write(tmp_path, GOOD)), "--json", "-", "--seed", "-"]
    ran = subprocess.run(command, input="7\n", capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(ran.stdout)["outcomes"] == contest(lambda history: 600, seed=7).rows()


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
    status, out, err = labkit(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("labkit: ")
    assert err.count("\n") == 1
    assert named in err


# The picture


def test_the_picture_says_where_the_strategy_stands(sixty: Contest) -> None:
    """Ten minutes are 6 polls an hour and 300 s of lateness: on the line, whatever the events and τ."""
    figure = sixty.plot()
    assert figure.sentence == contest_figure(sixty.table()).sentence
    for name in ("poisson", "bursty", "daily", "switching", "earthquakes"):
        said = re.search(
            rf"on {name} yours at 6.*?, 6.*? and 6.*? an hour is .* s late, (\S*?), (\S*?) and (\S*?) times",
            figure.sentence,
        )
        assert said is not None, figure.sentence
        assert [float(times) for times in said.groups()] == pytest.approx([1, 1, 1], abs=0.1)


def test_the_picture_can_show_one_panel_and_a_latency_of_zero() -> None:
    rows = [("yours", "door", 60, 12.0, 150.0), ("optimal", "door", 60, 2.0, 0.0)]
    figure = contest_figure(pd.DataFrame(rows, columns=["player", "trace", "tau", "polls_per_hour", "mean_latency"]))
    assert figure.sentence == (
        "By polls and mean latency, τ from small to large: on door yours at 12 an hour is 150 s late,"
        " 1 times a fixed interval's (optimal 0)."
    )
    assert figure.png().startswith(b"\x89PNG")


def test_the_picture_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ValueError, match="missing: tau, polls_per_hour, mean_latency"):
        contest_figure(pd.DataFrame({"player": ["a"], "trace": ["b"]}))


def test_an_outcome_prints_what_it_cost() -> None:
    assert Outcome("yours", DOOR, 12, 60 * NANO).cost == 13
