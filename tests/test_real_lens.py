"""The real lens: short runs whose every row is explained, and nothing that survives them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import jupyter_client
import numpy as np
import pytest

from labkit import Approach, Arrivals, Event, Nat, Polling, Scenario, Webhook, compare, poisson, theory
from labkit.arrivals import EPOCH
from labkit.clock import RealClock, monotonic
from labkit.event import to_json
from labkit.ledger import Ledger
from labkit.lenses import RealLens, VirtualLens, real
from labkit.lenses.real import clock_offset
from labkit.lenses.scaling import scaled
from labkit.lenses.source_server import SourceConfig, SourceServer
from labkit.policies import RetryProfile
from labkit.result import Machine

INTERVAL = 0.25
BOUND = 4.3
GONE_SECONDS = 3.0
posix = pytest.mark.skipif(os.name != "posix", reason="kill -9 and fork are POSIX's")


def happening(instants, duration, types=("tick.happened",)):
    events = (Event(f"evt_{n:03}", types[n % len(types)], at, {}) for n, at in enumerate(instants))
    return Arrivals("made", tuple(events), duration, EPOCH, {})


SLIPS = {}
"""By run: how late each event was in the store."""


@cache
def run(name):
    """100 events in 3 s, about: once for all tests that look at it."""
    approach = {"polling": Polling(INTERVAL), "paged": Polling(0.1, "rate", limit=2), "webhook": Webhook()}[name]
    with pytest.MonkeyPatch.context() as patch:
        ask = real.SourceProcess.ask

        def asked(self, command, *arguments):
            answer = ask(self, command, *arguments)
            if command == "finish":
                SLIPS[name] = np.array(answer.emit_lags)
            return answer

        patch.setattr(real.SourceProcess, "ask", asked)
        return RealLens().run(Scenario(poisson(120_000, 3), delay=0.0), approach)


each = pytest.mark.parametrize("name", ["polling", "paged", "webhook"])


# what it measured -------------------------------------------------------------------------------


@each
def test_nothing_is_lost_doubled_or_early(name):
    result = run(name)
    row, receipts = result.row(), result.receipts
    assert row["events"] > 60
    assert (row["received"], row["lost"], row["duplicates"]) == (row["events"], 0, 0)
    assert (receipts.received_at > receipts.occurred_at).all()
    assert set(receipts.copies) == {1}
    assert (receipts.exchange >= 0).all()


@each
def test_every_row_is_closed_and_in_the_order_sent(name):
    exchanges = run(name).exchanges
    assert "unanswered" not in set(run(name).exchanges.error)
    assert set(exchanges.error) == {""}
    assert (exchanges.answered_at > exchanges.sent_at).all()
    assert exchanges.sent_at.is_monotonic_increasing
    assert (exchanges.bytes_out > 100).all() and (exchanges.bytes_in > 90).all()
    assert (exchanges.connection >= 0).all()


@each
def test_the_rows_are_what_the_servers_saw(name):
    """Set-up and drain included: the source counts what it was asked, the receiver what it was sent."""
    assert run(name).machine.requests_served == len(run(name).exchanges)


@each
def test_littles_law_holds(name):
    by_event, by_instant = run(name).little()
    assert by_event == by_instant > 0


@each
def test_each_receipt_is_of_an_exchange_that_brings_it(name):
    """It was entered while that exchange was under way, or, for a poll, as soon as its answer was there."""
    result = run(name)
    brought = result.exchanges.loc[result.receipts.exchange]
    received_at, error = result.receipts.received_at.to_numpy(), result.machine.clock_offset_error
    assert (received_at > brought.sent_at - error).all()
    latest = brought.answered_at + (0 if name == "webhook" else 0.05)
    assert (received_at < latest + error).all()
    counts = result.receipts.exchange.value_counts()
    hits = result.exchanges[result.exchanges.new_events > 0]
    assert hits.new_events.to_dict() == counts.to_dict()


@pytest.mark.parametrize("name", ["polling", "paged"])
def test_each_receipt_is_the_first_poll_s_that_reached_the_source_after_the_event(name):
    """Exact arithmetic over the measured instants. A poll reaches the source between `sent_at` and `answered_at`, an
    event its store between `occurred_at` and the longest `emit_lag` later; pages are filled oldest first."""
    result = run(name)
    polls, receipts, error = result.exchanges, result.receipts, result.machine.clock_offset_error
    assert (SLIPS[name].mean(), SLIPS[name].max()) == (
        pytest.approx(result.machine.emit_lag_mean),
        result.machine.emit_lag_max,
    )
    at_first, at_last = receipts.occurred_at - error, receipts.occurred_at + SLIPS[name] + error
    sure, most, least = 0, 0, 0  # events that can be had, and that must be had, once a poll is answered
    earliest, latest = [], []
    for sent_at, answered_at in zip(polls.sent_at, polls.answered_at, strict=True):
        most = min((at_first <= answered_at).sum(), most + result.approach.limit)
        least = max(least, min((at_last < sent_at).sum(), least + result.approach.limit))
        earliest.append(most)
        latest.append(least)
    for place, exchange in enumerate(receipts.exchange):
        first = int(np.searchsorted(earliest, place, side="right"))
        last = int(np.searchsorted(latest, place, side="right"))
        assert first <= exchange <= last
        sure += first == last
    assert sure > len(receipts) / 2


@pytest.mark.parametrize("name", ["polling", "paged"])
def test_each_receipt_is_between_its_poll_s_answer_and_the_next_poll(name):
    result = run(name)
    polls, receipts = result.exchanges, result.receipts
    following = polls.sent_at.shift(-1, fill_value=np.inf)
    assert (polls.answered_at[receipts.exchange].to_numpy() <= receipts.received_at).all()
    assert (receipts.received_at < following[receipts.exchange].to_numpy()).all()


def test_pollings_mean_is_theorys():
    """Uniform over the period, so the mean of n whole periods' events has the standard error P / √(12n)."""
    result = run("polling")
    polls = result.counted
    delay = (polls.answered_at - polls.sent_at).mean() / 2
    closed = theory.Polling(len(result.receipts) / 3, INTERVAL, delay)
    assert polls.sent_at.diff().mean() == pytest.approx(closed.period, abs=0.01)
    first, last = polls.sent_at.iloc[[0, -1]]
    whole = result.receipts[result.receipts.occurred_at.between(first, last)]
    assert len(whole) > 60
    z = (whole.latency.mean() - closed.mean_latency) / closed.standard_error(len(whole))
    assert abs(z) < BOUND


