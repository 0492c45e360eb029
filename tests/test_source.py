"""The source's HTTP contract, spoken to by httpx over the memory network, and by Flask's client where bytes are raw."""

import json
import random
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import count
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask, Response, request
from hypothesis import given
from hypothesis import strategies as st

from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.source import EventSource
from labkit.source.store import Store
from labkit.wire import LARGEST_BODY

EPOCH = 1_517_363_399.65
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JSON = {"Content-Type": "application/json"}
SUBSCRIPTION = {"url": "http://shop/hook"}


class World(SimpleNamespace):
    """A source, and a client to it that the main program calls: each call runs the clock until its answer is there."""

    def __init__(self, seed: int = 0) -> None:
        self.clock, self.ledger = VirtualClock(epoch=EPOCH), Ledger()
        self.network = MemoryNetwork(self.clock, self.ledger)
        self.source = EventSource(self.clock, self.network, random.Random(seed))
        self.url = self.network.host("source", self.source.app)
        self.http = self.network.client("me", "setup", self.url, timeout=90)
        self.raw = self.source.app.test_client()

    def state(self) -> list[str]:
        """All that the source has stored."""
        return list(self.source.db._db.iterdump())

    def endpoint(self, name: str, answer: Any = None) -> list[bytes]:
        """A host that answers as told, by default echoing challenges; returns the bodies that it got."""
        app, bodies = Flask(name), []

        @app.post("/hook")
        def hook() -> Response:
            bodies.append(request.get_data())
            if answer is not None:
                return answer()
            return Response(json.dumps({"challenge": json.loads(bodies[-1])["data"].get("challenge")}))

        self.network.host(name, app)
        return bodies

    def subscribe(self, name: str, **members: Any) -> Any:
        answer = self.http.post("/subscriptions", json={"url": f"http://{name}/hook", **members})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def subscribe_again(self, name: str, **members: Any) -> tuple[int, str, str]:
        answer = self.http.post("/subscriptions", json={"url": f"http://{name}/hook", **members})
        return answer.status_code, answer.json()["id"], answer.json()["status"]

    def verify(self, id: str) -> httpx.Response:
        return self.http.post(f"/subscriptions/{id}/verify")


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A world in which, after the test, no task raises and nothing was logged or printed."""
    world = World()
    with world.clock:
        yield world
        world.clock.run()
    assert caplog.get_records("call") == []
    assert capfd.readouterr() == ("", "")


def problem(answer: Any, status: int, *words: str) -> None:
    """That an answer is a problem (RFC 9457) of this status, and that its detail holds these words."""
    found = answer.json() if isinstance(answer, httpx.Response) else answer.get_json()
    assert answer.status_code == found["status"] == status, found
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(found) == {"type", "title", "status", "detail"}
    for word in words:
        assert word in found["detail"]


def emit(world: World, *types: str) -> list[str]:
    return [json.loads(world.source.emit(type, {"n": number}))["id"] for number, type in enumerate(types)]


# --- GET /events


def test_a_source_without_events_lists_none(world: World) -> None:
    answer = world.http.get("/events")
    assert answer.headers["Content-Type"] == "application/json"
    page = answer.json()
    assert (page["events"], page["has_more"]) == ([], False)
    assert world.http.get("/events", params={"after": page["next"]}).json() == page


def test_an_event_is_listed_as_it_goes_on_the_wire(world: World) -> None:
    world.clock.sleep(0.5)
    world.source.emit("door.opened", {"door": 7, "name": "é"}, id="evt_1")
    assert world.http.get("/events").json()["events"] == [
        {
            "id": "evt_1",
            "type": "door.opened",
            "timestamp": "2018-01-31T01:50:00.150Z",
            "data": {"door": 7, "name": "é"},
        }
    ]


def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    ids, found, after, more = emit(world, *["a"] * 7), [], "", []
    for _ in range(4):
        page = world.http.get("/events", params={"limit": 3, "after": after}).json()
        found.append([event["id"] for event in page["events"]])
        after = page["next"]
        more.append(page["has_more"])
    assert found == [ids[:3], ids[3:6], ids[6:], []]
    assert more == [True, True, False, False]


def test_a_page_that_ends_with_the_last_event_has_no_more(world: World) -> None:
    emit(world, "a", "a", "a")
    assert world.http.get("/events?limit=3").json()["has_more"] is False
    assert world.http.get("/events?limit=2").json()["has_more"] is True


def test_a_page_holds_100_events_unless_another_limit_is_asked_for(world: World) -> None:
    emit(world, *["a"] * 1001)
    assert [len(world.http.get(f"/events{query}").json()["events"]) for query in ("", "?limit=1", "?limit=1000")] == [
        100,
        1,
        1000,
    ]


def test_a_type_is_chosen_and_several_between_commas(world: World) -> None:
    ids = emit(world, "a.b", "c", "a.b", "d")
    chosen = {
        query: [event["id"] for event in world.http.get(f"/events?type={query}").json()["events"]]
        for query in ("a.b", "a.b,d", "a", "d,d")
    }
    assert chosen == {"a.b": [ids[0], ids[2]], "a.b,d": [ids[0], ids[2], ids[3]], "a": [], "d,d": [ids[3]]}


def test_has_more_counts_only_the_chosen_type(world: World) -> None:
    emit(world, "a", "b", "b")
    assert world.http.get("/events?type=a&limit=1").json()["has_more"] is False
    assert world.http.get("/events?type=b&limit=1").json()["has_more"] is True


def test_events_of_one_instant_are_told_apart_by_the_cursor(world: World) -> None:
    ids = emit(world, "a", "a", "a")
    assert {event["timestamp"] for event in world.http.get("/events").json()["events"]} == {"2018-01-31T01:49:59.650Z"}
    after = world.http.get("/events?limit=1").json()["next"]
    assert [event["id"] for event in world.http.get(f"/events?after={after}").json()["events"]] == ids[1:]


def test_beyond_the_end_a_page_is_empty_until_something_happens(world: World) -> None:
    emit(world, "a")
    after = world.http.get("/events").json()["next"]
    page = world.http.get(f"/events?after={after}").json()
    assert page == {"events": [], "next": after, "has_more": False}
    (id,) = emit(world, "a")
    assert [event["id"] for event in world.http.get(f"/events?after={after}").json()["events"]] == [id]


@given(st.data())
def test_a_poller_sees_each_event_that_it_wants_once_and_in_order(data: st.DataObject) -> None:
    """Pollers with a cursor and types of their own, any limits, emits in between: each list equals the filtered log."""
    world, log = World(), []
    types = st.sampled_from("abc")
    pollers = [
        SimpleNamespace(types=wanted, after="", seen=[])
        for wanted in data.draw(st.lists(st.sets(types), min_size=1, max_size=3))
    ]
    steps = st.lists(types | st.tuples(st.integers(0, len(pollers) - 1), st.integers(1, 5)), max_size=25)

    def poll(poller: Any, limit: int) -> bool:
        query = {"limit": limit, "after": poller.after} | ({"type": ",".join(poller.types)} if poller.types else {})
        page = world.raw.get("/events", query_string=query).get_json()
        assert len(page["events"]) <= limit
        poller.seen += [event["id"] for event in page["events"]]
        poller.after = page["next"]
        return page["has_more"]

    for step in data.draw(steps):
        if isinstance(step, str):
            log.append((emit(world, step)[0], step))
        else:
            poll(pollers[step[0]], step[1])
    for poller in pollers:
        while poll(poller, 2):
            pass
        assert poller.seen == [id for id, type in log if not poller.types or type in poller.types]


@pytest.mark.parametrize(
    "limit", ["0", "-1", "abc", "1001", "1000000000", "１", "1.0", "+1", " 1", "", "1e2", "9" * 5000]
)
def test_a_limit_is_a_whole_number_from_1_to_1000(world: World, limit: str) -> None:
    got = limit if re.fullmatch("[0-9]{1,9}", limit) else repr(limit[:40])
    answer = world.http.get("/events", params={"limit": limit})
    problem(answer, 400, f"limit must be a whole number from 1 to 1000, got {got}")


def cursors() -> Iterator[tuple[str, str]]:
    """Cursors that the world's source never wrote."""
    good = Store(random.Random(0).randbytes(16)).cursor(0)
    yield "of another source", Store(random.Random(1).randbytes(16)).cursor(0)
    yield "truncated", good[:-1]
    yield "lengthened", good + "A"
    yield "padded", good + "===="
    yield "with its last character changed", good[:-1] + ("A" if good[-1] != "A" else "B")
    yield "with its place changed", "AAAAAAAB" + good[8:]
    yield "of another alphabet", "+" + good[1:]
    yield "with junk between", good[:8] + "!" + good[8:]
    yield "forged", "AAAAAAAA" * 2
    yield "a number", "1"
    yield "not ASCII", "é" * 16
    yield "not UTF-8 when decoded", "\udcff"
    yield "long", "A" * 5000
    yield "a NUL", "\0"
    yield "a space", " "


