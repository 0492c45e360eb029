"""The network of sockets: bytes against a proxy that counts them, deadlines against drips, and who may be called."""

import contextlib
import gzip
import itertools
import socket
import struct
import threading
import time
import tracemalloc

import flask
import httpx
import pytest
from listener import OK, Listener, read_request

from labkit.clock import RealClock
from labkit.ledger import Ledger
from labkit.network import sockets
from labkit.network.egress import Egress
from labkit.network.sockets import LOOPBACK, SocketNetwork
from labkit.policies import RetryProfile
from labkit.source.deliver import LARGEST_ANSWER, deliver
from labkit.source.store import Subscription

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def network():
    with RealClock() as clock:
        network = SocketNetwork(clock, Ledger())
        yield network
        network.close()


class CountingProxy(Listener):
    """Passes on what it gets, both ways, and counts it."""

    def __init__(self, port):
        super().__init__(self._pass_on)
        self._to, self.out, self.back = port, 0, 0

    def _pass_on(self, client):
        with socket.create_connection(("127.0.0.1", self._to)) as server:

            def answers():
                with contextlib.suppress(OSError):
                    while data := server.recv(65_536):
                        self.back += len(data)
                        client.sendall(data)
                    client.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=answers)
            thread.start()
            with contextlib.suppress(OSError):
                while data := client.recv(65_536):
                    self.out += len(data)
                    server.sendall(data)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()

    def counts(self):
        """Once they have stood still."""
        while (now := (self.out, self.back)) != (time.sleep(0.02), (self.out, self.back))[1]:
            pass
        return now


def says(*parts, pause=0.0, reset=False):
    """A server that answers every request with these bytes, and closes if the answer does not say how long it is."""

    def handle_connection(connection):
        while read_request(connection):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            if reset:
                time.sleep(0.05)  # let what was said arrive first
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if reset or b"Content-Length" not in parts[0]:
                return

    return Listener(handle_connection)


def only_row(network):
    """The one exchange there is: what it was, its bytes, and how it ended. It is closed."""
    ledger = network.ledger
    assert not ledger.in_flight
    assert len(ledger.status) == 1
    assert ledger.answered_at[0] >= ledger.sent_at[0]
    return ledger.status[0], ledger.error[0]


def app():
    app = flask.Flask("app")

    @app.route("/", methods=["GET", "POST"])
    def plain():
        return flask.Response(b"hello" + flask.request.get_data())

    @app.get("/chunks")
    def chunks():
        return flask.Response(b"x" * n for n in (1, 20, 300))

    @app.get("/nothing")
    def nothing():
        return flask.Response(status=204)

    @app.get("/away")
    def away():
        return flask.redirect("/")

    return app


# bytes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b""),
        ("GET", "/?q=1", b""),
        ("HEAD", "/", b""),
        ("POST", "/", b"x" * 10),
        ("POST", "/", b"x" * 300_000),
        ("GET", "/chunks", b""),
        ("GET", "/nothing", b""),
        ("GET", "/missing", b""),
    ],
)
def test_bytes_are_those_that_cross(network, method, path, body):
    """Request and answer, headers and chunk sizes included, to the byte."""
    network.host("here", app())
    port = network._servers[0].port
    with CountingProxy(port) as proxy:
        network.client("me", "poll").request(
            method, proxy.url + path, content=body, headers={"Host": f"127.0.0.1:{port}"}
        )
        assert (network.ledger.bytes_out[0], network.ledger.bytes_in[0]) == proxy.counts()
    assert network.ledger.bytes_out[0] > len(body) + 50
    assert network.ledger.bytes_in[0] > 50
    assert (network.ledger.path[0], network.ledger.method[0]) == (path.partition("?")[0], method)


def test_a_reused_connection_has_each_exchanges_own_bytes(network):
    """Three exchanges over one connection: each has its own, and together they are what crossed."""
    network.host("here", app())
    port, ledger = network._servers[0].port, network.ledger
    with CountingProxy(port) as proxy:
        client = network.client("me", "poll", proxy.url)
        client.headers["Host"] = f"127.0.0.1:{port}"
        seen = [(0, 0)]
        for length in (0, 1000, 5):
            assert len(client.post("/", content=b"x" * length).content) == 5 + length
            seen.append(proxy.counts())
        assert proxy.connections == 1
    assert list(ledger.connection) == [0, 0, 0]
    for n, (before, after) in enumerate(itertools.pairwise(seen)):
        assert (ledger.bytes_out[n], ledger.bytes_in[n]) == (after[0] - before[0], after[1] - before[1])