def test_who_is_told_knows_long_before_who_asks():
    told, asked = run("webhook").row()["latency"]["p50"], run("polling").row()["latency"]["p50"]
    assert 5 * told < asked


def test_polling_goes_on_until_it_has_found_nothing():
    """The drain: polls from the horizon on, the last of which is empty, unless all is had."""
    for name in ("polling", "paged"):
        drain = run(name).exchanges[run(name).exchanges.drain]
        assert (drain.sent_at >= 3).all()
        assert len(drain) <= 3 + 100 / run(name).approach.limit
        assert run(name).receipts.received_at.notna().all() or drain.outcome.iloc[-1] == "empty"


def test_a_webhook_is_set_up_before_it_begins():
    """Subscribe, verify, and the challenge; then one delivery an event."""
    exchanges = run("webhook").exchanges
    setup = exchanges[exchanges.kind == "setup"]
    assert setup.path.tolist() == ["/subscriptions", setup.path.iloc[1], "/hook"]
    assert (setup.answered_at < 0).all()
    deliveries = exchanges[exchanges.kind == "delivery"]
    assert len(deliveries) == len(run("webhook").receipts)
    assert set(zip(deliveries.sender, deliveries.host, deliveries.consumer, strict=True)) == {
        ("source", "consumer-1", "consumer-1")
    }