@pytest.mark.parametrize("cursor", [pytest.param(cursor, id=name) for name, cursor in cursors()])
def test_a_cursor_that_the_source_never_wrote_is_refused(world: World, cursor: str) -> None:
    emit(world, "a")
    query = {"after": cursor.encode("utf-8", "surrogateescape")}
    problem(world.raw.get("/events", query_string=query), 400, "is not one of this source's")


def test_the_cursors_of_that_test_are_made_like_the_worlds(world: World) -> None:
    """Otherwise each would be refused as another source's, whatever else is wrong with it."""
    assert Store(random.Random(0).randbytes(16)).cursor(0) == world.http.get("/events").json()["next"]


@given(st.integers(0, 2**48 - 1), st.integers(0, 15), st.characters())
def test_a_cursor_with_any_character_changed_is_refused(place: int, at: int, character: str) -> None:
    store = Store(b"k" * 16)
    good = store.cursor(place)
    assert store.place(good) == place
    changed = good[:at] + character + good[at + 1 :]
    if changed != good:
        with pytest.raises(ValueError, match="is not one of this source's"):
            store.place(changed)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limt=3", "there is no parameter 'limt'; there are: after, limit, type"),
        ("limit=3&limit=4", "limit is given 2 times"),
        ("limit=3&limit=3", "limit is given 2 times"),
        ("after=&after=&after=", "after is given 3 times"),
        ("=", "there is no parameter ''"),
        ("%FF=%FF", "there is no parameter '%FF'"),
        ("type=", "got ''"),
        ("type=a,,b", "got 'a,,b'"),
        ("type=a%20b", "got 'a b'"),
        ("type=\N{GRINNING FACE}", "got '\N{GRINNING FACE}'"),
        ("type=a%0A", r"got 'a\n'"),
        ("type=" + ",".join("a" * 101), "type must be 1 to 100 event types"),
        ("type=" + ",".join("a" * 40_000), "type must be 1 to 100 event types"),
    ],
    ids=lambda value: f"{value[:20]} ({len(value)})",
)
def test_a_query_that_is_not_understood_is_refused(world: World, query: str, said: str) -> None:
    problem(world.raw.get(f"/events?{query}"), 400, said)


# --- GET /events/ID


def test_one_event_is_what_the_list_shows(world: World) -> None:
    _, id = emit(world, "a", "b")
    assert world.http.get(f"/events/{id}").json() == world.http.get("/events").json()["events"][1]


