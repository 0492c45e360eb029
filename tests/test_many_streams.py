"""A thousand open streams of one source, on sockets."""

import os
import threading

import pytest
from open_streams import OpenStreams, allow_files, events
from raw_http import threads_of, wait_for

from labkit.clock import monotonic
from labkit.server import serve
from labkit.source import EventSource

STREAMS, EVENTS = 1000, 8


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="on Windows select takes at most 512 sockets")
def test_a_thousand_streams_get_each_event_once_and_in_order_and_stop_ends_them_all():
    """The server stops while all are open, within 10 s on a busy machine. In the end no thread is left."""
    allow_files(2 * STREAMS)  # both ends are in this process
    before, source = set(threading.enumerate()), EventSource()
    server = serve(source.app)
    with OpenStreams(server.port, "/stream", STREAMS) as streams:
        assert wait_for(lambda: len(threads_of(server)) == 2)  # one accepts, one writes to all
        emitted = []
        for number in range(EVENTS):
            emitted.append(source.emit("tick.happened", {"number": number}))
            if number % 2:  # two at a time, so that some come as one chunk and some as two
                streams.wait(b"\ndata: ", number + 1)
        source.emit("all.sent", {})
        streams.wait(b"all.sent", 1)  # nothing comes late, after what was waited for
        for received in streams.received:
            assert events(received)[:-1] == emitted
        assert (server.requests, server.errors) == (STREAMS, "")
        started = monotonic()
        server.stop()
        assert monotonic() - started < 10.0
        source.close()
        with pytest.raises(ConnectionError, match="was closed"):
            streams.wait(b"data: ", EVENTS + 2)
    assert wait_for(lambda: not set(threading.enumerate()) - before)
