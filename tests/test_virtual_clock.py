"""The virtual clock, held against timetables made by hand, a naive list of what is due, and SimPy."""

import contextvars
import math
import threading

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from labkit.clock import VirtualClock


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


def sleeper(clock, log, name, *sleeps):
    for seconds in sleeps:
        clock.sleep(seconds)
        log.append((name, clock.now()))


# order ------------------------------------------------------------------------------------------


def test_blocking_loops_interleave_by_their_instants(clock):
    log = []
    clock.spawn(sleeper, clock, log, "slow", 3, 3)
    clock.spawn(sleeper, clock, log, "quick", 1, 1, 1.5)
    clock.run()
    assert log == [("quick", 1), ("quick", 2), ("slow", 3), ("quick", 3.5), ("slow", 6)]


def test_ties_are_first_come_first_served(clock):
    """The task that began to wait first goes first, whatever its name and however long it waits."""
    log = []
    for name in "cab":
        clock.spawn(sleeper, clock, log, name, 1)
    clock.spawn(sleeper, clock, log, "late", 0.5, 0.5)
    clock.run()
    assert log == [("late", 0.5), ("c", 1), ("a", 1), ("b", 1), ("late", 1)]


def test_an_urgent_task_goes_before_all_others_of_its_instant(clock):
    """Even if it began to wait after them, and at each of its pauses."""
    log = []
    clock.spawn(sleeper, clock, log, "first", 1, 1)
    clock.spawn(sleeper, clock, log, "urgent", 0.5, 0.5, 1, urgent=True)
    clock.run()
    assert log == [("urgent", 0.5), ("urgent", 1), ("first", 1), ("urgent", 2), ("first", 2)]


def test_a_spawned_task_starts_after_what_is_due_already(clock):
    log = []

    def parent():
        clock.spawn(log.append, "child")
        log.append("parent")

    clock.spawn(parent)
    clock.spawn(log.append, "neighbour")
    clock.run()
    assert log == ["parent", "neighbour", "child"]


def test_sleep_until_a_past_instant_lets_the_others_of_this_instant_go_first(clock):
    log = []

    def polite():
        clock.sleep_until(-5)
        log.append(("polite", clock.now()))

    clock.spawn(polite)
    clock.spawn(log.append, "other")
    clock.run()
    assert log == ["other", ("polite", 0)]


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=6))
def test_any_program_of_sleeps_runs_as_in_simpy(programs):
    """The same instants in the same order, ties included."""
    ours, theirs = [], []
    with VirtualClock() as clock:
        for name, sleeps in enumerate(programs):
            clock.spawn(sleeper, clock, ours, name, *sleeps)
        clock.run()

    env = simpy.Environment()

    def process(name, sleeps):
        for seconds in sleeps:
            yield env.timeout(seconds)
            theirs.append((name, env.now))

    for name, sleeps in enumerate(programs):
        env.process(process(name, sleeps))
    env.run()
    assert ours == theirs


steps = st.one_of(
    st.integers(0, 3), st.tuples(st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 3), max_size=3))
)


@given(st.lists(st.tuples(st.booleans(), st.lists(steps, max_size=5)), min_size=1, max_size=4), st.integers(0, 12))
def test_any_program_of_sleeps_and_spawns_runs_as_by_a_naive_list(programs, until):
    """The least of (due, not urgent, serial) is found anew at each step; nothing runs from `until` on."""
    ours, naive = [], []

    def task(clock, name, program):
        for step in program:
            if isinstance(step, int):
                clock.sleep(step)
            else:
                after, urgent, child = step
                clock.spawn(task, clock, f"{name}/{len(ours)}", child, after=after, urgent=urgent)
            ours.append((name, clock.now()))

    with VirtualClock() as clock:
        for name, (urgent, program) in enumerate(programs):
            clock.spawn(task, clock, str(name), program, urgent=urgent)
        clock.run(until=until)

    due = [[0, not urgent, n, str(n), list(program), False] for n, (urgent, program) in enumerate(programs)]
    serial = len(due)
    while due and min(due)[0] < until:
        now, rank, _, name, program, woken = min(due)
        due.remove(min(due))
        while True:
            if woken:
                naive.append((name, now))
                woken = False
            if not program:
                break
            step = program.pop(0)
            if isinstance(step, int):
                due.append([now + step, rank, serial, name, program, True])
                serial += 1
                break
            after, urgent, child = step
            due.append([now + after, not urgent, serial, f"{name}/{len(naive)}", list(child), False])
            serial += 1
            naive.append((name, now))
    assert ours == naive