@pytest.mark.parametrize("id", ["evt_9", "x" * 100_000, "%00", "%FF", "%F0%9F%98%80", "'%20OR%201=1%20--", "evt_1%0A"])
def test_an_event_that_never_happened_is_not_found(world: World, id: str) -> None:
    world.source.emit("a", {}, id="evt_1")
    problem(world.raw.get(f"/events/{id}"), 404, "there is no event ")


# --- POST /events


def test_an_emitted_event_is_answered_201_and_stands_in_the_list(world: World) -> None:
    answer = world.http.post("/events", json={"type": "door.opened", "data": {"door": 7}})
    assert answer.status_code == 201
    event = answer.json()
    assert event == {"id": event["id"], "type": "door.opened", "timestamp": event["timestamp"], "data": {"door": 7}}
    assert event["id"].startswith("evt_")
    assert event["timestamp"] == "2018-01-31T01:49:59.670Z"  # 20 ms after it was sent
    assert world.http.get("/events").json()["events"] == [event]


@pytest.mark.parametrize("timestamp", ["2018-01-31T01:49:59Z", "2024-02-29T23:59:59.123456Z", "0001-01-01T00:00:00.0Z"])
def test_a_timestamp_that_is_given_is_kept(world: World, timestamp: str) -> None:
    answer = world.http.post("/events", json={"type": "a", "data": {}, "timestamp": timestamp})
    assert (answer.status_code, answer.json()["timestamp"]) == (201, timestamp)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2018-02-30T00:00:00Z",
        "2018-02-29T00:00:00Z",
        "2018-13-01T00:00:00Z",
        "2018-00-10T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2018-01-31T24:00:00Z",
        "2018-01-31T23:60:00Z",
        "2018-01-31T23:59:60Z",
        "2018-01-31T01:49:59",
        "2018-01-31T01:49:59+01:00",
        "2018-01-31 01:49:59Z",
        "2018-01-31T01:49:59.Z",
        "2018-01-31T01:49:59Z\n",
        "２018-01-31T01:49:59Z",
        "2018-01-31",
        "now",
    ],
)
def test_a_timestamp_is_an_instant_of_the_calendar_in_utc(world: World, timestamp: str) -> None:
    before = world.state()
    answer = world.http.post("/events", json={"type": "a", "data": {}, "timestamp": timestamp})
    problem(answer, 422, "timestamp", repr(timestamp))
    assert world.state() == before


def test_data_is_stored_as_it_came(world: World) -> None:
    data = {
        "html": "<img src=x onerror=alert(1)>",
        "cell": "=cmd|' /C calc'!A0",
        "ansi": "\x1b[31mred\x1b[0m\0",
        "line": "\u2028",
        "emoji": "\N{GRINNING FACE}",
        "numbers": [2**63 - 1, -(2**63), 0.1, -0.0, 1e308, 5e-324],
        "": {"type": None},
    }
    id = world.http.post("/events", json={"type": "a", "data": data}).json()["id"]
    found = world.http.get(f"/events/{id}")
    assert found.json()["data"] == data
    assert "onerror" in found.text
    assert found.headers["Content-Type"] == "application/json"


def post(world: World, body: bytes, path: str = "/events", **headers: str) -> Any:
    return world.raw.post(path, data=body, headers={**JSON, **headers})


BAD_JSON = [
    b"",
    b"{",
    b"{'type': 'a', 'data': {}}",
    b'{"type": "a", "data": {"n": NaN}}',
    b'{"type": "a", "data": {"n": Infinity}}',
    b'{"type": "a", "data": {"n": -Infinity}}',
    b'{"type": "a", "data": {"n": 1e400}}',
    b'{"type": "a", "type": "a", "data": {}}',
    b'{"type": "a", "data": {"n": 1, "n": 2}}',
    b'{"type": "a", "data": {"n": "\\ud800"}}',
    b'\xef\xbb\xbf{"type": "a", "data": {}}',
    '{"type": "a", "data": {}}'.encode("utf-16"),
    '{"type": "a", "data": {}}'.encode("utf-16-be"),
    b'{"type": "a", "data": {"n": "\xff"}}',
    b"[" * 2_000,
    b"[" * 100_000,
    b"[" * 2_000 + b"]" * 2_000,
    b"[" * 30_000 + b"]" * 30_000,
    b'{"type": "a", "data": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
]


@pytest.mark.parametrize("path", ["/events", "/subscriptions"])
@pytest.mark.parametrize("body", BAD_JSON, ids=lambda body: f"{body[:40]!r} ({len(body)})")
def test_what_is_no_strict_json_is_400(world: World, body: bytes, path: str) -> None:
    before = world.state()
    problem(post(world, body, path), 400, "the body is not JSON as RFC 8259 has it: ")
    assert world.state() == before


WRONG_EVENTS = [
    ("null", "null"),
    ("[]", "array"),
    ("5", "int"),
    ('"a"', "str"),
    ("true", "bool"),
    ("{}", "`type`"),
    ('{"data": {}}', "`type`"),
    ('{"type": "a"}', "`data`"),
    ('{"type": null, "data": {}}', "`$.type`, got None"),
    ('{"type": 5, "data": {}}', "`$.type`, got 5"),
    ('{"type": ["a"], "data": {}}', "`$.type`, got ['a']"),
    ('{"type": "a", "data": null}', "`$.data`, got None"),
    ('{"type": "a", "data": []}', "`$.data`, got []"),
    ('{"type": "a", "data": "x"}', "`$.data`, got 'x'"),
    ('{"type": "a", "data": {}, "timestamp": 1517363399}', "`$.timestamp`, got 1517363399"),
    ('{"type": "a", "data": {}, "id": "evt_1"}', "`id`"),
    ('{"type": "a", "data": {}, "Type": "a"}', "`Type`"),
    ('{"type": "a", "data": {"n": 9223372036854775808}}', "`$.data.n`, got 9223372036854775808"),
    ('{"type": "a", "data": {"n": [0, -9223372036854775809]}}', "`$.data.n[1]`, got -9223372036854775809"),
    ('{"type": 18446744073709551616, "data": {}}', "`$.type`, got 18446744073709551616"),
    ('{"type": "a", "data": {"n": ' + "9" * 5000 + "}}", "`$.data.n`, got 999999"),
    ("9" * 5000, "`$`, got 999999"),
]


