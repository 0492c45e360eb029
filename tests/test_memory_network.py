"""The network in memory: plain blocking httpx and Flask, held against hand-made timetables and h11's bytes."""

import traceback
from http import HTTPStatus

import flask
import h11
import httpx
import pytest

from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork

DELAY, KEY = 0.25, "Authorization"


@pytest.fixture
def network():
    with VirtualClock(epoch=1_767_225_600) as clock:
        yield MemoryNetwork(clock, Ledger(), DELAY)


def plain(body=b"hello", seconds=0.0, clock=None):
    """A host whose every answer takes so long."""
    app = flask.Flask("plain")
    app.testing = True  # what a view raises is not made a 500

    @app.route("/", methods=["GET", "POST"])
    def view():
        if seconds:
            clock.sleep(seconds)
        return flask.Response(body)

    return app


def streaming(clock, log, pauses):
    """A host that sleeps before each chunk, and enters in the log when it wrote it, and its end."""
    app = flask.Flask("streaming")

    @app.get("/")
    def view():
        def chunks():
            try:
                for number, seconds in enumerate(pauses):
                    clock.sleep(seconds)
                    log.append((f"wrote {number}", clock.now()))
                    yield f"<{number}>"
                log.append(("finished", clock.now()))
            except GeneratorExit:
                log.append(("stopped", clock.now()))
                raise

        return flask.Response(chunks())

    return app


# hosts ------------------------------------------------------------------------------------------


def test_a_host_is_reached_by_its_name(network):
    url = network.host("here", plain(b"here"))
    network.host("there", plain(b"there"))
    assert url == "http://here"
    client = network.client("me", "poll", base_url=url)
    assert client.get("/").text == "here"
    assert client.get("http://there/").text == "there"
    assert network.ledger.host == ["here", "there"]
    assert network.ledger.sender == ["me", "me"]