@each
def test_the_machine_is_reported(name):
    """One clock for both processes, so the offset is nothing but its error; the emit lag is what the store takes."""
    machine = run(name).machine
    assert isinstance(machine, Machine)
    assert 0 < machine.clock_offset_error < 0.005
    assert abs(machine.clock_offset) <= machine.clock_offset_error
    assert 0 < machine.emit_lag_mean <= machine.emit_lag_max < 0.5
    assert machine.source_cpu > 0 and machine.consumer_cpu > 0
    if name == "webhook":
        assert (run(name).receipts.latency > 0).all()


def test_the_clock_offset_is_found_within_its_error():
    """Their clock is 0.2 ahead; an answer takes longer than the question, which is what the error is for."""
    now = [5.0]

    def theirs():
        now[0] += 0.001
        said = now[0] + 0.2
        now[0] += 0.003
        return said

    offset, error = clock_offset(lambda: now[0], theirs)
    assert error == pytest.approx(0.002)
    assert abs(offset - 0.2) <= error + 1e-9


def test_another_process_s_exchanges_are_taken_in_by_hand_made_rows():
    """Theirs are 10 s behind; they used two connections, the second from a port that the first had left free."""
    ours, theirs = Ledger(), Ledger()
    ours.add_consumer("me")
    for n in range(4):
        ours.happened(f"evt_{n}", 0.0)
    poll = ours.open("poll", "me", "source", "GET", "/events", 2.5)
    ours.arrived("me", "evt_0", 2.75, poll)
    ours.count(poll, 10, 20, 0)
    ours.close(poll, 2.75, 200)
    deliveries = [
        theirs.open("delivery", "source", "127.0.0.1:7", "POST", "/hook", sent_at) for sent_at in (-9, -8, -7)
    ]
    for n, (delivery, connection, request) in enumerate(zip(deliveries, (0, 0, 1), (1, 2, 1), strict=True), start=1):
        theirs.count(delivery, 100 + n, 200 + n, connection, request)
        theirs.close(delivery, n - 9.5, 200)
    for n, (at, request) in enumerate([(2.25, 2), (1.25, 1), (3.25, 1)], start=1):  # two of them overtake each other
        ours.arrived("me", f"evt_{n}", at, -1, (5000, request))
    theirs.close(theirs.open("delivery", "source", "127.0.0.1:8", "POST", "/hook", -6), -6, 0, "ConnectError")
    theirs.count(theirs.open("delivery", "source", "127.0.0.1:7", "POST", "/hook", -5), 105, 0, 1, 2)
    ours.merge(theirs, [5000, 5000], {"127.0.0.1:7": "me"}, 10)
    rows = ours.exchanges(10)
    assert rows.sent_at.tolist() == [1, 2, 2.5, 3, 4, 5]
    assert rows.answered_at.tolist()[:5] == [1.5, 2.5, 2.75, 3.5, 4]
    assert rows.kind.tolist() == ["delivery", "delivery", "poll", "delivery", "delivery", "delivery"]
    assert rows.host.tolist() == ["me", "me", "source", "me", "127.0.0.1:8", "me"]
    assert rows.bytes_out.tolist() == [101, 102, 10, 103, 0, 105]
    assert rows.bytes_in.tolist() == [201, 202, 20, 203, 0, 0]
    assert rows.error.tolist() == ["", "", "", "", "ConnectError", "unanswered"]
    assert rows.connection.tolist() == [1, 1, 0, 2, -1, 2]
    assert rows.new_events.tolist() == [1, 1, 1, 1, 0, 0]
    assert ours.in_flight == {5}
    assert ours.receipts().exchange.tolist() == [2, 1, 0, 3]