@pytest.mark.parametrize(("body", "said"), WRONG_EVENTS, ids=lambda text: text[:50])
def test_json_of_another_shape_is_422_and_names_the_member(world: World, body: str, said: str) -> None:
    before = world.state()
    problem(post(world, body.encode()), 422, said)
    assert world.state() == before


@pytest.mark.parametrize(
    "type",
    ["", "a b", " a", "a\n", "a..b", ".a", "a.", "a-b", "\N{GRINNING FACE}", "é", "a\0", "x" * 129, "x" * 10_000, "１"],
)
def test_a_type_is_words_joined_by_dots(world: World, type: str) -> None:
    before = world.state()
    problem(world.http.post("/events", json={"type": type, "data": {}}), 422, "`$.type`, got ", repr(type)[:75])
    assert world.state() == before


@pytest.mark.parametrize("type", ["Door.Opened", "a.b_c.9", "_", "x" * 128])
def test_these_are_types(world: World, type: str) -> None:
    assert world.http.post("/events", json={"type": type, "data": {}}).status_code == 201


@pytest.mark.parametrize("type", ["endpoint.verify", "endpoint.test", "batch"])
def test_no_event_has_a_type_that_is_reserved(world: World, type: str) -> None:
    """A receiver would acknowledge such an event as the message that it is not, and it would be lost."""
    before = world.state()
    problem(world.http.post("/events", json={"type": type, "data": {"challenge": "x"}}), 422, f"got {type!r}")
    assert world.state() == before


CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    "json",
    "application/jsonp",
    "é",
    "x" * 5000,
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda text: text[:20])
@pytest.mark.parametrize("path", ["/events", "/subscriptions"])
def test_another_content_type_is_415(world: World, path: str, content_type: str) -> None:
    before = world.state()
    answer = world.raw.post(path, data=b'{"type": "a", "data": {}}', headers={"Content-Type": content_type})
    problem(answer, 415, "send Content-Type: application/json, got ")
    assert world.state() == before


def test_no_content_type_is_415(world: World) -> None:
    problem(world.http.post("/events", content=b'{"type": "a", "data": {}}'), 415, "got ''")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_has_parameters_and_any_case(world: World, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert world.http.post("/events", content=b'{"type": "a", "data": {}}', headers=headers).status_code == 201


def padded(size: int) -> bytes:
    body = b'{"type": "a", "data": {}}'
    return body + b" " * (size - len(body))


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413(world: World) -> None:
    assert post(world, padded(LARGEST_BODY)).status_code == 201
    before = world.state()
    problem(post(world, padded(LARGEST_BODY + 1)), 413, "at most 262144 bytes, got 262145")
    problem(post(world, padded(LARGEST_BODY + 1), "/subscriptions"), 413, "at most 262144 bytes, got 262145")
    assert world.state() == before


def test_a_chunked_body_over_the_limit_is_413_and_never_cut_short(world: World) -> None:
    """What a server hands on of a chunked body: no length, and a stream that ends."""
    before = world.state()
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    for size in (LARGEST_BODY + 1, LARGEST_BODY + 2, 10 * LARGEST_BODY):
        environ["wsgi.input"] = BytesIO(padded(size))
        problem(
            world.raw.post("/events", headers=JSON, environ_overrides=environ), 413, "at most 262144 bytes, got more"
        )
    assert world.state() == before
    environ["wsgi.input"] = BytesIO(padded(LARGEST_BODY))
    assert world.raw.post("/events", headers=JSON, environ_overrides=environ).status_code == 201


def test_the_same_key_and_body_give_the_stored_answer_and_no_second_event(world: World) -> None:
    bodies = world.endpoint("shop")
    world.verify(world.subscribe("shop")["id"])
    answers = [post(world, b'{"type": "a", "data": {}}', **{"Idempotency-Key": "k"}) for _ in range(3)]
    world.clock.run()
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.data for answer in answers}) == 1
    assert world.http.get("/events").json()["events"] == [answers[0].get_json()]
    assert len(bodies) == 2  # the challenge and one delivery


@pytest.mark.parametrize("body", [b'{"type": "b", "data": {}}', b'{"type":"a","data":{}}'])
def test_the_same_key_with_another_body_is_422(world: World, body: bytes) -> None:
    post(world, b'{"type": "a", "data": {}}', **{"Idempotency-Key": "k"})
    before = world.state()
    problem(post(world, body, **{"Idempotency-Key": "k"}), 422, "Idempotency-Key 'k'")
    assert world.state() == before


def test_another_key_or_none_is_another_event(world: World) -> None:
    keys: list[dict[str, str]] = [{"Idempotency-Key": "k"}, {"Idempotency-Key": "K"}, {"Idempotency-Key": ""}, {}, {}]
    ids = {post(world, b'{"type": "a", "data": {}}', **key).get_json()["id"] for key in keys}
    assert len(ids) == 5


