"""The machine's clock alone: dates, processes, and threads that must all end."""

import gc
import random
import subprocess
import sys
import threading
import time

import pytest
from raw_http import pause, wait_for

from labkit.clock import RealClock, Stopped, monotonic


@pytest.fixture
def threads():
    """A test must leave no thread behind."""
    before = set(threading.enumerate())
    yield
    assert not set(threading.enumerate()) - before


def test_the_epoch_is_the_machines_date_at_t_0():
    clock = RealClock()
    assert clock.unix_nanoseconds() / 1e9 == pytest.approx(time.time(), abs=0.01)
    assert RealClock(clock.origin + 100).epoch == pytest.approx(clock.epoch + 100, abs=0.01)


def test_instants_before_the_origin_are_negative():
    assert RealClock(monotonic() + 10).now() == pytest.approx(-10, abs=0.5)


def test_two_processes_with_one_origin_have_the_same_time():
    """The other process's `now` lies between ours before the question and ours after its answer."""
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
            theirs = float(other.stdout.readline())
            assert before < theirs < clock.now()


def test_close_raises_what_a_task_raised_and_run_did_not(threads):
    """So a dispatcher that died is reported at the end at the latest."""

    def culprit():
        raise LookupError("not raised yet")

    clock = RealClock()
    clock.spawn(culprit).join()
    with pytest.raises(LookupError, match="not raised yet"):
        clock.close()


def test_a_failure_because_of_close_is_not_raised(threads):
    with RealClock() as clock:

        def victim():
            try:
                clock.sleep(1000)
            finally:
                raise ConnectionError("it was cut")

        clock.spawn(victim)
        clock.sleep(0.02)


def test_a_task_that_was_busy_during_close_ends_at_its_next_wait(threads):
    """In a sleep as in a condition."""
    clock, ended = RealClock(), []
    condition, go = clock.condition(), threading.Event()

    def busy(wait):
        go.wait()
        try:
            with condition:
                wait()
        finally:
            ended.append(wait)

    tasks = [clock.spawn(busy, wait) for wait in (condition.wait, lambda: clock.sleep(1000))]
    clock.close(timeout=0.05)
    assert all(task.is_alive() for task in tasks)
    go.set()
    for task in tasks:
        task.join(1)
    assert len(ended) == 2


def test_nothing_starts_after_close(threads):
    clock, log = RealClock(), []
    clock.close()
    with pytest.raises(Stopped):
        clock.spawn(log.append, "late")
    assert log == []


def test_close_waits_for_a_busy_task_until_its_timeout():
    clock, go = RealClock(), threading.Event()
    task = clock.spawn(go.wait)
    start = monotonic()
    clock.close(timeout=0.1)
    assert 0.1 <= monotonic() - start < 0.6
    go.set()
    task.join(1)
    assert not task.is_alive()


def test_a_task_may_close_the_clock_itself(threads):
    clock = RealClock()
    clock.spawn(clock.close).join(1)
    with pytest.raises(Stopped):
        clock.sleep(0)


def test_conditions_and_tasks_that_have_ended_use_no_memory():
    """Each long poll makes a condition and each delivery a task: a day of them must not fill the memory."""
    with RealClock() as clock:
        for _ in range(50):
            condition = clock.condition()
            with condition:
                condition.notify_all()
            clock.spawn(int).join()
        del condition
        gc.collect()
        assert len(clock._conditions) == 0
        assert len(clock._threads) <= 1


@pytest.mark.slow
def test_a_wait_that_times_out_passes_a_notification_on():
    """Forty wait about as long as a notification takes to come, ten for ever: all of them see the last one."""
    rng = random.Random(4)
    for _ in range(20):
        with RealClock() as clock:
            condition, sent, seen = clock.condition(), [0], [0] * 50

            def waiter(number, seconds, condition=condition, sent=sent, seen=seen):
                while seen[number] < 30:
                    with condition:
                        if sent[0] == seen[number]:
                            condition.wait(seconds)
                        seen[number] = sent[0]

            for number in range(50):
                clock.spawn(waiter, number, rng.uniform(0, 0.002) if number < 40 else None)
            for _ in range(30):
                pause(rng.uniform(0, 0.002))
                with condition:
                    sent[0] += 1
                    condition.notify_all()
            assert wait_for(lambda seen=seen: seen == [30] * 50)


# --- many tasks at once


def test_tasks_that_are_soon_done_share_threads_and_each_is_run_once():
    ran = []
    with RealClock() as clock:
        clock.spawn_each(lambda number: ran.append((number, threading.current_thread())), range(1000))
        clock.run()
    assert sorted(number for number, _ in ran) == list(range(1000))
    assert len({thread for _, thread in ran}) <= 100


def test_a_task_that_takes_long_holds_up_no_other():
    """Five wait until all five have begun."""
    all_at_once, begun = threading.Barrier(5), []
    with RealClock() as clock:
        clock.spawn_each(lambda number: begun.append((number, all_at_once.wait(30))), range(5))
        clock.run()
    assert sorted(number for number, _ in begun) == [0, 1, 2, 3, 4]


def test_a_task_that_fails_is_reported_and_the_others_are_run():
    ran = []
    with RealClock() as clock:
        clock.spawn_each(lambda number: ran.append(1 // number), range(3))
        with pytest.raises(ZeroDivisionError):
            clock.run()
    assert len(ran) == 2


def test_once_the_clock_is_closed_no_more_tasks_begin():
    began = []

    def close_the_clock(number):
        began.append(number)
        clock.close(0)
        clock.sleep(1)

    with RealClock() as clock, pytest.raises(Stopped):
        clock.spawn_each(close_the_clock, range(3))
    assert began == [0]