CHANGES = {
    "nothing": lambda client, options: None,
    "a parameter": lambda client, options: options.update(params={"b": 2}),
    "a body of JSON": lambda client, options: options.update(json=0),
    "a body": lambda client, options: options.update(content=b"body"),
    "a header": lambda client, options: options.update(headers={"A": "1"}),
    "a header twice": lambda client, options: options.update(headers=[("A", "0"), ("A", "1")]),
    "the same dictionary of headers": lambda client, options: options["headers"].update(A="2"),
    "no timeout": lambda client, options: options.update(timeout=None),
    "a timeout": lambda client, options: options.update(timeout=9),
    "an extension": lambda client, options: options.update(extensions={"a": 1}),
    "the client's headers": lambda client, options: client.headers.update({"A": "3"}),
    "the client's parameters": lambda client, options: setattr(client, "params", {"c": 3}),
    "an attribute of the client's timeout": lambda client, options: setattr(client.timeout, "read", 7.0),
    "the client's timeout": lambda client, options: setattr(client, "timeout", 8),
    "the client's URL": lambda client, options: setattr(client, "base_url", "http://there/at"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_that_repeats_the_last_one_is_a_copy_and_any_other_is_what_httpx_builds(network, change):
    """The oracle is httpx's own client, which builds each one anew."""
    ours = network.client("me", "poll", "http://here/at")
    httpxs = httpx.Client(base_url="http://here/at", headers=ours.headers, timeout=ours.timeout)
    options, before = {"headers": {}}, []

    def built(client, method="GET", url="/x?a=1"):
        request = client.build_request(method, url, **options)
        made_of = request.method, request.url, request.headers.raw, request.extensions, request.read()
        return request, made_of

    for client in (ours, httpxs):
        before.append(built(client))
    assert before[0][1] == before[1][1]
    assert built(ours)[0].url is before[0][0].url  # not parsed again
    for client in (ours, httpxs):
        CHANGES[change](client, options)
    assert built(ours)[1] == built(httpxs)[1]
    assert (built(ours)[1] == before[0][1]) == (change == "nothing")
    for other in ({"method": "PUT"}, {"url": ""}, {"url": "/x"}, {}):
        assert built(ours, **other)[1] == built(httpxs, **other)[1]
    httpxs.close()


def test_headers_that_can_be_read_once_are_sent(network):
    request = network.client("me", "poll").build_request("GET", "http://here/", headers=zip(["A"], ["1"], strict=True))
    assert request.headers["A"] == "1"


def test_what_is_changed_in_a_request_is_not_in_the_next_one_that_repeats_it(network):
    """Credentials above all, which httpx's `auth` writes into the request's own headers."""
    app = flask.Flask("echo")
    app.add_url_rule("/", view_func=lambda: flask.jsonify([flask.request.headers.get(each) for each in ("A", KEY)]))
    client = network.client("me", "poll", network.host("here", app))
    assert client.get("/", auth=("me", "")).json() == [None, "Basic bWU6"]
    assert client.get("/").json() == [None, None]
    client.event_hooks = {
        "request": [lambda request: request.headers.update({"A": request.headers.get("A", "") + "a"})]
    }
    for _ in range(2):
        assert client.get("/").json() == ["a", None]
    client.event_hooks, request = {}, client.build_request("GET", "/")
    request.headers["A"], request.extensions["timeout"]["read"] = "é", 1.0
    assert client.build_request("GET", "/").extensions["timeout"]["read"] == 30.0
    assert client.get("/").json() == [None, None]


def test_an_unknown_host_is_an_error_that_lists_the_known_ones(network):
    """It is in the ledger as one, and brought no bytes."""
    network.host("b", plain())
    network.host("a", plain())
    with pytest.raises(httpx.ConnectError, match="no host is named 'c'; there are: a, b"):
        network.client("me", "poll").get("http://c/")
    ledger = network.ledger
    assert ledger.error == ["ConnectError"]
    assert list(ledger.status) == [0]
    assert list(ledger.bytes_in) == [0]
    assert not ledger.in_flight


def test_a_view_sees_an_ordinary_request(network):
    """Path, query, headers and body, percent-encoding undone where WSGI undoes it."""
    app = flask.Flask("echo")

    @app.post("/a/<name>")
    def view(name):
        request = flask.request
        return [name, request.args.to_dict(flat=False), request.headers["X-Mark"], request.get_json(), request.host]

    url = network.host("here", app)
    answer = network.client("me", "poll").post(
        f"{url}/a/caf%C3%A9%20x?q=1&q=%26", json={"n": [1]}, headers={"X-Mark": "m"}
    )
    assert answer.json() == ["café x", {"q": ["1", "&"]}, "m", {"n": [1]}, "here"]


# time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.35, 5.0])
def test_the_delay_is_each_way(delay):
    """The host sees the request one delay after it was sent, and the answer is there one delay after it was given."""
    with VirtualClock() as clock:
        network, seen = MemoryNetwork(clock, Ledger(), delay), []

        def app(environ, start_response):
            seen.append(clock.now())
            clock.sleep(3)
            return plain()(environ, start_response)

        client = network.client("me", "poll", network.host("here", app))
        clock.sleep(10)
        assert client.get("/").text == "hello"
        assert seen == [10 + delay]
        assert clock.nanoseconds == round((13 + 2 * delay) * 1e9)
        assert list(network.ledger.sent_at) == [10]
        assert list(network.ledger.answered_at) == [clock.now()]


def test_each_chunk_arrives_one_delay_after_it_was_written(network):
    """A pipe, not a queue: the delay is not added up. The head comes with the first chunk."""
    clock, log, here = network.clock, [], []
    client = network.client("me", "poll", network.host("here", streaming(clock, log, [1, 0.125, 2])))
    with client.stream("GET", "/") as answer:
        head = clock.now()
        for text in answer.iter_text():
            here.append((text, clock.now()))
    written = [1.25, 1.375, 3.375]
    assert log == [("wrote 0", 1.25), ("wrote 1", 1.375), ("wrote 2", 3.375), ("finished", 3.375)]
    assert head == 1.5
    assert here == [(f"<{n}>", at + DELAY) for n, at in enumerate(written)]


def test_a_slow_reader_finds_the_chunks_waiting(network):
    """Those that are there are read at once; the next one is waited for."""
    clock, log, here = network.clock, [], []
    client = network.client("me", "poll", network.host("here", streaming(clock, log, [1, 1, 1, 4])))
    with client.stream("GET", "/") as answer:
        for text in answer.iter_text():
            here.append((text, clock.now()))
            if text == "<0>":
                clock.sleep(2.5)
    assert here == [("<0>", 1.5), ("<1>", 4), ("<2>", 4), ("<3>", 7.5)]


def test_a_read_that_times_out_does_so_at_its_instant_and_the_host_carries_on(network):
    """The sender gave up; the effect happens all the same."""
    clock, effects = network.clock, []
    app = flask.Flask("slow")

    @app.post("/")
    def view():
        clock.sleep(8)
        effects.append(clock.now())
        return "too late"

    client = network.client("me", "delivery", network.host("here", app), timeout=5)
    with pytest.raises(httpx.ReadTimeout, match="no data from here for 5 s"):
        client.post("/")
    assert clock.now() == 5
    assert effects == []
    clock.run()
    assert effects == [8.25]
    ledger = network.ledger
    assert (list(ledger.status), ledger.error, list(ledger.answered_at)) == ([0], ["ReadTimeout"], [5])


@pytest.mark.parametrize(("seconds", "in_time"), [(4.499, True), (4.5, False), (4.501, False)])
def test_an_answer_that_is_due_at_the_timeout_is_too_late(network, seconds, in_time):
    client = network.client("me", "poll", network.host("here", plain(b"", seconds, network.clock)), timeout=5)
    if in_time:
        assert client.get("/").status_code == 200
    else:
        with pytest.raises(httpx.ReadTimeout):
            client.get("/")


def test_a_timeout_is_for_each_read(network):
    """Chunks 4 s apart pass a timeout of 5 s for as long as they come; a gap of 6 s does not."""
    clock, log, here = network.clock, [], []
    client = network.client("me", "poll", network.host("here", streaming(clock, log, [4, 4, 4, 6])), timeout=5)

    def read():
        with client.stream("GET", "/") as answer:
            for text in answer.iter_text():
                here.append((text, clock.now()))

    with pytest.raises(httpx.ReadTimeout):
        read()
    assert here == [("<0>", 4.5), ("<1>", 8.5), ("<2>", 12.5)]
    assert clock.now() == 17.5
    assert network.ledger.error == ["ReadTimeout"]


def test_a_client_that_leaves_a_stream_stops_the_host_at_its_next_write(network):
    """Its generator gets GeneratorExit there; the exchange ended when the client left."""
    clock, log = network.clock, []
    client = network.client("me", "poll", network.host("here", streaming(clock, log, [1, 10, 10, 10])))
    with client.stream("GET", "/") as answer:
        assert next(answer.iter_text()) == "<0>"
        clock.sleep(2)
    clock.run()
    assert log == [("wrote 0", 1.25), ("wrote 1", 11.25), ("stopped", 11.25)]
    assert list(network.ledger.answered_at) == [3.5]
    assert network.ledger.error == [""]


def test_an_exchange_cut_off_by_the_end_of_the_run_stays_unanswered():
    with VirtualClock() as clock:
        network = MemoryNetwork(clock, Ledger(), DELAY)
        client = network.client("me", "poll", network.host("here", plain(b"", 10, clock)))
        clock.spawn(client.get, "/")
        clock.run(until=5)
    assert network.ledger.in_flight == {0}
    assert network.ledger.exchanges(5).error.tolist() == ["unanswered"]
    assert network.ledger.exchanges(5).outcome.tolist() == ["error"]


# Flask ------------------------------------------------------------------------------------------


def test_two_requests_at_once_each_keep_their_own_context(network):
    """`request`, `g` and the app context survive that the other request runs in the midst of this one."""
    clock = network.clock
    app = flask.Flask("context")

    @app.get("/<int:seconds>")
    def view(seconds):
        flask.g.mark = flask.request.args["mark"]
        before = flask.request.args["mark"]
        clock.sleep(seconds)
        return {
            "before": before,
            "after": flask.request.args["mark"],
            "g": flask.g.mark,
            "path": flask.request.path,
            "url": flask.url_for("view", seconds=1),
            "now": clock.now(),
        }

    client, answers = network.client("me", "poll", network.host("here", app)), []

    def ask(path):
        answers.append(client.get(path).json())
        assert not flask.has_request_context()

    clock.spawn(ask, "/3?mark=a")
    clock.spawn(ask, "/1?mark=b")
    clock.spawn(ask, "/2?mark=c")
    clock.run()
    assert [(each["before"], each["after"], each["g"], each["path"]) for each in answers] == [
        ("b", "b", "b", "/1"),
        ("c", "c", "c", "/2"),
        ("a", "a", "a", "/3"),
    ]
    assert [each["now"] for each in answers] == [1.25, 2.25, 3.25]
    assert not flask.has_app_context()


def broken(environ, start_response):
    raise LookupError("on purpose")


def broken_later(environ, start_response):
    start_response("200 OK", [])
    yield b"well so far"
    raise LookupError("on purpose")


def broken_view():
    app = flask.Flask("broken")
    app.testing = True

    @app.get("/")
    def view():
        raise LookupError("on purpose")

    return app


@pytest.mark.parametrize("app", [broken, broken_later, broken_view()])
def test_what_an_app_raises_comes_out_of_run_with_its_traceback(network, app):
    """From a task's request out of `run`; the app's function is named."""
    client = network.client("me", "poll", network.host("here", app))
    network.clock.spawn(client.get, "/")
    with pytest.raises(LookupError, match="on purpose") as caught:
        network.clock.run()
    names = {frame.name for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert names & {"broken", "broken_later", "view"}


def test_what_an_app_raises_comes_out_of_the_main_programs_own_request(network):
    with pytest.raises(LookupError, match="on purpose"):
        network.client("me", "poll", network.host("here", broken)).get("/")


def test_wsgis_old_write_is_refused_in_words(network):
    def app(environ, start_response):
        start_response("200 OK", [])(b"written")

    with pytest.raises(RuntimeError, match="return the body from the app"):
        network.client("me", "poll", network.host("here", app)).get("/")


# bytes ------------------------------------------------------------------------------------------


def menu():
    app = flask.Flask("menu")

    @app.route("/", methods=["GET", "POST"])
    def root():
        return {"got": flask.request.get_data(as_text=True)}

    @app.get("/nothing")
    def nothing():
        return flask.Response(status=204)

    @app.get("/same")
    def same():
        return flask.Response(status=304, headers={"ETag": '"v1"'})

    @app.get("/chunks")
    def chunks():
        return flask.Response(iter(["a" * 9, "", "b" * 300, "c" * 70_000]))

    @app.get("/missing")
    def missing():
        flask.abort(404)

    return app


def h11_bytes(request, answer, chunks):
    """How many bytes h11 writes for the same request, and for the same answer."""
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    out = client.send(h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw))
    if request.content:
        out += client.send(h11.Data(data=request.content))
    out += client.send(h11.EndOfMessage())
    server.receive_data(out)
    while not isinstance(server.next_event(), h11.EndOfMessage):
        pass
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() != b"transfer-encoding"]
    reason = HTTPStatus(answer.status_code).phrase
    back = server.send(h11.Response(status_code=answer.status_code, headers=headers, reason=reason))
    for chunk in chunks:
        back += server.send(h11.Data(data=chunk))
    back += server.send(h11.EndOfMessage())
    return len(out), len(back)


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/", None),
        ("GET", "/?limit=100&after=AAA%20%C3%A9", None),
        ("POST", "/", b'{"data": "' + "é".encode() * 40 + b'"}'),
        ("POST", "/", b""),
        ("HEAD", "/", None),
        ("GET", "/nothing", None),
        ("GET", "/same", None),
        ("GET", "/chunks", None),
        ("GET", "/missing", None),
        ("DELETE", "/", None),
    ],
)
def test_bytes_are_those_that_h11_writes(network, method, path, content):
    """Request line, status line, headers, blank lines, body and chunk framing, each way."""
    client = network.client("me", "poll", network.host("here", menu()))
    request = client.build_request(method, path, content=content, headers={"X-Mark": "m"})
    answer = client.send(request)
    chunks = [b"a" * 9, b"b" * 300, b"c" * 70_000] if path == "/chunks" else [answer.content] * bool(answer.content)
    assert (path == "/chunks") == ("transfer-encoding" in answer.headers)
    ledger = network.ledger
    assert (ledger.bytes_out[0], ledger.bytes_in[0]) == h11_bytes(request, answer, chunks)