def test_a_refused_request_does_not_use_up_its_key(world: World) -> None:
    assert post(world, b'{"type": "a b", "data": {}}', **{"Idempotency-Key": "k"}).status_code == 422
    assert post(world, b'{"type": "a", "data": {}}', **{"Idempotency-Key": "k"}).status_code == 201


def test_a_key_has_255_characters_at_most(world: World) -> None:
    assert post(world, b'{"type": "a", "data": {}}', **{"Idempotency-Key": "k" * 255}).status_code == 201
    before = world.state()
    problem(post(world, b'{"type": "a", "data": {}}', **{"Idempotency-Key": "k" * 256}), 400, "255", "256")
    assert world.state() == before


# --- EventSource.emit


@pytest.mark.parametrize("id", ["a.b", "x" * 65, "a b", "evt_1\n", "é", "../x"])
def test_an_id_that_could_not_be_signed_is_refused(world: World, id: str) -> None:
    before = world.state()
    with pytest.raises(ValueError, match=r"id must be 1 to 64 of A-Z, a-z, 0-9, _ and -, got "):
        world.source.emit("a", {}, id=id)
    assert world.state() == before


def test_an_id_that_is_taken_is_refused(world: World) -> None:
    world.source.emit("a", {"n": 1}, id="evt_1")
    before = world.state()
    with pytest.raises(ValueError, match=r"there is an event 'evt_1' already; ids must be unique"):
        world.source.emit("a", {"n": 2}, id="evt_1")
    assert world.state() == before


@pytest.mark.parametrize("data", [{"n": float("nan")}, {"n": float("inf")}, {"n": "\ud800"}])
def test_data_that_is_no_json_is_refused(world: World, data: object) -> None:
    before = world.state()
    with pytest.raises(ValueError, match=r"not JSON compliant|surrogates"):
        world.source.emit("a", data)
    assert world.state() == before


# --- subscriptions: pending, verified, active


def test_a_subscription_is_pending_until_its_endpoint_is_verified(world: World) -> None:
    bodies = world.endpoint("shop")
    created = world.subscribe("shop", types=["b", "a", "b"])
    assert created == {
        "id": created["id"],
        "url": "http://shop/hook",
        "types": ["a", "b"],
        "status": "pending",
        "secret": created["secret"],
    }
    assert world.verify(created["id"]).json() == {
        "id": created["id"],
        "url": "http://shop/hook",
        "types": ["a", "b"],
        "status": "active",
    }
    (challenge,) = map(json.loads, bodies)
    assert set(challenge) == {"type", "timestamp", "data"}
    assert (challenge["type"], set(challenge["data"])) == ("endpoint.verify", {"challenge"})


def test_each_challenge_is_another(world: World) -> None:
    bodies = world.endpoint("shop")
    id = world.subscribe("shop")["id"]
    world.verify(id)
    world.verify(id)
    assert len({json.loads(body)["data"]["challenge"] for body in bodies}) == 2


def test_a_secret_is_shown_once(world: World) -> None:
    world.endpoint("shop")
    created = world.subscribe("shop")
    answers = [
        world.http.post("/subscriptions", json=SUBSCRIPTION),
        world.verify(created["id"]),
        world.http.get(f"/subscriptions/{created['id']}"),
        world.http.get("/subscriptions"),
    ]
    assert created["secret"].startswith("whsec_")
    assert [answer.status_code for answer in answers] == [200] * 4
    assert not [answer.text for answer in answers if "secret" in answer.text or "whsec_" in answer.text]
    assert "whsec_" not in repr(world.source.store.subscriptions())


def test_each_subscription_has_a_secret_of_its_own(world: World) -> None:
    assert world.subscribe("shop")["secret"] != world.subscribe("shed")["secret"]


def test_a_subscriber_may_bring_a_secret(world: World) -> None:
    assert world.subscribe("shop", secret=SECRET)["secret"] == SECRET


@pytest.mark.parametrize(
    "secret",
    ["x", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "whsk_" + SECRET[6:], "whsec_" + "A" * 100, SECRET + " ", "é"],
)
def test_a_secret_that_could_not_sign_is_422_and_is_not_shown_again(world: World, secret: str) -> None:
    before = world.state()
    answer = world.http.post("/subscriptions", json={**SUBSCRIPTION, "secret": secret})
    problem(answer, 422, "secret must be whsec_ and the base64 of 24 to 64 bytes, got ")
    assert world.state() == before
    if len(secret) > 10:
        assert secret not in answer.text


@pytest.mark.parametrize("secret", [[SECRET], 12345678901234567890123, {"a": [12345678901234567890123]}])
def test_a_secret_of_another_type_is_422_and_is_not_shown_again(world: World, secret: object) -> None:
    answer = world.http.post("/subscriptions", json={**SUBSCRIPTION, "secret": secret})
    problem(answer, 422, "$.secret")
    assert SECRET not in answer.text and "1234567890" not in answer.text


@pytest.mark.parametrize("types", [["a", "b"], ["b", "a"], ["a", "b", "a"]])
def test_the_same_url_and_types_again_are_the_same_subscription(world: World, types: list[str]) -> None:
    bodies = world.endpoint("shop")
    created = world.subscribe("shop", types=["a", "b"])
    world.verify(created["id"])
    again = world.http.post("/subscriptions", json={**SUBSCRIPTION, "types": types})
    assert again.status_code == 200
    assert again.json() == {**{key: created[key] for key in ("id", "url", "types")}, "status": "active"}
    emit(world, "a")
    world.clock.run()
    assert len(bodies) == 2  # the challenge, and never two deliveries


def test_another_url_or_other_types_are_another_subscription(world: World) -> None:
    made = [world.subscribe("shop"), world.subscribe("shop", types=["a"]), world.subscribe("shed")]
    assert len({each["id"] for each in made}) == 3
    listed = world.http.get("/subscriptions").json()["subscriptions"]
    assert [each["id"] for each in listed] == [each["id"] for each in made]


