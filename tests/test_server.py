"""A server from start to stop: many requests at once, secret paths, processes."""

import os
import signal
import subprocess
import sys
import threading

import httpx
import pytest
from flask import Flask, redirect, url_for
from raw_http import (
    TIMEOUT,
    answering,
    connect,
    head,
    is_refused,
    parse,
    pause,
    read_to_end,
    threads_of,
    ticking,
    wait_for,
)

from labkit.clock import monotonic
from labkit.server import RequestLimits, serve


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        yield client


def test_two_hundred_requests_are_served_at_once():
    """All of them have reached the app before the first is answered."""
    barrier = threading.Barrier(200)

    def app(environ, start_response):
        barrier.wait(TIMEOUT)
        return answering()(environ, start_response)

    with serve(app) as server:
        connections = [connect(server.port) for _ in range(200)]
        for connection in connections:
            connection.sendall(head(server, "Connection: close"))
        assert {parse(read_to_end(connection), "POST")[0][2] for connection in connections} == {b"hello"}
        for connection in connections:
            connection.close()
        assert (server.requests, server.errors) == (200, "")
        assert wait_for(lambda: len(threads_of(server)) == 1)


def test_stop_ends_300_open_streams_and_leaves_no_thread_and_no_port():
    ended = []
    server = serve(ticking(ended, 0.1))
    connections = [connect(server.port) for _ in range(300)]
    for connection in connections:
        connection.sendall(head(server))
    for connection in connections:
        assert b": tick" in connection.recv(65_536)
    assert len(threads_of(server)) == 301
    since = monotonic()
    server.stop()
    assert monotonic() - since < 1.0
    assert threads_of(server) == []
    assert len(ended) == 300
    assert is_refused(server.port)
    for connection in connections:
        read_to_end(connection)
        connection.close()
    assert server.errors == ""
    with serve(answering(), server.port) as again:
        assert again.port == server.port


def test_stop_ends_connections_in_every_state():
    """Before a request, within one, after one, and during an answer that the client does not read."""

    def app(environ, start_response):
        size = 20_000_000 if environ["PATH_INFO"] == "/much" else 1
        return answering(chunks=[b"x" * size])(environ, start_response)

    server = serve(app)
    connections = []
    for raw in (b"", head(server)[:-1], head(server), head(server, target="/much")):
        connections.append(connect(server.port))
        connections[-1].sendall(raw)
    assert connections[2].recv(10)
    assert wait_for(lambda: len(threads_of(server)) == 5)
    pause(0.1)
    since = monotonic()
    server.stop()
    assert monotonic() - since < 1.0
    assert threads_of(server) == []
    for connection in connections:
        connection.close()


def test_stop_does_not_wait_long_for_an_app_that_does_not_return():
    forever = threading.Event()

    def app(environ, start_response):
        forever.wait(TIMEOUT)
        return answering()(environ, start_response)

    server = serve(app)
    with connect(server.port) as connection:
        connection.sendall(head(server))
        assert wait_for(lambda: server.requests == 1)
        since = monotonic()
        server.stop()
        assert monotonic() - since < 1.0
        assert is_refused(server.port)
        assert read_to_end(connection) == b""
    forever.set()
    assert wait_for(lambda: threads_of(server) == [])