def test_bytes_do_not_depend_on_what_is_installed(network):
    """No compression is offered, and the agent and the server have labkit's name."""
    url = network.host("here", plain())
    answer = network.client("me", "poll", url).get("/")
    assert answer.request.headers["Accept-Encoding"] == "identity"
    assert answer.request.headers["User-Agent"] == "labkit"
    assert answer.headers["Server"] == "labkit"


def test_the_date_is_that_of_the_virtual_clock(network):
    network.clock.sleep(59.5)
    answer = network.client("me", "poll", network.host("here", plain())).get("/")
    assert answer.headers["Date"] == "Thu, 01 Jan 2026 00:00:59 GMT"


def test_a_stream_left_early_counts_what_had_come(network):
    clock = network.clock
    client = network.client("me", "poll", network.host("here", streaming(clock, [], [1, 1, 1])))
    with client.stream("GET", "/") as answer:
        next(answer.iter_text())
        head = len(b"HTTP/1.1 200 OK\r\n\r\n") + sum(len(b": \r\n" + a + b) for a, b in answer.headers.raw)
    assert network.ledger.bytes_in[0] == head + len(b"3\r\n<0>\r\n")


# connections ------------------------------------------------------------------------------------


def test_a_connection_is_used_again_within_five_seconds(network):
    """As in httpx: at 5 s still, and at more no longer. Each client has its own."""
    clock, url = network.clock, network.host("here", plain())
    client = network.client("me", "poll", url)
    for pause in (0, 4.999_999_999, 5, 5.000_000_001, 1):
        clock.sleep(pause)
        client.get("/")
    network.client("you", "poll", url).get("/")
    assert list(network.ledger.connection) == [0, 0, 0, 1, 1, 2]