def test_a_deleted_subscription_is_gone_and_can_be_made_anew(world: World) -> None:
    first = world.subscribe("shop")
    url = f"/subscriptions/{first['id']}"
    answer = world.http.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    for method, path in (("GET", url), ("DELETE", url), ("POST", f"{url}/verify")):
        problem(world.http.request(method, path), 404, f"there is no subscription '{first['id']}'")
    assert world.http.get("/subscriptions").json() == {"subscriptions": []}
    second = world.subscribe("shop")
    assert (second["id"], second["secret"]) != (first["id"], first["secret"])


@pytest.mark.parametrize("id", ["sub_9", "x" * 100_000, "%00", "%FF"])
def test_a_subscription_that_was_never_made_is_not_found(world: World, id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
        problem(world.raw.open(f"/subscriptions/{id}{path}", method=method), 404, "there is no subscription ")


def leased(world: World, ttl: float = 60.0) -> Any:
    """A verified subscription with a lease, made at once: nothing takes time in this world."""
    world.network.delay = 0.0
    world.endpoint("shop")
    created = world.subscribe("shop", ttl=ttl)
    assert world.verify(created["id"]).status_code == 200
    return created


def test_a_subscription_with_a_ttl_expires_unless_it_is_renewed(world: World) -> None:
    created = leased(world)
    path = f"/subscriptions/{created['id']}"
    assert (created["ttl"], created["expires_at"]) == (60, "2018-01-31T01:50:59.650Z")
    world.clock.sleep(59.5)
    renewed = world.http.post(f"{path}/renew")
    assert (renewed.status_code, renewed.json()["expires_at"]) == (200, "2018-01-31T01:51:59.150Z")
    world.clock.sleep(59.999999)
    assert world.http.get(path).json()["status"] == "active"
    world.clock.sleep(0.000001)  # half-open: at its end it has expired
    assert world.http.get(path).json()["status"] == "expired"


def test_what_occurs_after_a_lease_is_not_delivered_and_what_occurred_before_still_is(world: World) -> None:
    bodies, down = world.endpoint("shop", lambda: Response(status=503) if down else echo()), []

    def echo() -> Response:
        return Response(json.dumps({"challenge": json.loads(bodies[-1])["data"].get("challenge")}))

    created = world.subscribe("shop", ttl=60)
    world.verify(created["id"])
    down.append(True)
    world.clock.sleep(59)
    world.source.emit("a", {}, "evt_before")
    world.clock.sleep(1)
    world.source.emit("a", {}, "evt_after")
    down.clear()
    world.clock.sleep(10)
    assert [json.loads(body).get("id") for body in bodies] == [None, "evt_before", "evt_before"]
    redelivered = world.http.post(f"/subscriptions/{created['id']}/redeliver", json={"since": ""})
    problem(redelivered, 422, f"subscription {created['id']} is expired: verify it first")


def test_what_cannot_be_renewed_is_refused_with_the_reason(world: World) -> None:
    created = leased(world)
    path = f"/subscriptions/{created['id']}"
    plain, pending = world.subscribe("shop", types=["a"])["id"], world.subscribe("shop", types=["b"], ttl=60)["id"]
    world.clock.sleep(60)
    before = world.state()
    problem(
        world.http.post(f"{path}/renew"), 410, created["id"], "is expired since 2018-01-31T01:50:59.650Z: verify it"
    )
    problem(world.http.post(f"/subscriptions/{plain}/renew"), 422, f"{plain} has no ttl: it does not expire")
    problem(world.http.post(f"/subscriptions/{pending}/renew"), 422, f"{pending} is pending: verify it first")
    problem(world.http.post("/subscriptions/sub_0/renew"), 404, "there is no subscription 'sub_0'")
    assert world.state() == before
    world.http.delete(path)
    problem(world.http.post(f"{path}/renew"), 404, f"there is no subscription '{created['id']}'")


def test_an_expired_subscription_that_is_verified_again_has_a_new_lease(world: World) -> None:
    created = leased(world)
    world.clock.sleep(100)
    assert world.subscribe_again("shop", ttl=60) == (200, created["id"], "expired")
    answer = world.verify(created["id"]).json()
    assert (answer["status"], answer["expires_at"]) == ("active", "2018-01-31T01:52:39.650Z")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "`url`"),
        ({"url": None}, "`$.url`, got None"),
        ({"url": 5}, "`$.url`, got 5"),
        ({"url": "http://shop/" + "x" * 2048}, "`$.url`, got 'http://shop/xxx"),
        ({**SUBSCRIPTION, "types": "a"}, "`$.types`, got 'a'"),
        ({**SUBSCRIPTION, "types": None}, "`$.types`, got None"),
        ({**SUBSCRIPTION, "types": ["a", 5]}, "`$.types[1]`, got 5"),
        ({**SUBSCRIPTION, "types": ["a", "b c"]}, "`$.types[1]`, got 'b c'"),
        ({**SUBSCRIPTION, "types": ["a"] * 101}, "`$.types`, got ['a', "),
        ({**SUBSCRIPTION, "status": "active"}, "`status`"),
        ({**SUBSCRIPTION, "ttl": 0}, "`float` > 0.0 - at `$.ttl`, got 0"),
        ({**SUBSCRIPTION, "ttl": -60}, "`float` > 0.0 - at `$.ttl`, got -60"),
        ({**SUBSCRIPTION, "ttl": 2_592_000.5}, "`float` <= 2592000.0 - at `$.ttl`, got 2592000.5"),
        ({**SUBSCRIPTION, "ttl": "60"}, "`$.ttl`, got '60'"),
        ({**SUBSCRIPTION, "payload": "bell"}, "`$.payload`, got 'bell'"),
        (
            {**SUBSCRIPTION, "payload": "doorbell", "batch": {"count": 2, "seconds": 1}},
            "a doorbell takes no batch: one notice stands for all new events",
        ),
        ({**SUBSCRIPTION, "x" * 5000: 1}, "`xxx"),
        (None, "null"),
        ([SUBSCRIPTION], "array"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_subscription_of_another_shape_is_422(world: World, members: object, said: str) -> None:
    before = world.state()
    answer = world.http.post("/subscriptions", content=json.dumps(members), headers=JSON)
    problem(answer, 422, said)
    assert len(answer.text) < 1000
    assert world.state() == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "/hook",
        "ftp://shop/hook",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,x",
        "//shop/hook",
        "http:shop",
        "http:///hook",
        "http://",
        "http://user@shop/hook",
        "http://user:password@shop/hook",
        "http://@shop/hook",
        "http://shop\\@source/hook",
        "http://shop/hook#part",
        "http://shop/hook#",
        "http://shop/ho ok",
        " http://shop/hook",
        "http://shop/hook ",
        "http://sh op/hook",
        "http://shop/hook\r\nX: y",
        "http://shop/hook\n",
        "http://shop\t/hook",
        "http://shop/\0",
        "http://shop/\x7f",
        "http://shöp/hook",
        "http://shop/hök",
        "http://shop:0/hook",
        "http://shop:99999/hook",
        "http://shop:-1/hook",
        "http://shop:8o/hook",
        "http://[::1/hook",
        "http://[::zz]/hook",
        "http://xn--/hook",
        "http://s%6Furce/hook",
        "http://*/hook",
        "http://sh,op/hook",
        "http://./hook",
        "http://source/hook",
        "http://source",
        "http://SOURCE/hook",
        "http://source./hook",
        "http://source:80/hook",
        "http://source:080/hook",
        "http://source:/hook",
        "HTTP://Source.:80/events",
        "http://source?x",
    ],
)
def test_a_url_that_cannot_be_an_endpoint_is_422(world: World, url: str) -> None:
    before = world.state()
    problem(world.http.post("/subscriptions", json={"url": url}), 422, f"url {url!r} cannot be an endpoint: ")
    assert world.state() == before


