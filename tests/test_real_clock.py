"""One suite for both clocks, and what the machine's clock has of its own: threads, which must all end."""

import gc
import subprocess
import sys
import threading
import time
import traceback

import pytest

from labkit.clock import RealClock, Stopped, VirtualClock, monotonic

CLOCKS = [VirtualClock, RealClock]
LATE = 0.5
"""Seconds by which a busy machine may be late; what it may never be is early."""


@pytest.fixture
def threads():
    """No thread is left of what a test started."""
    before = set(threading.enumerate())
    yield
    assert not [thread for thread in threading.enumerate() if thread not in before]


@pytest.fixture(params=CLOCKS, ids=["virtual", "real"])
def clock(request, threads):
    with request.param() as clock:
        yield clock


def passed(clock, function, *args, **named):
    """How many seconds a call took, by its clock, and what it returned."""
    before = clock.now()
    result = function(*args, **named)
    return clock.now() - before, result


def later(expected):
    """An instant or a duration: never less, and not much more."""
    return pytest.approx(expected + LATE / 2, abs=LATE / 2 + 1e-9)


# either clock -----------------------------------------------------------------------------------


def test_sleep_waits_so_long_and_no_less(clock):
    for seconds in (0, 0.001, 0.05):
        took, _ = passed(clock, clock.sleep, seconds)
        assert took == later(seconds)


def test_sleep_until_waits_for_an_instant_and_not_for_one_that_has_passed(clock):
    start = clock.now()
    clock.sleep_until(start + 0.05)
    assert clock.now() == later(start + 0.05)
    took, _ = passed(clock, clock.sleep_until, -10)
    assert took == later(0)


@pytest.mark.parametrize("seconds", [-0.001, float("nan")])
def test_a_time_that_cannot_be_waited_is_refused(clock, seconds):
    message = f"a time to wait must be >= 0 seconds, got {seconds}"
    with pytest.raises(ValueError, match=message):
        clock.sleep(seconds)
    with pytest.raises(ValueError, match=message):
        clock.spawn(print, after=seconds)
    condition = clock.condition()
    with condition, pytest.raises(ValueError, match=message):
        condition.wait(seconds)


def test_tasks_wait_side_by_side(clock):
    """Three that sleep 0.1 s are done after 0.1 s, not after 0.3."""
    log = []

    def sleeper(name):
        clock.sleep(0.1)
        log.append(name)

    for name in "abc":
        clock.spawn(sleeper, name)
    took, _ = passed(clock, clock.run)
    assert sorted(log) == ["a", "b", "c"]
    assert took == pytest.approx(0.15, abs=0.05 + 1e-9)


def test_spawn_after_starts_later(clock):
    log = []
    start = clock.now()
    clock.spawn(lambda: log.append(clock.now()), after=0.05)
    clock.run()
    assert log == [later(start + 0.05)]


def test_run_until_leaves_what_is_due_then(clock):
    """Half-open. The task that was left goes on at the next run."""
    log = []
    start = clock.now()

    def ticks():
        for _ in range(3):
            clock.sleep(0.1)
            log.append("tick")

    clock.spawn(ticks)
    clock.run(until=start + 0.05)
    assert (log, clock.now()) == ([], later(start + 0.05))
    clock.run()
    assert log == ["tick"] * 3


def test_run_ends_when_it_is_done(clock):
    log = []

    def ticks():
        while True:
            clock.sleep(0.02)
            log.append("tick")

    clock.spawn(ticks)
    clock.run(done=lambda: len(log) >= 2)
    assert 2 <= len(log) < 10


def test_a_notice_wakes_everybody_who_waits(clock):
    condition, log = clock.condition(), []

    def waiter(name):
        with condition:
            log.append((name, condition.wait()))

    for name in "ab":
        clock.spawn(waiter, name)
    clock.sleep(0.05)
    assert log == []
    with condition:
        condition.notify_all()
    clock.run()
    assert sorted(log) == [("a", True), ("b", True)]


def test_a_wait_without_a_notice_ends_at_its_timeout(clock):
    condition = clock.condition()
    with condition:
        took, notified = passed(clock, condition.wait, 0.05)
    assert (took, notified) == (later(0.05), False)
    with condition:
        took, notified = passed(clock, condition.wait, 0)
    assert (took, notified) == (later(0), False)


def test_a_notice_before_the_timeout_is_heard_at_once(clock):
    condition, took = clock.condition(), []

    def waiter():
        with condition:
            took.append(passed(clock, condition.wait, 5))

    clock.spawn(waiter)
    clock.sleep(0.05)
    with condition:
        condition.notify_all()
    clock.run()
    assert took == [(later(0.05), True)]


def test_what_a_task_raises_comes_out_of_run_with_its_traceback(clock):
    def culprit():
        clock.sleep(0.01)
        raise LookupError("not here")

    clock.spawn(culprit)
    with pytest.raises(LookupError, match="not here") as caught:
        clock.run()
    assert "culprit" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    clock.run()  # raised once