def test_five_seconds_are_five_seconds_at_any_instant():
    """Whole nanoseconds decide, not floats: 65.12 - 60.12 is more than 5."""
    with VirtualClock() as clock:
        network = MemoryNetwork(clock, Ledger(), 0.02)
        client = network.client("me", "poll", network.host("here", plain()))
        clock.sleep(50)
        for _ in range(100):
            client.get("/")
            clock.sleep(5)
    assert set(network.ledger.connection) == {0}


def test_two_exchanges_at_once_need_two_connections(network):
    clock = network.clock
    client = network.client("me", "poll", network.host("here", plain(b"", 1, clock)))
    clock.spawn(client.get, "/")
    clock.spawn(client.get, "/")
    clock.run()
    client.get("/")
    first, second, third = network.ledger.connection
    assert first != second
    assert third in (first, second)


def test_an_exchange_that_ended_badly_takes_its_connection_along(network):
    """Neither a timeout nor a stream left early leaves one that could be used again."""
    clock = network.clock
    slow = network.host("slow", plain(b"", 9, clock))
    stream = network.host("stream", streaming(clock, [], [0, 1, 1]))
    client = network.client("me", "poll", timeout=5)
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            client.get(slow)
        with client.stream("GET", stream):
            pass
    assert list(network.ledger.connection) == [0, 1, 2, 3]


def test_cookies_are_not_kept(network):
    app = flask.Flask("cookies")

    @app.get("/")
    def view():
        answer = flask.Response(flask.request.headers.get("Cookie", "none"))
        answer.set_cookie("a", "b")
        return answer

    client = network.client("me", "poll", network.host("here", app))
    assert [client.get("/").text for _ in range(2)] == ["none", "none"]