def test_events_that_are_still_to_come_are_pending():
    """An emitter that is late must not find the run settled; and its emit lag is counted once the event is stored."""
    clock = RealClock()
    scenario = Scenario(happening([0.0, clock.now() + 0.3], 1), delay=0.0)
    child = SourceServer(SourceConfig(clock.origin, clock.epoch, scenario, ":memory:", "FULL"))
    child.emit()
    until = monotonic() + 5
    while child.pending() == 2 and monotonic() < until:
        clock.sleep(0.01)
    assert child.pending() == len(child.emit_lags) == 1
    while child.pending() and monotonic() < until:
        clock.sleep(0.01)
    account = child.finish()
    assert len(account.emit_lags) == 2
    assert account.emit_lags[0] > account.emit_lags[1] > 0
    assert account.requests_served == 0
    assert refuses(child.url)


def test_several_consumers_each_hear_of_everything():
    result = RealLens().run(Scenario(poisson(36_000, 1), delay=0.0, consumers=3), Webhook())
    row = result.row()
    assert row["received"] == row["events"] == 3 * len(result.scenario.arrivals.events)
    assert row["requests"] == row["events"]
    assert set(result.exchanges.consumer) == {"consumer-1", "consumer-2", "consumer-3"}
    assert result.machine.requests_served == len(result.exchanges)


# against the virtual lens -----------------------------------------------------------------------

PAIRED = happening([0.1, 0.3, 0.4, 0.7, 0.8, 0.85, 1.1, 1.15, 1.2, 1.25, 1.5], 2)
"""0, 1, 2, 3, 4 and 1 events between polls that are 0.4 s apart, none near a poll."""


@cache
def pair(approach):
    """The same in both lenses; the exchanges side by side."""
    result = RealLens().run(Scenario(PAIRED, delay=0.0), approach)
    return result, VirtualLens().run(Scenario(PAIRED, delay=0.0), approach)


def test_a_poll_costs_the_same_in_both_lenses_but_for_its_host_header():
    """Row by row, to the byte: the answers are equal; a request says `127.0.0.1:41234` and not `source`."""
    ours, theirs = (result.exchanges for result in pair(Polling(0.4, "rate", initial_delay=0.2)))
    rows = min(len(ours), len(theirs))
    ours, theirs = ours[:rows], theirs[:rows]
    assert theirs.new_events.tolist()[:5] == [1, 2, 3, 4, 1]
    for same in ("kind", "method", "path", "status", "new_events", "outcome", "bytes_in", "host", "consumer"):
        assert ours[same].tolist() == theirs[same].tolist(), same
    port = 5 if (ours.bytes_out - theirs.bytes_out).iloc[0] == len("127.0.0.1:12345") - len("source") else 4
    longer = len("127.0.0.1:") + port - len("source")
    assert (ours.bytes_out - theirs.bytes_out).tolist() == [longer] * rows


def test_a_delivery_costs_the_same_in_both_lenses_but_for_its_host_header():
    """Body, signature and answer are as long; set-up also names the endpoint's URL, in request and answer."""
    result, twin = pair(Webhook())
    ours, theirs = result.exchanges, twin.exchanges
    assert ours.kind.tolist() == theirs.kind.tolist() == ["setup"] * 3 + ["delivery"] * len(PAIRED.events)
    told = ours.path == "/hook"
    assert ours[told].bytes_in.tolist() == theirs[told].bytes_in.tolist()
    challenge, *deliveries = (ours[told].bytes_out - theirs[told].bytes_out).tolist()
    url = deliveries[0]
    assert url in (len("127.0.0.1:12345") - len("consumer-1"), len("127.0.0.1:1234") - len("consumer-1"))
    assert deliveries == [url] * len(PAIRED.events)
    assert challenge - url in (len("000"), 0)  # it is signed at a moment that is seldom a whole millisecond
    subscribe, verify = ours.index[ours.path == "/subscriptions"][0], ours.index[ours.path.str.endswith("/verify")][0]
    source = (ours.bytes_out - theirs.bytes_out)[verify]
    assert source in (len("127.0.0.1:12345") - len("source"), len("127.0.0.1:1234") - len("source"))
    assert (ours.bytes_out - theirs.bytes_out)[subscribe] == source + url
    answered = {"id": "sub_" + 24 * "0", "url": "http://consumer-1/hook", "types": [], "status": "active"}
    length = len(to_json(answered))
    digit = len(str(length + url)) - len(str(length))  # of Content-Length: 99 is shorter than 104
    assert (ours.bytes_in - theirs.bytes_in)[subscribe] == url
    assert (ours.bytes_in - theirs.bytes_in)[verify] == url + digit