@pytest.mark.parametrize(
    "url",
    [
        "http://shop/hook",
        "https://shop/hook",
        "HTTP://shop",
        "http://shop:8080/a/b?c=d&e=@f",
        "http://127.0.0.1:5000/",
        "http://[::1]:5000/",
        "http://my_shop.example./hook",
        "http://source.example/hook",
        "http://shop/source",
        "http://source:81/hook",
    ],
)
def test_a_url_that_can_be_an_endpoint_is_taken(world: World, url: str) -> None:
    answer = world.http.post("/subscriptions", json={"url": url})
    assert (answer.status_code, answer.json()["url"]) == (201, url)


def challenge() -> Any:
    return request.get_json()["data"]["challenge"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: Response('{"challenge": "x"}'), "with the value it was sent"),
        (lambda: Response(json.dumps({"challenge": challenge() + " "})), "with the value it was sent"),
        (lambda: Response(json.dumps({"challenge": [challenge()]})), "with the value it was sent"),
        (lambda: Response(json.dumps({"Challenge": challenge()})), "with the value it was sent"),
        (lambda: Response(json.dumps([challenge()])), "with the value it was sent"),
        (lambda: Response(json.dumps(challenge())), "with the value it was sent"),
        (lambda: Response(challenge()), "with the value it was sent"),
        (lambda: Response(b"\xff\xfe"), "with the value it was sent"),
        (lambda: Response(b"[" * 100_000), "with the value it was sent"),
        (lambda: Response(status=204), "with the value it was sent"),
        (lambda: Response(json.dumps({"challenge": challenge()}), 500), "did not accept the challenge: 500"),
        (lambda: Response(json.dumps({"challenge": challenge()}), 410), "did not accept the challenge: 410"),
        (lambda: Response(json.dumps({"challenge": challenge()}), 302), "did not accept the challenge: 302"),
        (lambda: Response("no gzip at all", headers={"Content-Encoding": "gzip"}), "with the value it was sent"),
    ],
    ids=count(1),
)
def test_an_endpoint_that_does_not_echo_stays_pending(world: World, answer: Any, said: str) -> None:
    bodies = world.endpoint("shop", answer)
    id = world.subscribe("shop")["id"]
    before = world.state()
    problem(world.verify(id), 422, "http://shop/hook", said)
    assert world.state() == before
    emit(world, "a")
    world.clock.run()
    assert len(bodies) == 1  # a pending endpoint gets nothing but its challenge


def test_an_endpoint_that_does_not_answer_in_time_stays_pending(world: World) -> None:
    world.endpoint("shop", lambda: world.clock.sleep(31) or Response(json.dumps({"challenge": challenge()})))
    id = world.subscribe("shop")["id"]
    problem(world.verify(id), 422, "ReadTimeout")
    world.clock.run()
    assert world.http.get(f"/subscriptions/{id}").json()["status"] == "pending"


def test_an_endpoint_whose_host_is_unknown_stays_pending(world: World) -> None:
    id = world.subscribe("nowhere")["id"]
    problem(world.verify(id), 422, "ConnectError", "nowhere")
    assert world.http.get(f"/subscriptions/{id}").json()["status"] == "pending"


def test_an_active_endpoint_that_fails_a_later_challenge_stays_active(world: World) -> None:
    echo = lambda: Response(json.dumps({"challenge": challenge()}), status.pop())  # noqa: E731
    status = [500, 200]
    world.endpoint("shop", echo)
    id = world.subscribe("shop")["id"]
    assert [world.verify(id).status_code, world.verify(id).status_code] == [200, 422]
    assert world.http.get(f"/subscriptions/{id}").json()["status"] == "active"


