"""What the virtual and the real clock have in common: one suite, run on both."""

import threading
import traceback

import pytest

from labkit.clock import RealClock, VirtualClock, monotonic

LATE = 0.5
"""Seconds by which a busy machine may be late; it must never be early."""


@pytest.fixture(params=[VirtualClock, RealClock], ids=["virtual", "real"])
def clock(request):
    """A clock, which leaves no thread behind."""
    before = set(threading.enumerate())
    with request.param() as clock:
        yield clock
    assert not set(threading.enumerate()) - before


def passed(clock, function, *args, **named):
    """The seconds that a call took, by this clock, and what it returned."""
    before = clock.now()
    result = function(*args, **named)
    return clock.now() - before, result


def later(expected):
    """An instant or a duration that is never less than expected, and not much more."""
    return pytest.approx(expected + LATE / 2, abs=LATE / 2 + 1e-9)


def test_sleep_never_ends_early(clock):
    for seconds in (0, 0.001, 0.05):
        took, _ = passed(clock, clock.sleep, seconds)
        assert took == later(seconds)


def test_sleep_until_a_past_instant_returns_at_once(clock):
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


def test_tasks_wait_at_the_same_time(clock):
    """Three tasks that sleep 0.1 s end after 0.1 s, not after 0.3."""
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


def test_a_task_that_is_waiting_at_the_end_of_a_run_goes_on_in_the_next(clock):
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


def test_run_ends_when_done_is_true(clock):
    log = []

    def ticks():
        while True:
            clock.sleep(0.02)
            log.append("tick")

    clock.spawn(ticks)
    clock.run(done=lambda: len(log) >= 2)
    assert 2 <= len(log) < 10


def test_a_notification_wakes_every_task_that_waits_and_no_later_wait(clock):
    condition, log = clock.condition(), []

    def waiter(number):
        with condition:
            log.append((number, condition.wait(5)))
            if number >= 10:
                log.append((number, condition.wait(0.2)))

    for number in range(20):
        clock.spawn(waiter, number)
    clock.sleep(0.05)
    assert log == []
    with condition:
        condition.notify_all()
    clock.run()
    assert sorted(log[:20]) == [(number, True) for number in range(20)]
    assert sorted(log[20:]) == [(number, False) for number in range(10, 20)]


def test_a_wait_without_a_notification_ends_at_its_timeout(clock):
    condition = clock.condition()
    with condition:
        took, notified = passed(clock, condition.wait, 0.05)
    assert (took, notified) == (later(0.05), False)
    with condition:
        took, notified = passed(clock, condition.wait, 0)
    assert (took, notified) == (later(0), False)


def test_a_notification_ends_a_wait_before_its_timeout(clock):
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
    clock.run()  # it is raised once


def test_close_ends_every_task_where_it_waits(clock):
    """In `sleep` and in a condition, with and without a timeout. `finally` runs, `except Exception` catches nothing."""
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


def test_close_may_be_called_twice(clock):
    clock.spawn(clock.sleep, 1000)
    clock.sleep(0.01)
    clock.close()
    clock.close()


def test_the_unix_time_is_the_epoch_plus_now(clock):
    clock.sleep(0.01)
    assert clock.unix_nanoseconds() / 1e9 == pytest.approx(clock.epoch + clock.now(), abs=0.01)