def test_the_same_trace_gives_the_same_receipts_in_both_lenses():
    """A poll that has the same instants finds the same events, and is late by what the machine takes."""
    ours, theirs = (result.receipts for result in pair(Polling(0.4, "rate", initial_delay=0.2)))
    assert ours.event_id.tolist() == theirs.event_id.tolist()
    assert ours.exchange.tolist() == theirs.exchange.tolist()
    late = ours.received_at - theirs.received_at
    assert (late > 0).all() and (late < 0.1).all()


# what it takes ----------------------------------------------------------------------------------


def test_a_run_over_ten_minutes_is_refused_with_its_remedy():
    """And the remedy is one: so many times faster, it is accepted."""
    scenario = Scenario(happening([1.0], 601_801), delay=0.0)
    with pytest.raises(ValueError, match=r"601,801 s would take longer than 600 s: use speed 1004 or more") as caught:
        RealLens().run(scenario, Webhook())
    assert "a shorter duration" in str(caught.value)
    assert scaled(scenario, Webhook(), 1004)[0].duration <= 600


def test_a_delay_is_refused_in_the_real_lens():
    events = happening([0.1], 1)
    message = "delay must be 0 in the real lens, which adds none to the machine's own, got 0.02"
    with pytest.raises(ValueError, match=message):
        compare(events, [Webhook()], lens="real", delay=0.02)
    with pytest.raises(ValueError, match=message):
        compare(Scenario(events), [Webhook()], lens="real")
    with pytest.raises(ValueError, match=message):
        RealLens().run(Scenario(events), Webhook())


def test_hosts_behind_nat_are_refused_in_the_real_lens():
    with pytest.raises(ValueError, match="nat: set-up would wait up to 30 s, .* a timeout of 0.5 s"):
        RealLens().run(Scenario(happening([0.1], 1), delay=0.0, faults=(Nat(),)), Webhook())


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ValueError, match=rf"speed must be (a finite number )?> 0, got {speed}"):
        scaled(Scenario(happening([0.1], 1), delay=0.0), Webhook(), speed)


def test_faster_divides_every_time_and_keeps_what_is_a_number():
    """Arrivals, interval, schedule; not events a page, and not λT."""
    scenario = Scenario(poisson(60, 3600), delay=0.0, retries=RetryProfile(waits=(5, 300)))
    quick, approach = scaled(scenario, Polling(interval=60, initial_delay=30, limit=7), 60)
    assert approach == Polling(interval=1, initial_delay=0.5, limit=7)
    assert (quick.duration, quick.retries.waits) == (60, (5 / 60, 5))
    assert len(quick.arrivals.events) == len(scenario.arrivals.events)
    for ours, theirs in zip(quick.arrivals.events, scenario.arrivals.events, strict=True):
        assert ours.occurred_at == pytest.approx(theirs.occurred_at / 60, abs=1e-9)
        assert (ours.id, ours.data) == (theirs.id, theirs.data)
    assert quick.arrivals.rate * approach.interval == pytest.approx(scenario.arrivals.rate * 60)
    assert quick.record()["speed"] == 60


def test_faster_keeps_an_event_at_the_last_microsecond():
    """Rounding must not carry it over the horizon, and with it out of the run."""
    scenario = Scenario(happening([86_399.999999], 86_400), delay=0.0)
    quick, _ = scaled(scenario, Webhook(), 86_400)
    assert [event.occurred_at < 1 for event in quick.arrivals.events] == [True]


