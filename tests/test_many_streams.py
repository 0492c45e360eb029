"""A thousand open streams on one source, for real; and the condition on which their threads wait."""

import os
import random
import threading

import pytest
from open_streams import OpenStreams, allow_files, events

from labkit.clock import RealClock, monotonic
from labkit.server import serve
from labkit.source import EventSource

STREAMS, EVENTS = 1000, 8
PATIENCE = 10.0
posix = pytest.mark.skipif(os.name != "posix", reason="elsewhere select takes 512 sockets")
pause = threading.Event().wait


def threads_of(server):
    return [thread for thread in threading.enumerate() if thread.name == f"labkit serve {server.port}"]


def soon(condition):
    until = monotonic() + PATIENCE
    while not condition() and monotonic() < until:
        pause(0.02)
    return condition()


@posix
@pytest.mark.slow
def test_each_event_reaches_each_of_a_thousand_streams_once_and_in_order():
    """And when all have left and the server has stopped, no thread is left."""
    allow_files(2 * STREAMS)  # both ends are in this process
    before, source = set(threading.enumerate()), EventSource()
    with serve(source.app) as server:
        with OpenStreams(server.port, "/stream", STREAMS) as streams:
            assert len(threads_of(server)) == STREAMS + 1
            emitted = []
            for number in range(EVENTS):
                emitted.append(source.emit("tick.happened", {"number": number}))
                if number % 2:  # two at a time, so that some come as one chunk and some as two
                    streams.wait(b"\ndata: ", number + 1)
            source.emit("all.told", {})
            streams.wait(b"all.told", 1)  # nothing comes late, after what was waited for
            for received in streams.received:
                assert events(received)[:-1] == emitted
        assert server.requests == STREAMS
        assert server.errors == ""
    source.close()
    assert soon(lambda: not set(threading.enumerate()) - before)


@posix
@pytest.mark.slow
def test_a_server_stops_while_a_thousand_streams_are_open():
    allow_files(2 * STREAMS)
    before, source = set(threading.enumerate()), EventSource()
    server = serve(source.app)
    with OpenStreams(server.port, "/stream", STREAMS) as streams:
        started = monotonic()
        server.stop()
        source.close()
        with pytest.raises(ConnectionError, match="was closed"):
            streams.wait(b"data:", 1)
        assert monotonic() - started < PATIENCE
    assert soon(lambda: not set(threading.enumerate()) - before)


def test_one_notice_wakes_everybody_who_waits_and_nobody_who_comes_later():
    with RealClock() as clock:
        condition, woken, waiting = clock.condition(), [], []

        def wait(name, again):
            with condition:
                waiting.append(name)
                woken.append((name, condition.wait(PATIENCE)))
                if again:
                    woken.append((f"{name} again", condition.wait(0.2)))

        for number in range(20):
            clock.spawn(wait, str(number), number < 10)
        assert soon(lambda: len(waiting) == 20)
        with condition:
            condition.notify_all()
        assert soon(lambda: len(woken) == 30)
        assert sorted(woken) == sorted(
            [(str(number), True) for number in range(20)] + [(f"{number} again", False) for number in range(10)]
        )


@pytest.mark.slow
def test_a_notice_is_passed_on_by_those_whose_time_runs_out_meanwhile():
    """Forty wait about as long as it takes to be told, ten for ever: all of these hear of the last one."""
    rng = random.Random(4)
    for _ in range(20):
        with RealClock() as clock:
            condition, said, heard = clock.condition(), [0], [0] * 50

            def listen(number, seconds, condition=condition, said=said, heard=heard):
                while heard[number] < 30:
                    with condition:
                        if said[0] == heard[number]:
                            condition.wait(seconds)
                        heard[number] = said[0]

            for number in range(50):
                clock.spawn(listen, number, rng.uniform(0, 0.002) if number < 40 else None)
            for _ in range(30):
                pause(rng.uniform(0, 0.002))
                with condition:
                    said[0] += 1
                    condition.notify_all()
            assert soon(lambda heard=heard: heard == [30] * 50)
