"""The connections that a client keeps: which it uses again, how many it looks at, and when it closes them."""

import contextlib
import select
import time

import flask
import pytest
from listener import OK, Listener, read_request

from labkit.clock import RealClock
from labkit.ledger import Ledger
from labkit.network import sockets
from labkit.network.sockets import SocketNetwork


@pytest.fixture
def network():
    with RealClock() as clock, contextlib.closing(SocketNetwork(clock, Ledger())) as network:
        yield network


def test_a_request_looks_at_the_connections_to_its_own_host_alone(network, monkeypatch):
    """Otherwise 400 deliveries to as many hosts look at 400 connections each, twice."""
    looked, info = [], sockets._Connection.get_extra_info
    monkeypatch.setattr(sockets._Connection, "get_extra_info", lambda *given: looked.append(given) or info(*given))
    urls = [network.host(f"host-{number}", flask.Flask("empty")) for number in range(8)]
    client = network.client("me", "poll")
    for url in urls * 2:
        client.get(url)
    assert len(network.ports) == len(urls)
    assert len(looked) <= 4 * 2 * len(urls)


def test_a_request_looks_at_one_idle_connection_however_many_there_are(network, monkeypatch):
    """Otherwise 1,000 deliveries at once to one host leave 1,000 connections, and each later request looks at all."""
    client, url = network.client("me", "poll"), network.host("host", flask.Flask("empty"))
    with contextlib.ExitStack() as answers:
        for answer in [answers.enter_context(client.stream("GET", url)) for _ in range(8)]:
            answer.read()
    looked, info = [], sockets._Connection.get_extra_info
    monkeypatch.setattr(sockets._Connection, "get_extra_info", lambda *given: looked.append(given) or info(*given))
    for _ in range(4):
        client.get(url)
    assert (len(network.ports), len(looked)) == (8, 4)


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again(network):
    def answer_and_close(connection):
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    client = network.client("me", "poll")
    with Listener(answer_and_close) as server:
        for _ in range(3):
            assert client.get(server.url).status_code == 200
            (kept,) = network._streams
            assert select.select([kept._socket], [], [], 5)[0]  # its end has arrived
        assert server.connections == 3


def test_idle_connections_to_other_hosts_are_closed_in_time_and_those_in_use_are_not(network, monkeypatch):
    monkeypatch.setattr(sockets, "KEEP_ALIVE", 0.05)
    first, second, third = (network.host(f"host-{number}", flask.Flask("empty")) for number in range(3))
    client = network.client("me", "poll")
    client.get(first)
    with client.stream("GET", second) as answer:
        time.sleep(0.1)
        client.get(third)
        still_open = {network.ports.index(stream.port) for stream in network._streams}
        assert still_open & {0, 1} == {1}
        assert answer.read()


def test_looking_for_expired_connections_does_not_change_who_is_called(network, monkeypatch):
    """The last host that was looked at is another than the one to be called."""
    urls = [network.host(f"host-{number}", flask.Flask("empty")) for number in range(3)]
    client = network.client("me", "poll")
    for url in urls:
        client.get(url)
    monkeypatch.setattr(sockets, "KEEP_ALIVE", -1)  # look at all connections each time; they were made to be kept
    for url in urls:
        client.get(url)
    assert network.ledger.host == ["host-0", "host-1", "host-2"] * 2
    assert list(network.ledger.connection) == [0, 1, 2] * 2