def test_compare_at_speed_gives_results_in_the_seconds_that_passed():
    """A minute of 5 s polling at speed 30 is 2 s of polling every sixth: as many polls and events, small latencies."""
    events = poisson(1800, 60)
    start = time.monotonic()
    comparison = compare(events, [Polling(interval=5, fixed="rate")], lens=RealLens(speed=30))
    assert time.monotonic() - start < 15
    row = comparison[0].row()
    assert row["events"] == row["received"] == len(events.events)
    assert row["params"]["interval"] == pytest.approx(5 / 30)
    assert 10 <= row["requests"] <= 12
    assert row["latency"]["max"] < 1
    assert comparison.scenario.duration == 2
    assert row["lens"] == "real"


# what goes wrong --------------------------------------------------------------------------------


@pytest.fixture
def processes(monkeypatch):
    """The source's processes that a test starts: all are gone at its end."""
    started, enter = [], real.SourceProcess.__enter__

    def entered(self):
        process = enter(self)
        started.append(self._process)
        return process

    monkeypatch.setattr(real.SourceProcess, "__enter__", entered)
    threads = set(threading.enumerate())
    yield started
    assert started
    for process in started:
        assert process.poll() is not None
    assert not [thread for thread in threading.enumerate() if thread not in threads]


SHORT = Scenario(happening([0.1, 0.2], 0.5), delay=0.0)


def test_after_a_run_nothing_is_left(processes, monkeypatch, tmp_path):
    """No process, no thread, no port, no file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    urls, ask = [], real.SourceProcess.ask

    def asked(self, name, *arguments):
        answer = ask(self, name, *arguments)
        if name == "start":
            urls.append(answer)
            assert list(tmp_path.glob("labkit-*/source.db"))
        return answer

    monkeypatch.setattr(real.SourceProcess, "ask", asked)
    assert RealLens().run(SHORT, Webhook()).row()["received"] == 2
    assert refuses(urls[0])
    assert not list(tmp_path.glob("labkit-*"))


@dataclass(frozen=True)
class Clumsy(Approach):
    """A student's approach with a bug."""

    name: ClassVar[str] = "clumsy"
    where: str = "run"

    def subscribe(self, consumer):
        if self.where == "subscribe":
            self.oops()
        if self.where == "slow":
            consumer.clock.sleep(100)

    def run(self, consumer):
        consumer.clock.sleep(0.1)
        self.oops()

    def oops(self):
        raise ZeroDivisionError("a student's own")


@pytest.mark.parametrize("where", ["run", "subscribe"])
def test_a_students_exception_comes_out_with_its_traceback_and_leaves_nothing(processes, where):
    with pytest.raises(ZeroDivisionError, match="a student's own") as caught:
        RealLens().run(SHORT, Clumsy(where))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == [where, "oops"]


def test_set_up_that_is_not_done_by_zero_is_an_error(processes):
    with pytest.raises(RuntimeError, match=r"set-up of clumsy where=slow took over 1 s"):
        RealLens().run(SHORT, Clumsy("slow"))


def test_an_exception_in_the_sources_process_comes_out_with_that_traceback(processes):
    scenario = Scenario(happening([0.1], 0.3, types=["endpoint.verify"]), delay=0.0)
    with pytest.raises(ValueError, match="type must not be reserved") as caught:
        RealLens().run(scenario, Webhook())
    (note,) = caught.value.__notes__
    assert note.startswith("In the source's process:\n")
    assert "in emit_all" in note


@pytest.mark.parametrize("approach", [Polling(0.1), Webhook()], ids=["polling", "webhook"])
def test_a_source_that_is_killed_is_heard_of_at_once(processes, approach):
    """Long before the horizon, as what it is."""
    killer = threading.Timer(2.5, lambda: processes[0].kill())
    killer.start()
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="the source's process ended with status -?[0-9]+"):
        RealLens().run(Scenario(happening([0.1, 29], 30), delay=0.0), approach)
    assert time.monotonic() - start < 10
    killer.join()