def test_exchanges_side_by_side_do_not_mix_their_bytes(network):
    """Eight threads over one client, each with lengths of its own."""
    url = network.host("here", app())
    client = network.client("me", "poll", url)
    lengths = [10 ** (n % 5) + n for n in range(40)]
    alone = [client.post("/", content=b"x" * length).extensions["labkit.exchange"] for length in lengths]
    together = {}

    def send(some):
        for length in some:
            together[length] = client.post("/", content=b"x" * length).extensions["labkit.exchange"]

    threads = [threading.Thread(target=send, args=(lengths[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out, back = network.ledger.bytes_out, network.ledger.bytes_in
    for length, exchange in zip(lengths, alone, strict=True):
        twin = together[length]
        assert (out[exchange], back[exchange]) == (out[twin], back[twin])
    assert network.requests_served() == 80


def test_two_answers_read_in_turns_keep_their_own_bytes(network):
    """One thread reads a chunk here and a chunk there."""
    answer = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with says(answer, b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", b"0\r\n\r\n", pause=0.05) as server:
        client = network.client("me", "poll", server.url)
        with client.stream("GET", "/") as one, client.stream("GET", "/") as two:
            pairs = list(zip(one.iter_raw(), two.iter_raw(), strict=True))
            assert pairs == [(b"first", b"first"), (b"second", b"second")]
        sizes = len(answer) + len(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")
        assert list(network.ledger.bytes_in) == [sizes, sizes]


@pytest.mark.parametrize(
    "answer", [OK + b"Content-Length: 100\r\n\r\nshort", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nsho"]
)
def test_an_answer_cut_short_is_an_error_and_its_bytes_count(network, answer):
    def handle_connection(connection):
        read_request(connection)
        connection.sendall(answer)

    with Listener(handle_connection) as server, pytest.raises(httpx.RemoteProtocolError):
        network.client("me", "poll").get(server.url)
    assert only_row(network) == (200, "RemoteProtocolError")
    assert network.ledger.bytes_in[0] == len(answer)


def test_an_answer_that_nobody_reads_to_its_end_is_closed(network):
    with says(OK + b"Content-Length: 1000000\r\n\r\n", b"x" * 1_000_000) as server:
        with network.client("me", "poll").stream("GET", server.url) as answer:
            assert answer.status_code == 200
        assert only_row(network) == (200, "")
        assert not network._streams


# answers that are none --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "error", "status"),
    [
        (says(b"HTTP/9.9 yes\r\n\r\n"), httpx.RemoteProtocolError, 0),
        (says(b"\0\xff\xfe junk \r\n\r\n"), httpx.RemoteProtocolError, 0),
        (says(OK + b"no colon\r\n\r\n"), httpx.RemoteProtocolError, 0),
        (says(OK + b"X: " + b"x" * 200_000), httpx.RemoteProtocolError, 0),
        (says(b""), httpx.RemoteProtocolError, 0),
        (says(OK), httpx.RemoteProtocolError, 0),
        (says(b"", reset=True), httpx.ReadError, 0),
        (says(OK + b"Content-Length: 9\r\n\r\nfour", reset=True), httpx.ReadError, 200),
    ],
    ids=["version", "junk", "header", "endless header", "close", "close in head", "reset", "reset in body"],
)
def test_junk_and_cuts_are_errors_of_their_kind(network, server, error, status):
    with server, pytest.raises(error) as caught:
        network.client("me", "poll").get(server.url)
    assert type(caught.value) is error
    assert str(caught.value)
    assert only_row(network) == (status, error.__name__)


def test_a_port_that_nobody_listens_at_is_a_connect_error(network):
    with says(b"") as server:
        pass
    with pytest.raises(httpx.ConnectError):
        network.client("me", "poll").get(server.url)
    assert only_row(network) == (0, "ConnectError")
    assert (network.ledger.bytes_out[0], network.ledger.bytes_in[0], network.ledger.connection[0]) == (0, 0, -1)


def test_redirects_are_not_followed(network):
    url = network.host("here", app())
    answer = network.client("me", "poll", url).get("/away")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert network.requests_served() == 1


@pytest.mark.parametrize("location", ["http://[", "http://a:99999/", "/\udcff"])
def test_a_redirect_to_nowhere_closes_its_row(network, location):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode("utf-8", "surrogateescape")
    with says(head + b"\r\n\r\n") as server, contextlib.suppress(httpx.HTTPError, httpx.InvalidURL, ValueError):
        network.client("me", "poll").get(server.url)
    assert only_row(network) == (302, "")


# deadlines and bounds ---------------------------------------------------------------------------


def drip(*, head=b"", byte=b"x"):
    """A server that sends a byte each tenth of a second, for as long as somebody listens."""

    def handle_connection(connection):
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(byte)
            time.sleep(0.1)

    return Listener(handle_connection)


def silent(connection):
    """A server that takes everything and says nothing."""
    while connection.recv(65_536):
        pass


def slow_reader(connection):
    """A server that takes its time over a request, so that the client's buffers fill."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while connection.recv(1000):
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "error", "status", "length"),
    [
        (drip(head=OK + b"Content-Length: 1000\r\n\r\n"), httpx.ReadTimeout, 200, 1),
        (drip(head=OK + b"X-Slow: "), httpx.ReadTimeout, 0, 1),
        (drip(head=b"", byte=b"HTTP/1.1 100 Continue\r\n\r\n"), httpx.ReadTimeout, 0, 1),
        (Listener(silent), httpx.ReadTimeout, 0, 1),
        (Listener(slow_reader), httpx.WriteTimeout, 0, 20_000_000),
    ],
    ids=["body", "headers", "continues", "silence", "slow reader"],
)
def test_the_deadline_is_for_the_whole_exchange(network, server, error, status, length):
    """A byte each 0.1 s passes every timeout of a single read, and still the end comes at 0.5 s."""
    client = httpx.Client(transport=network.transport("source", "delivery", deadline=0.5), timeout=30)
    with server:
        start = time.monotonic()
        with pytest.raises(error):
            client.post(server.url, content=b"x" * length)
        assert 0.45 < time.monotonic() - start < 1.5
    assert only_row(network) == (status, error.__name__)
    taken = min(length, 10_000_000)  # more than what the system's buffers hold
    assert 100 < network.ledger.bytes_out[0] < 200 + taken


def test_without_a_deadline_a_timeout_is_for_each_read(network):
    """As in httpx: a drip is waited for; silence is not."""
    body = [bytes([65 + n]) for n in range(5)]
    with says(OK + b"Content-Length: 5\r\n\r\n", *body, pause=0.1) as server:
        assert network.client("me", "poll", timeout=0.3).get(server.url).text == "ABCDE"
    with Listener(silent) as server, pytest.raises(httpx.ReadTimeout):
        network.client("me", "poll", timeout=0.2).get(server.url)


def test_a_huge_answer_is_judged_by_its_status_and_read_no_further(network):
    """What the source's dispatcher does with an endpoint that sends 200 and then bytes for ever."""

    def endless(connection):
        read_request(connection)
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    transport = network.transport("source", "delivery", deadline=5)
    with Listener(endless) as server:
        to = Subscription("sub_1", server.url, (), "active", SECRET)
        tracemalloc.start()
        attempt = deliver(transport, to, "evt_1", b"{}", time.time_ns(), RetryProfile())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (attempt.verdict, attempt.status) == ("delivered", 200)
    assert only_row(network) == (200, "")
    assert LARGEST_ANSWER < network.ledger.bytes_in[0] < 4 * LARGEST_ANSWER
    assert peak < 2_000_000
    assert not network._streams


def test_what_comes_packed_though_it_was_not_asked_for_stays_packed(network):
    """200 MB of zeros in 200 kB: they are the body, and no memory is filled."""
    packed = gzip.compress(bytes(1_000_000)) * 200
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    requests = []

    def handle_connection(connection):
        requests.append(read_request(connection))
        connection.sendall(head + packed)

    with Listener(handle_connection) as server:
        tracemalloc.start()
        answer = network.client("me", "poll").get(server.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert b"\r\nAccept-Encoding: identity\r\n" in requests[0]
    assert answer.content == packed
    assert peak < 10_000_000


def test_a_requests_head_and_body_arrive_together(network):
    """In two packets, a server reads twice; a delivery took 8 % longer."""
    reads = []

    def handle_connection(connection):
        while data := connection.recv(65_536):
            reads.append(data)
            connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    with Listener(handle_connection) as server:
        client = network.client("me", "poll")
        client.post(server.url, content=b"first")
        client.get(server.url)
        client.post(server.url, content=b"second")
    assert [data.partition(b"\r\n\r\n")[2] for data in reads] == [b"first", b"", b"second"]


def test_a_connection_closed_before_the_request_is_written_is_an_error_of_the_exchange(network, monkeypatch):
    """As by another thread that closes the network just then."""
    connect = sockets._Connection.connect_tcp

    def connect_and_close(self, *address, **options):
        connection = connect(self, *address, **options)
        connection.close()
        return connection

    monkeypatch.setattr(sockets._Connection, "connect_tcp", connect_and_close)
    with Listener(silent) as server, pytest.raises(httpx.ReadError):
        network.client("me", "poll").get(server.url)
    assert network.ledger.error[0] == "ReadError"


def test_closing_cuts_who_waits_for_an_answer(network):
    """From another thread, at once, as an error; nothing new is sent afterwards."""
    errors = []

    def wait(client, url):
        try:
            client.get(url)
        except httpx.HTTPError as error:
            errors.append(error)

    with Listener(silent) as server:
        client = network.client("me", "poll")
        threads = [threading.Thread(target=wait, args=(client, server.url)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while server.connections < 3:
            time.sleep(0.01)
        start = time.monotonic()
        network.close()
        for thread in threads:
            thread.join(1)
        assert time.monotonic() - start < 0.9
        assert len(errors) == 3
        assert network.ledger.in_flight == {0, 1, 2}  # the run is over: they stay unanswered, and are no errors
        assert not network._streams


def test_after_closing_no_new_connection_holds_anybody(network):
    """A client made before may still try; what it opens is cut."""
    network.client("me", "poll")
    with Listener(silent) as server:
        network.close()
        late = SocketNetwork.client(network, "me", "poll")
        start = time.monotonic()
        with pytest.raises(httpx.HTTPError):
            late.get(server.url)
        assert time.monotonic() - start < 1


# who may be called ------------------------------------------------------------------------------


@pytest.fixture
def no_packets(monkeypatch):
    """Connecting anywhere at all fails the test."""

    def connect(*args, **named):
        pytest.fail(f"a connection was tried: {args}")

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.fixture
def names(monkeypatch):
    """Names that stand for what the test says: one address after the other, a question each."""
    answers, real = {}, socket.getaddrinfo

    def getaddrinfo(host, port, *args, **named):
        if host not in answers:
            return real(host, port, *args, **named)
        if not answers[host]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in address.split()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "localhost", "2130706433", "127.9.8.7"])
def test_every_spelling_of_loopback_may_be_called(host):
    """What is read is the address, not the name."""
    assert LOOPBACK.resolve(host, 80).startswith("127.")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("192.168.1.1", "192.168.1.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("100.64.0.1", "100.64.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("0", "0.0.0.0"),
        ("0x8080808", "8.8.8.8"),
        ("8.8.8.8", "8.8.8.8"),
        ("[::]", "::"),
        ("[::1]", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("[::ffff:7f00:1]", "::ffff:7f00:1"),
        ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
        ("[2002:7f00:1::]", "2002:7f00:1::"),
        ("public.example", "93.184.216.34"),
        ("mixed.example", "93.184.216.34"),
    ],
)
def test_nobody_else_is_called_and_no_packet_leaves(network, names, no_packets, host, address):
    """Refused as a connection that failed; the message has what was asked for, and what it stands for."""
    names |= {"public.example": ["93.184.216.34"], "mixed.example": ["93.184.216.34 127.0.0.1"]}
    with pytest.raises(httpx.ConnectError) as caught:
        network.client("me", "delivery").get(f"http://{host}:8080/")
    assert host.strip("[]") in str(caught.value)
    assert address in str(caught.value)
    assert only_row(network) == (0, "ConnectError")


@pytest.mark.parametrize("host", ["x.invalid", f"{'a' * 64}.example", "a..b"])
def test_a_name_that_stands_for_nothing_is_a_connect_error(network, names, no_packets, host):
    names["x.invalid"] = []
    with pytest.raises(httpx.ConnectError, match=f"{host} has no IPv4 address"):
        network.client("me", "delivery").get(f"http://{host}/")
    assert only_row(network) == (0, "ConnectError")


def test_the_address_that_was_checked_is_the_one_that_is_called(network, names):
    """A name that is public at the first question and private at the next gains nothing: each connection asks once."""
    names["rebind.example"] = ["93.184.216.34", "127.0.0.1", "10.0.0.1"]
    with says(OK + b"Content-Length: 2\r\n\r\nhi") as server:
        url = f"http://rebind.example:{server.port}/"
        with pytest.raises(httpx.ConnectError, match=r"rebind\.example is 93\.184\.216\.34, which is not loopback"):
            network.client("me", "delivery").get(url)
        assert server.connections == 0
        assert network.client("me", "delivery").get(url).text == "hi"
        with pytest.raises(httpx.ConnectError, match=r"rebind\.example is 10\.0\.0\.1"):
            network.client("me", "delivery").get(url)
        assert server.connections == 1


def test_a_network_that_is_opened_calls_anybody(monkeypatch):
    """Only if it was said; here the connection itself is a stand-in."""
    called = []

    def connect(address, *args, **named):
        called.append(address)
        raise ConnectionRefusedError("stand-in")

    monkeypatch.setattr(socket, "create_connection", connect)
    with RealClock() as clock:
        network = SocketNetwork(clock, Ledger(), egress=Egress(public=True))
        with pytest.raises(httpx.ConnectError, match="stand-in"):
            network.client("me", "delivery").get("http://8.8.8.8:81/")
        network.close()
    assert called == [("8.8.8.8", 81)]


def test_no_proxy_of_the_environment_is_used(network, monkeypatch):
    with says(OK + b"Content-Length: 5\r\n\r\nproxy") as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        url = network.host("here", app())
        client = network.client("me", "poll", url)
        assert client.get("/").text == "hello"
        assert proxy.connections == 0
        assert client.trust_env is False