# the run ----------------------------------------------------------------------------------------


def test_run_until_is_half_open(clock):
    """What is due at `until` is left for the next run; the clock then shows `until`."""
    log = []
    clock.spawn(sleeper, clock, log, "a", 1, 1)
    clock.run(until=2)
    assert log == [("a", 1)]
    assert clock.now() == 2
    clock.run()
    assert log == [("a", 1), ("a", 2)]


def test_run_until_reaches_its_end_also_without_tasks(clock):
    clock.run(until=7.5)
    assert clock.now() == 7.5


def test_run_until_the_past_is_refused(clock):
    clock.run(until=7)
    with pytest.raises(ValueError, match=r"until \(5\) must be >= the current simulation time \(7.0\)"):
        clock.run(until=5)


def test_done_is_called_before_each_step(clock):
    log = []
    clock.spawn(sleeper, clock, log, "a", 1, 1, 1)
    clock.run(done=lambda: len(log) == 2)
    assert log == [("a", 1), ("a", 2)]
    assert clock.now() == 2


def test_the_main_program_may_sleep(clock):
    """It runs the others meanwhile, and waits in the same queue."""
    log = []
    clock.spawn(sleeper, clock, log, "a", 1, 1, 1)
    sleeper(clock, log, "main", 2, 0, 1.5)
    assert log == [("a", 1), ("main", 2), ("a", 2), ("main", 2), ("a", 3), ("main", 3.5)]


def test_a_clock_may_start_before_zero():
    with VirtualClock(start=-1.5) as clock:
        assert clock.now() == -1.5
        clock.sleep(1.5)
        assert clock.now() == 0


def test_a_week_of_sleeps_does_not_drift(clock):
    """60,240 sleeps of 10.04 s end at 604,809.6 s to the nanosecond; a sum of floats does not."""
    total = 0.0
    for _ in range(60_240):
        clock.sleep(10.04)
        total += 10.04
    assert clock.nanoseconds == 604_809_600_000_000
    assert clock.now() == 604_809.6
    assert total != 604_809.6