def test_stop_may_be_called_by_the_app_and_by_many_threads_at_once():
    def app(environ, start_response):
        server.stop()
        return answering()(environ, start_response)

    server = serve(app)
    with connect(server.port) as connection:
        connection.sendall(head(server))
        assert read_to_end(connection) == b""
    stoppers = [threading.Thread(target=server.stop) for _ in range(5)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join(TIMEOUT)
    server.stop()
    assert wait_for(lambda: threads_of(server) == [])
    assert (is_refused(server.port), server.errors) == (True, "")


def test_a_with_block_stops_its_server_also_when_it_raises():
    with pytest.raises(ZeroDivisionError), serve(answering()) as server:
        assert 1 / len(threads_of(server)[1:])
    assert is_refused(server.port)
    assert repr(server) == f"<Server {server.url} stopped>"
    with serve(answering()) as server:
        assert repr(server) == f"<Server {server.url} running>"


def test_a_port_that_is_not_available_is_an_error_that_names_it():
    with serve(answering()) as server:
        message = rf"^port {server.port} of 127.0.0.1 is not available \(Address already in use\): leave"
        with pytest.raises(OSError, match=message):
            serve(answering(), server.port)
    with pytest.raises(ValueError, match=r"^port must be a whole number from 0 to 65535, got 65536$"):
        serve(answering(), 65_536)


def test_an_app_that_cannot_be_called_is_a_type_error():
    with pytest.raises(TypeError, match=r"app must be a WSGI app, such as Flask\(__name__\), got 'app'"):
        serve("app")


# under a tunnel's name ------------------------------------------------------------------


def test_a_server_is_called_under_its_own_names_and_those_it_is_given(http):
    """In any case of letters, and with any port: a tunnel has one of its own."""
    with serve(hub_app(), limits=RequestLimits(hosts=("abc.example.com",))) as server:
        own = f"127.0.0.1:{server.port}"
        accepted = ["abc.example.com", "ABC.example.com", "abc.example.com:443", own, f"localhost:{server.port}"]
        refused = ["evil.example.com", "abc.example.com.evil", "x.abc.example.com", "127.0.0.1:1", "example.com", "*"]
        for host in accepted + refused:
            answer = http.get(f"{server.url}/deep/", headers={"Host": host})
            assert (host, answer.status_code) == (host, 200 if host in accepted else 400)
        assert answer.json()["detail"] == f"Host must be {own} or abc.example.com, got '*'"


# secret paths -----------------------------------------------------------------------


def hub_app():
    app = Flask("hub")
    app.add_url_rule("/", "index", lambda: redirect(url_for("deep")))
    app.add_url_rule("/deep/", "deep", lambda: {"url": url_for("deep"), "outside": url_for("deep", _external=True)})
    return app


def test_on_a_hub_the_app_is_below_a_secret_path(http, monkeypatch):
    """With the path the app works, links and redirects included; without it every answer is the same 404."""
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with serve(hub_app()) as server, serve(hub_app()) as other:
        base, secret = server.url.rsplit("/", 1)
        assert base == f"http://127.0.0.1:{server.port}"
        assert len(secret) == 16
        assert secret not in other.url
        answer = http.get(f"{server.url}/deep/")
        assert answer.json() == {"url": f"/{secret}/deep/", "outside": f"{server.url}/deep/"}
        for start in (server.url, f"{server.url}/", f"{server.url}/deep"):
            assert http.get(start, follow_redirects=True).json() == answer.json()
        before = server.requests
        wrong = ["/", "/deep/", f"/{secret[:-1]}", f"/{secret}x", f"/{secret}x/deep/", f"/{secret.swapcase()}/"]
        for path in [*wrong, f"//{secret}/", f"/{secret[:-1]}%{ord(secret[-1]):x}/x"]:
            answer = http.get(base + path)
            assert (answer.status_code, answer.json()["detail"]) == (404, "not found")
        assert server.requests == before
        assert http.get(f"{server.url}/nothing").status_code == 404
        shown = [repr(server), *(thread.name for thread in threading.enumerate())]
        assert not any(secret in text for text in shown)


def test_secret_path_overrides_what_the_hub_decides(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    with serve(hub_app()) as plain, serve(hub_app(), secret_path=True) as hidden:
        assert (plain.prefix, len(hidden.prefix)) == ("", 17)
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with serve(hub_app(), secret_path=False) as plain:
        assert plain.prefix == ""


# processes --------------------------------------------------------------------------------------

FORKING = """
import os, sys, time
from labkit.server import RequestLimits, serve
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"parent" if os.getpid() == parent else b"child"]
parent, server = os.getpid(), serve(app)
child = os.fork()
if not child:
    with serve(app) as own:
        os.write(1, f"{own.port}\\n".encode())  # in one write, since two processes use this pipe
        time.sleep(60)
os.write(1, f"{server.port} {child}\\n".encode())
sys.stdin.read()
"""


@pytest.fixture
def forked():
    """A process that serves, and its forked child: the process, its port, the child's pid and port."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    (own,), (port, child) = sorted((process.stdout.readline().split() for _ in range(2)), key=len)
    yield process, int(port), int(child), int(own)
    os.kill(int(child), signal.SIGKILL)
    process.kill()
    with process:
        process.wait(TIMEOUT)


def test_a_forked_child_does_not_hold_its_parents_port(forked, http):
    """When the parent is killed, the port is free although the child lives; the child can serve an app of its own."""
    process, port, child, own = forked
    assert [http.get(f"http://127.0.0.1:{each}").text for each in (port, own)] == ["parent", "child"]
    process.kill()
    process.wait(TIMEOUT)
    os.kill(child, 0)
    assert is_refused(port)
    assert http.get(f"http://127.0.0.1:{own}").text == "child"


def test_the_end_of_a_process_ends_its_server(forked):
    """At once and without an error, although a client holds a connection open, and a forked child lives."""
    process, port, _, _ = forked
    with connect(port) as connection:
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0
        assert read_to_end(connection) == b""
    assert is_refused(port)


STREAMING = """
import sys, time
from labkit.server import RequestLimits, serve
def ticks():
    try:
        while True:
            yield b"tick"
            time.sleep(0.05)
    finally:
        print("closed", flush=True)
def app(environ, start_response):
    start_response("200 OK", [])
    return ticks()
print(serve(app).port, flush=True)
sys.stdin.read()
"""


def test_streams_run_their_finally_blocks_at_the_end_of_the_process(http):
    with subprocess.Popen(
        [sys.executable, "-c", STREAMING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        with http.stream("GET", f"http://127.0.0.1:{process.stdout.readline().strip()}") as answer:
            assert next(answer.iter_raw()) == b"tick"
            process.stdin.close()
            assert process.stdout.read() == "closed\n"
        assert process.wait(TIMEOUT) == 0