def test_a_subscription_deleted_while_it_is_verified_does_not_come_back(world: World) -> None:
    world.endpoint("shop", lambda: world.clock.sleep(5) or Response(json.dumps({"challenge": challenge()})))
    id = world.subscribe("shop")["id"]
    world.clock.spawn(world.http.delete, f"/subscriptions/{id}", after=1)
    problem(world.verify(id), 404, id)
    assert world.http.get("/subscriptions").json() == {"subscriptions": []}


# --- the rest of HTTP


def test_healthz(world: World) -> None:
    assert world.http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/events", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/events/evt_1", {"GET", "HEAD", "OPTIONS"}),
        ("/subscriptions", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/subscriptions/sub_1", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        ("/subscriptions/sub_1/verify", {"OPTIONS", "POST"}),
        ("/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_405_with_those_that_are_allowed(world: World, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"} - allowed:
        answer = world.http.request(method, path)
        problem(answer, 405, f"{method} {path}")
        assert set(answer.headers["Allow"].split(", ")) == allowed
    answer = world.http.request("OPTIONS", path)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (200, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/event", "/events/", "/events//evt_1", "/\0", "/../../etc/passwd", "/\xff", "/x" * 30_000]
)
def test_another_path_is_404(world: World, path: str) -> None:
    world.source.emit("a", {}, id="evt_1")
    answer = world.raw.get(environ_overrides={"PATH_INFO": path})  # a client would mend it
    problem(answer, 404, "GET /")


def test_head_is_get_without_the_body(world: World) -> None:
    emit(world, "a")
    for path in ("/events", "/healthz", "/subscriptions"):
        head, get = world.http.head(path), world.http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(get.content))
    answer = world.http.head("/events/nothing")
    assert (answer.status_code, answer.content) == (404, b"")


def test_an_error_of_ours_is_a_problem_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """500 says nothing of the inside; the log does."""
    world.source.store.page = lambda *asked: 1 / 0  # type: ignore[method-assign]
    answer = world.http.get("/events")
    problem(answer, 500, "GET /events")
    assert "division" not in answer.text
    assert "division" in caplog.text
    caplog.clear()


def test_an_event_is_acknowledged_once_however_often_it_is_asked_for():
    world = World()
    (id,) = (json.loads(world.source.emit("a.b", {}))["id"],)
    first = world.http.post(f"/events/{id}/acknowledge")
    world.clock.sleep(10)
    again = world.http.post(f"/events/{id}/acknowledge")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == {"id": id, "acknowledged_at": "2018-01-31T01:49:59.670Z"}
    missing = world.http.post("/events/evt_none/acknowledge")
    assert (missing.status_code, missing.json()["detail"]) == (404, "there is no event 'evt_none'")


def test_an_etag_of_the_list_names_the_question_and_its_answer():
    """The same question again is a 304 until its answer changes; the tag of another question never fits."""
    world = World()
    empty = world.http.get("/events")
    again = {"If-None-Match": empty.headers["ETag"]}
    unchanged = world.http.get("/events", headers=again)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["ETag"] == empty.headers["ETag"]
    world.source.emit("a.b", {})
    changed = world.http.get("/events", headers=again)
    assert (changed.status_code, len(changed.json()["events"])) == (200, 1)
    beyond = world.http.get(
        f"/events?after={changed.json()['next']}", headers={"If-None-Match": changed.headers["ETag"]}
    )
    assert (beyond.status_code, beyond.json()["events"]) == (200, [])


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ("0", "interval must be from 0.001 to 15 seconds, got 0.0"),
        ("16", "interval must be from 0.001 to 15 seconds, got 16.0"),
        ("-1", "interval must be a finite number from 0.001 to 15 seconds, got '-1'"),
        ("often", "got 'often'"),
        ("1e2", "got 100.0"),
        ("1e400", "got inf"),
        ("1.", "got '1.'"),
        ("0x1", "got '0x1'"),
        ("inf", "got 'inf'"),
    ],
)
def test_a_fake_streams_interval_is_a_decimal_number_from_1_ms_to_15_s(interval, said):
    answer = World().http.get(f"/fake-stream?interval={interval}")
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_streams_at_one_place_share_the_queries_and_the_rendering_of_each_event(monkeypatch):
    """However many streams are open, an event costs two queries: one that finds it, one that finds nothing after it."""
    world, streams, events = World(), 20, 5
    asked, rendered, received = [], [], [""] * streams
    read, cursor = world.source.db.read, world.source.store.cursor

    def stream(number):
        with world.network.client("shop", "stream", world.url).stream("GET", "/stream") as answer:
            for text in answer.iter_text():
                received[number] += text

    for number in range(streams):
        world.clock.spawn(stream, number)
    world.clock.run(until=1)
    monkeypatch.setattr(world.source.db, "read", lambda sql, values=(): asked.append(sql) or read(sql, values))
    monkeypatch.setattr(world.source.store, "cursor", lambda seq: rendered.append(seq) or cursor(seq))
    blocks = ["retry: 1000\n\n"]
    for number in range(1, events + 1):
        event = world.source.emit("a", {"number": number}).decode()
        world.clock.run(until=1 + number)
        blocks.append(f"id: {cursor(number)}\ndata: {event}\n\n")
    assert received == ["".join(blocks)] * streams
    assert len([sql for sql in asked if "FROM events WHERE seq >" in sql]) == 2 * events
    assert rendered == [1, 2, 3, 4, 5]
    world.clock.close()  # the streams would go on for ever