@pytest.mark.parametrize("seconds", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_a_sleep_takes_a_finite_time_that_is_not_negative(clock, seconds):
    with pytest.raises(ValueError, match=f"got {seconds}"):
        clock.sleep(seconds)
    assert clock.now() == 0


@pytest.mark.parametrize("instant", [math.nan, math.inf])
def test_sleep_until_takes_a_finite_instant(clock, instant):
    with pytest.raises(ValueError, match=f"got {instant}"):
        clock.sleep_until(instant)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_nothing_can_be_scheduled_before_now(clock, seconds):
    """Neither a task nor a timeout nor a notification: time never runs backwards."""
    for schedule in (
        lambda: clock.spawn(print, after=seconds),
        lambda: clock.condition().wait(seconds),
        lambda: clock.condition().notify_all(after=seconds),
    ):
        with pytest.raises(ValueError, match=f"got {seconds}"):
            schedule()
    clock.run()
    assert clock.now() == 0


def test_only_its_own_program_runs_a_clock(clock):
    """A task or a thread that calls `run` gets an error that says so."""
    clock.spawn(clock.run)
    with pytest.raises(RuntimeError, match="not to a task or another thread"):
        clock.run()
    errors = []

    def elsewhere():
        try:
            clock.sleep(1)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "not to a task or another thread" in errors[0]


# conditions -------------------------------------------------------------------------------------


def waiter(clock, condition, log, name, timeout=None):
    log.append((name, condition.wait(timeout), clock.now()))


def test_a_notified_task_gets_true_and_one_that_timed_out_false(clock):
    condition, log = clock.condition(), []
    clock.spawn(waiter, clock, condition, log, "patient")
    clock.spawn(waiter, clock, condition, log, "hasty", 1)
    clock.spawn(condition.notify_all, after=2)
    clock.run()
    assert log == [("hasty", False, 1), ("patient", True, 2)]


def test_waiting_tasks_wake_in_the_order_in_which_they_came(clock):
    condition, log = clock.condition(), []
    for name in "cab":
        clock.spawn(waiter, clock, condition, log, name, 60)
    clock.spawn(condition.notify_all, after=1)
    clock.run()
    assert log == [("c", True, 1), ("a", True, 1), ("b", True, 1)]


def test_at_one_instant_a_timeout_comes_before_a_notification(clock):
    """The timeout was scheduled first. The notification then wakes neither this wait nor a later one."""
    condition, log = clock.condition(), []

    def twice():
        waiter(clock, condition, log, "first", 1)
        waiter(clock, condition, log, "second", 5)

    clock.spawn(condition.notify_all, after=1)
    clock.spawn(twice)
    clock.run()
    assert log == [("first", False, 1), ("second", False, 6)]


def test_a_delayed_notification_wakes_those_that_wait_now_and_still_wait_then(clock):
    """Neither a wait that begins later nor the second wait of a task whose first one timed out."""
    condition, log = clock.condition(), []

    def twice():
        waiter(clock, condition, log, "gave up", 1)
        waiter(clock, condition, log, "again", 5)

    clock.spawn(waiter, clock, condition, log, "patient")
    clock.spawn(twice)
    clock.spawn(lambda: condition.notify_all(after=2))
    clock.spawn(waiter, clock, condition, log, "late", 9)
    clock.run()
    assert log == [("gave up", False, 1), ("patient", True, 2), ("again", False, 6), ("late", False, 9)]


def test_two_notifications_wake_one_wait_once(clock):
    """The second one wakes nothing: the sleep after the wait lasts its full time."""
    condition, log = clock.condition(), []

    def wait_and_sleep():
        waiter(clock, condition, log, "woken")
        sleeper(clock, log, "slept", 10)

    clock.spawn(wait_and_sleep)
    clock.spawn(lambda: (condition.notify_all(after=1), condition.notify_all(after=2)))
    clock.run()
    assert log == [("woken", True, 1), ("slept", 11)]


def test_the_main_program_may_wait(clock):
    condition = clock.condition()
    clock.spawn(condition.notify_all, after=3)
    assert condition.wait(5)
    assert clock.now() == 3
    assert not condition.wait(5)
    assert clock.now() == 8


def test_a_wait_that_nothing_can_end_is_a_deadlock(clock):
    """It raises instead of waiting for ever."""
    clock.spawn(clock.condition().wait)
    with pytest.raises(RuntimeError, match="deadlock"):
        clock.condition().wait()


# exceptions -------------------------------------------------------------------------------------


def breaks(clock):
    clock.sleep(5)
    raise LookupError("on purpose")


def test_what_a_task_raises_comes_out_of_run_at_its_instant(clock):
    """The other tasks can then go on."""
    log = []
    clock.spawn(breaks, clock)
    clock.spawn(sleeper, clock, log, "other", 4, 2)
    with pytest.raises(LookupError, match="on purpose"):
        clock.run()
    assert clock.now() == 5
    clock.run()
    assert log == [("other", 4), ("other", 6)]


def test_what_a_task_raises_comes_out_of_the_main_programs_sleep(clock):
    """The wake-up of the sleep that it cut short ends no later sleep."""
    clock.spawn(breaks, clock)
    with pytest.raises(LookupError):
        clock.sleep(7)
    assert clock.now() == 5
    clock.sleep(10)
    assert clock.now() == 15


# the end ----------------------------------------------------------------------------------------


def test_close_ends_every_task_where_it_waits_oldest_first():
    """Their `finally` blocks run. What follows the wait does not, nor does a task that had not begun."""
    log = []
    clock = VirtualClock()

    def careful(name, wait):
        try:
            wait()
            log.append(f"{name} went on")
        finally:
            log.append(f"{name} tidied up")

    clock.spawn(careful, "sleeper", lambda: clock.sleep(100))
    clock.spawn(careful, "waiter", clock.condition().wait)
    clock.spawn(careful, "not begun", print, after=50)
    with clock:
        clock.run(until=10)
        assert log == []
    assert log == ["sleeper tidied up", "waiter tidied up"]
    assert clock.now() == 10


def test_a_finally_block_that_waits_does_not_block_close():
    """It ends at its wait, and the next task is ended as well."""
    log = []

    def careless(clock, name):
        try:
            clock.sleep(100)
        finally:
            log.append(f"{name} starts to tidy up")
            clock.sleep(1)
            log.append(f"{name} is done")

    with VirtualClock() as clock:
        clock.spawn(careless, clock, "a")
        clock.spawn(careless, clock, "b")
        clock.run(until=10)
    assert log == ["a starts to tidy up", "b starts to tidy up"]


def test_close_raises_what_a_finally_block_raises_after_all_tasks_have_ended():
    log = []

    def ends(clock, name, error):
        try:
            clock.sleep(100)
        finally:
            log.append(name)
            if error:
                raise error

    clock = VirtualClock()
    clock.spawn(ends, clock, "a", LookupError("while tidying up"))
    clock.spawn(ends, clock, "b", None)
    clock.run(until=10)
    with pytest.raises(LookupError, match="while tidying up"):
        clock.close()
    assert log == ["a", "b"]


def test_nothing_runs_after_close():
    """`run`, `sleep` and `wait` raise. Closing twice does nothing."""
    log = []
    clock = VirtualClock()
    clock.spawn(sleeper, clock, log, "a", 1, 1, 1)
    clock.run(until=1.5)
    clock.close()
    clock.close()
    clock.spawn(log.append, "too late")
    for wait in (clock.run, lambda: clock.sleep(10), clock.condition().wait):
        with pytest.raises(RuntimeError, match="closed"):
            wait()
    assert log == [("a", 1)]
    assert clock.now() == 1.5


# greenlets are used again ----------------------------------------------------------------------

colour = contextvars.ContextVar("colour", default="none")


def test_a_task_starts_with_an_empty_context_although_its_greenlet_is_used_again(clock):
    """Context variables that a task sets are seen by it alone, across its waits."""
    seen = []

    def paint(value):
        seen.append(colour.get())
        colour.set(value)
        clock.sleep(1)
        seen.append(colour.get())

    colour.set("main")
    first = clock.spawn(paint, "red")
    clock.spawn(paint, "blue")
    clock.run()
    assert seen == ["none", "none", "red", "blue"]
    again = [clock.spawn(paint, "green"), clock.spawn(paint, "black")]
    assert first in again
    clock.run()
    assert seen[4:] == ["none", "none", "green", "black"]
    assert colour.get() == "main"


def test_a_task_is_not_urgent_because_the_last_one_of_its_greenlet_was(clock):
    log = []
    clock.spawn(sleeper, clock, log, "first", 1, 1)
    urgent = clock.spawn(clock.sleep, 1, urgent=True)
    clock.run(until=1.5)
    assert clock.spawn(sleeper, clock, log, "second", 0.5) is urgent
    clock.run()
    assert log == [("first", 1), ("first", 2), ("second", 2)]


def test_a_thousand_short_tasks_one_after_another_need_one_greenlet(clock):
    tasks = set()
    for _ in range(1000):
        tasks.add(clock.spawn(clock.sleep, 1))
        clock.run()
    assert len(tasks) == 1


def test_tasks_that_are_spawned_together_begin_at_once_and_in_order(clock):
    log = []
    clock.spawn_each(lambda seconds: sleeper(clock, log, seconds, seconds), [2, 1, 2])
    clock.spawn(log.append, "next")
    clock.run()
    assert log == ["next", (1, 1), (2, 2), (2, 2)]