# nothing survives -------------------------------------------------------------------------------


def refuses(url):
    """Whether nobody listens at a URL's port any more."""
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return True
    return False


def alive(pid):
    """Whether a process runs; one that has ended, and that nobody has asked about, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def gone(pid, url):
    """Within 3 s there is neither process nor port."""
    until = time.monotonic() + GONE_SECONDS
    while time.monotonic() < until:
        if not alive(pid) and refuses(url):
            return True
        time.sleep(0.05)
    return False


TELL = """if True:
    import os, sys, time, multiprocessing
    from labkit import Polling, RealLens, Scenario, poisson
    from labkit.lenses import real

    kept = []
    ask = real.SourceProcess.ask
    def told(self, name, *arguments):
        answer = ask(self, name, *arguments)
        if name == "start":
            helpers = start_helpers()
            print(self._process.pid, answer, self.folder, *helpers, flush=True)
        return answer
    real.SourceProcess.ask = told
    run = lambda: RealLens().run(Scenario(poisson(3600, 60), delay=0.0), Polling(0.1))
"""
HELPERS = {
    "alone": """if True:
    def start_helpers():
        return []
    """,
    "os.fork": """if True:
    def start_helpers():
        pids = []
        for _ in range(2):
            pid = os.fork()
            if not pid:
                time.sleep(60)
                os._exit(0)
            pids.append(pid)
        return pids
    """,
    "multiprocessing fork": """if True:
    def start_helpers():
        pool = multiprocessing.get_context("fork").Pool(2)
        kept.append(pool.map_async(time.sleep, [60, 60]))
        return [worker.pid for worker in pool._pool]
    """,
    "multiprocessing spawn": """if True:
    def start_helpers():
        made = [multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,)) for _ in range(2)]
        for each in made:
            each.start()
        kept.extend(made)
        return [each.pid for each in made]
    """,
}


@posix
@pytest.mark.parametrize("helpers", HELPERS)
def test_when_the_parent_is_killed_its_source_goes_too(helpers):
    """`kill -9`, in the middle of a run: also when somebody it forked holds the other end of the source's pipe."""
    script = f"{TELL}\n{HELPERS[helpers]}\nrun()"
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        said = parent.stdout.readline().split()
        pid, url, folder, others = int(said[0]), said[1], said[2], [int(other) for other in said[3:]]
        try:
            assert alive(pid) and not refuses(url)
            time.sleep(0.3)
            parent.kill()
            assert parent.wait(5) == -signal.SIGKILL
            if "fork" in helpers:
                assert all(alive(other) for other in others)
            assert gone(pid, url)
            assert not Path(folder).exists()
        finally:
            for other in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, signal.SIGKILL)


def test_a_kernel_that_is_interrupted_or_restarted_in_a_run_leaves_nothing():
    """A real kernel: the interrupt is a KeyboardInterrupt there, after which it works on; the restart is a kill."""
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=30)

        def begin():
            """Start a run, and return as soon as its source is there: its pid and its URL."""
            client.execute("run()", stop_on_error=False)  # else the kernel aborts what comes just after the error
            while True:
                message = client.get_iopub_msg(timeout=30)
                if message["msg_type"] == "stream" and "http://" in message["content"]["text"]:
                    pid, url, *_ = message["content"]["text"].split()
                    return int(pid), url

        client.execute_interactive(f"{TELL}\n{HELPERS['alone']}", timeout=30)
        pid, url = begin()
        assert alive(pid) and not refuses(url)
        time.sleep(1)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=10)["content"]
        assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
        assert gone(pid, url)
        pid, url = begin()
        manager.restart_kernel(now=True)
        assert gone(pid, url)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