def test_close_ends_every_task_where_it_waits(clock):
    """In a sleep and in a condition, forever or with a timeout; `finally` runs, `except Exception` stops nothing."""
    ended, condition = [], clock.condition()

    def stubborn(name, wait, *args):
        try:
            while True:
                try:
                    with condition:
                        wait(*args)
                except Exception:
                    ended.append("caught")
        finally:
            ended.append(name)

    def sleeper():
        try:
            clock.sleep(1000)
        finally:
            ended.append("sleep")

    clock.spawn(sleeper)
    clock.spawn(stubborn, "condition", condition.wait)
    clock.spawn(stubborn, "timeout", condition.wait, 1000)
    clock.sleep(0.05)
    start = monotonic()
    clock.close()
    assert monotonic() - start < 1
    assert sorted(ended) == ["condition", "sleep", "timeout"]


def test_closing_twice_is_closing(clock):
    clock.spawn(clock.sleep, 1000)
    clock.sleep(0.01)
    clock.close()
    clock.close()


def test_the_unix_time_is_the_epoch_and_what_has_passed(clock):
    clock.sleep(0.01)
    assert clock.unix_nanoseconds() / 1e9 == pytest.approx(clock.epoch + clock.now(), abs=0.01)


# the machine's clock ----------------------------------------------------------------------------


def test_the_real_epoch_is_the_machines_own_time():
    clock = RealClock()
    assert clock.unix_nanoseconds() / 1e9 == pytest.approx(time.time(), abs=0.01)
    assert RealClock(clock.origin + 100).epoch == pytest.approx(clock.epoch + 100, abs=0.01)


def test_set_up_has_negative_instants():
    assert RealClock(monotonic() + 10).now() == pytest.approx(-10, abs=LATE)


def test_two_processes_given_one_origin_agree():
    """The other's instant lies between ours before the question and ours after the answer."""
    code = """if True:
        import sys
        from labkit.clock import RealClock
        for line in sys.stdin:
            print(repr(RealClock(float(line)).now()), flush=True)
    """
    clock = RealClock(monotonic() + 5)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        for _ in range(5):
            before = clock.now()
            other.stdin.write(f"{clock.origin!r}\n")
            other.stdin.flush()
            said = float(other.stdout.readline())
            assert before < said < clock.now()


def test_what_was_raised_and_not_yet_heard_comes_out_of_close(threads):
    """Never silently: a dispatcher that died is heard of at the end at the latest."""

    def culprit():
        raise LookupError("unheard")

    clock = RealClock()
    clock.spawn(culprit).join()
    with pytest.raises(LookupError, match="unheard"):
        clock.close()


def test_what_breaks_because_the_run_is_over_is_no_error(threads):
    with RealClock() as clock:

        def victim():
            try:
                clock.sleep(1000)
            finally:
                raise ConnectionError("it was cut")

        clock.spawn(victim)
        clock.sleep(0.02)


def test_a_task_that_comes_to_wait_after_the_end_ends_there(threads):
    """It was at work while the clock was closed: neither a sleep nor a condition holds it any more."""
    clock, ended = RealClock(), []
    condition, go = clock.condition(), threading.Event()

    def at_work(wait):
        go.wait()
        try:
            with condition:
                wait()
        finally:
            ended.append(wait)

    tasks = [clock.spawn(at_work, wait) for wait in (condition.wait, lambda: clock.sleep(1000))]
    clock.close(patience=0.05)
    assert all(task.is_alive() for task in tasks)
    go.set()
    for task in tasks:
        task.join(1)
    assert len(ended) == 2


def test_nothing_starts_after_the_end(threads):
    clock, log = RealClock(), []
    clock.close()
    with pytest.raises(Stopped):
        clock.spawn(log.append, "late")
    assert log == []


def test_a_task_that_will_not_end_is_waited_for_no_longer_than_said():
    clock, go = RealClock(), threading.Event()
    task = clock.spawn(go.wait)
    start = monotonic()
    clock.close(patience=0.1)
    assert 0.1 <= monotonic() - start < 0.1 + LATE
    go.set()
    task.join(1)
    assert not task.is_alive()


def test_a_task_may_close_the_clock_itself(threads):
    clock = RealClock()
    clock.spawn(clock.close).join(1)
    assert clock.closing


def test_conditions_and_tasks_that_are_over_are_forgotten():
    """A long poll makes a condition each time, a delivery a task each time: a day of them must not fill the memory."""
    with RealClock() as clock:
        for _ in range(200):
            condition = clock.condition()
            with condition:
                condition.notify_all()
            clock.spawn(int).join()
        del condition
        gc.collect()
        assert len(clock._conditions) == 0
        assert len(clock._threads) <= 1
