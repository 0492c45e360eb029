"""A body that waits for a notification, as any WSGI server iterates over it."""

import socket
import threading
from contextlib import closing

import httpx
import pytest
from raw_http import wait_for
from werkzeug.serving import make_server

from labkit.clock import RealClock, VirtualClock
from labkit.server import WaitingBody
from labkit.source import EventSource


def counted(*chunks):
    yield from chunks


def test_a_body_waits_where_a_chunk_is_empty_and_sends_its_idle_text_after_a_silence():
    """Notified at 3 s it goes on then; and at 20 s, where it has nothing to send. A silence lasts 15 s."""
    clock = VirtualClock()
    news, taken = clock.condition(), []
    body = WaitingBody(counted(b"a", b"", b"b", b"c", b"", b"", b"", b"d", b""), news, 15, b"idle")

    def take():
        for chunk in body:
            taken.append((clock.now(), chunk))

    clock.spawn(take)
    for at in (3, 20, 48):
        clock.spawn(news.notify_all, after=at)
    clock.run()
    assert taken == [(0, b"a"), (3, b"b"), (3, b"c"), (18, b"idle"), (20, b"idle"), (20, b"d"), (35, b"idle")]


def test_a_notification_as_a_silence_ends_comes_after_the_idle_text():
    """The silence was due first. What was published at its last instant is sent at that instant too."""
    clock = VirtualClock()
    news, published, taken = clock.condition(), [], []

    def chunks():
        while not published:
            yield b""
        yield published.pop()

    def publish():
        published.append(b"a")
        news.notify_all()

    clock.spawn(publish, after=15)
    clock.spawn(lambda: taken.extend((clock.now(), chunk) for chunk in WaitingBody(chunks(), news, 15, b"idle")))
    clock.run()
    assert taken == [(15, b"idle"), (15, b"a")]


@pytest.mark.parametrize("chunks", [(), (b"a",), (b"a", b"b")])
def test_a_body_ends_with_its_chunks(chunks):
    clock = VirtualClock()
    body = WaitingBody(counted(*chunks), clock.condition(), 15, b"idle")
    assert b"".join(body) == b"".join(chunks)


def test_a_notification_between_the_look_and_the_wait_is_not_missed():
    """Here the chunk's own code notifies, after it has looked. A wait would take 60 s, and the test fails after 10."""
    clock = RealClock()
    news, taken = clock.condition(), []

    def chunks():
        with news:
            news.notify_all()
        yield b""
        yield b"a"

    task = threading.Thread(target=lambda: taken.extend(WaitingBody(chunks(), news, 60, b"idle")), daemon=True)
    task.start()
    task.join(10)
    assert taken == [b"a"]


def werkzeugs_threads():
    return [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


def test_another_server_streams_the_sources_events_as_they_happen():
    """Werkzeug's, with a thread per connection: whoever serves the app by a server of their own gets the same."""
    with closing(EventSource()) as source, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = make_server("127.0.0.1", 0, source.app, threaded=True, fd=listener.fileno())
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        with httpx.stream("GET", f"http://127.0.0.1:{server.port}/stream", trust_env=False) as answer:
            lines = answer.iter_lines()
            assert [next(lines), next(lines)] == ["retry: 1000", ""]
            for number in range(3):
                event = source.emit("tick.happened", {"number": number})
                assert next(lines).startswith("id: ")
                assert [next(lines), next(lines)] == [f"data: {event.decode()}", ""]
        # the client has left: its thread finds out when it writes
        assert wait_for(lambda: source.emit("a", {}) and not werkzeugs_threads())
        server.shutdown()
        serving.join()


@pytest.mark.parametrize(
    ("seconds", "idle", "said"),
    [
        (15, b"", "idle must have at least one byte, such as a comment, got b''"),  # else nobody sees the client leave
        (0, b"idle", "seconds must be > 0 seconds, got 0"),
        (float("nan"), b"idle", "seconds must be a finite number > 0 seconds, got nan"),
    ],
)
def test_a_body_that_would_never_wait_or_never_be_idle_is_refused(seconds, idle, said):
    with pytest.raises(ValueError, match=said):
        WaitingBody(counted(), VirtualClock().condition(), seconds, idle)
