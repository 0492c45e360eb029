"""Many clients of one event stream in one thread: raw sockets and a selector, so that they cost little themselves."""

import contextlib
import selectors
import socket

from labkit.clock import monotonic

SPARE = 200
"""Descriptors that a process needs besides."""


class TooFewFilesError(Exception):
    """This system lets a process open too few files; the message says how many are needed."""


def allow_files(count):
    """Let this process, and those that it starts, have `count` descriptors more than it needs itself."""
    import resource  # POSIX's

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + SPARE:
        raise TooFewFilesError(f"{count + SPARE} open files are needed, and `ulimit -Hn` says {hard}: raise it")
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + SPARE), hard))


class OpenStreams:
    """`count` open answers to `GET path`, and what each has received."""

    def __init__(self, port, path, count):
        self._selector = selectors.DefaultSelector()
        self.received = []
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", port), 10)
            connection.sendall(request)
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, number)
            self.received.append(bytearray())
        self.wait(b"\n\n", 1)  # the greeting; an answer's head has CRs between

    def wait(self, mark, times, seconds=60.0):
        """Read until every stream has had `mark` so many times; the instant at which each was seen to have it."""
        seen, until = {}, monotonic() + seconds
        for number, received in enumerate(self.received):
            if received.count(mark) >= times:
                seen[number] = monotonic()
        while len(seen) < len(self.received):
            ready = self._selector.select(until - monotonic())
            if not ready:
                raise TimeoutError(f"{len(seen)} of {len(self.received)} streams had {mark!r} {times} times by then")
            for key, _ in ready:
                data = key.fileobj.recv(65_536)
                if not data:
                    raise ConnectionError(f"stream {key.data} was closed: {bytes(self.received[key.data])[:300]!r}")
                received = self.received[key.data]
                received += data
                if key.data not in seen and received.count(mark) >= times:
                    seen[key.data] = monotonic()
        return [seen[number] for number in range(len(seen))]

    def close(self):
        for key in list(self._selector.get_map().values()):
            with contextlib.suppress(OSError):
                key.fileobj.close()
        self._selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def events(received):
    """The `data` lines of an answer in chunks of server-sent events."""
    _, _, raw = bytes(received).partition(b"\r\n\r\n")
    return [line[len(b"data: ") :] for line in unchunked(raw).split(b"\n") if line.startswith(b"data: ")]


def unchunked(raw):
    """The content of chunks (RFC 9112, 7.1), of which the last one may not have arrived whole."""
    content = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        assert b"\r\n".startswith(raw[length : length + 2])
        content, raw = content + raw[:length], raw[length + 2 :]
    return content
