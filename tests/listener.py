"""A TCP server of a test's own: it reads requests, and answers with any bytes."""

import contextlib
import socket
import threading

OK = b"HTTP/1.1 200 OK\r\n"


class Listener:
    """A TCP server: each connection is a thread's, and all of them have ended after the block."""

    def __init__(self, handle_connection):
        self._converse, self._all, self.connections = handle_connection, [], 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                self._all.append(connection)
                thread = threading.Thread(target=self._run, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _run(self, connection):
        with contextlib.suppress(OSError), connection:
            self._converse(connection)

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *error):
        for each in [self._socket, *self._all]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()


def read_request(connection):
    """A request with its body, as bytes; b"" if the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
