"""Delivery: one signed attempt per event and endpoint, and what the endpoint's answer means."""

import json
import random
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import standardwebhooks
import svix.webhooks
from flask import Flask, Response, request

from labkit import signature
from labkit.approaches import Consumer, Webhook
from labkit.clock import NANO, VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.policies import RetryProfile
from labkit.source import EventSource
from labkit.source.deliver import Attempt, deliver
from labkit.source.store import Subscription

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def subscribed(url: str) -> Subscription:
    return Subscription("sub_1", url, (), "active", SECRET)


class World(SimpleNamespace):
    """A source whose clock says what the machine's says, so that other people's verifiers agree with its timestamps."""

    def __init__(self) -> None:
        self.clock, self.ledger = VirtualClock(epoch=time.time()), Ledger()
        self.network = MemoryNetwork(self.clock, self.ledger)
        self.source = EventSource(self.clock, self.network, random.Random(0), retries=RetryProfile(waits=()))
        self.url = self.network.host("source", self.source.app)
        self.http = self.network.client("me", "setup", self.url)

    def endpoint(
        self, name: str, answer: Callable[[], Response] = Response, types: list[str] | None = None
    ) -> SimpleNamespace:
        """An active endpoint that answers events as told; its `got` is a list of (at, headers, body)."""
        app, got = Flask(name), []

        @app.post("/hook")
        def hook() -> Response:
            message = request.get_json()
            if message["type"] == "endpoint.verify":
                return Response(json.dumps(message["data"]))
            got.append((self.clock.now(), dict(request.headers), request.get_data()))
            return answer()

        self.network.host(name, app)
        made = self.http.post("/subscriptions", json={"url": f"http://{name}/hook", "types": types or []}).json()
        assert self.http.post(f"/subscriptions/{made['id']}/verify").json()["status"] == "active"
        return SimpleNamespace(got=got, id=made["id"], secret=made["secret"])

    def deliveries(self) -> list[tuple[str, int, str]]:
        """Host, status and error of each delivery in the ledger."""
        rows = zip(self.ledger.kind, self.ledger.host, self.ledger.status, self.ledger.error, strict=True)
        return [(host, status, error) for kind, host, status, error in rows if kind == "delivery"]

    def status(self, endpoint: SimpleNamespace) -> str:
        status: str = self.http.get(f"/subscriptions/{endpoint.id}").json()["status"]
        return status


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A world in which, after the test, no task raises, nothing is pending, and nothing was logged or printed."""
    world = World()
    with world.clock:
        yield world
        world.clock.run()
    assert world.source.outbox.counts()["pending"] == 0
    assert caplog.get_records("call") == []
    assert capfd.readouterr() == ("", "")


# --- what is sent


def test_each_event_reaches_its_endpoint_once_as_it_is_listed(world: World) -> None:
    shop = world.endpoint("shop")
    documents = [world.source.emit("a", {"n": number, "name": "é"}) for number in range(3)]
    world.clock.run()
    assert [body for _, _, body in shop.got] == documents
    assert [json.loads(document) for document in documents] == world.http.get("/events").json()["events"]


def test_a_delivery_arrives_one_delay_after_the_event(world: World) -> None:
    shop = world.endpoint("shop")
    world.clock.sleep(10)
    emitted_at = world.clock.now()
    world.source.emit("a", {})
    world.clock.run()
    assert [round(at - emitted_at, 9) for at, _, _ in shop.got] == [0.020]


@pytest.mark.parametrize("theirs", [standardwebhooks.Webhook, svix.webhooks.Webhook], ids=["standard", "svix"])
def test_other_peoples_verifiers_accept_what_is_delivered(world: World, theirs: Any) -> None:
    shop = world.endpoint("shop")
    world.source.emit("a", {"html": "<img src=x onerror=alert(1)>", "name": "é\u2028\N{GRINNING FACE}"})
    world.source.emit("a", {}, id="evt_1")
    world.clock.run()
    assert len(shop.got) == 2
    for _, headers, body in shop.got:
        lower = {name.lower(): value for name, value in headers.items()}
        theirs(shop.secret).verify(body, lower)  # raises if it does not accept
        assert lower["webhook-id"] == json.loads(body)["id"]
        assert lower["content-type"] == "application/json"
        with pytest.raises(Exception, match="No matching signature"):
            theirs(SECRET).verify(body, lower)


@pytest.mark.parametrize("theirs", [standardwebhooks.Webhook, svix.webhooks.Webhook], ids=["standard", "svix"])
def test_other_peoples_verifiers_accept_the_challenge(world: World, theirs: Any) -> None:
    app, verified = Flask("shop"), []

    @app.post("/hook")
    def hook() -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        theirs(SECRET).verify(request.get_data(), headers)
        verified.append(request.get_json()["type"])
        return Response(json.dumps(request.get_json()["data"]))

    world.network.host("shop", app)
    id = world.http.post("/subscriptions", json={"url": "http://shop/hook", "secret": SECRET}).json()["id"]
    assert world.http.post(f"/subscriptions/{id}/verify").json()["status"] == "active"
    assert verified == ["endpoint.verify"]


def test_an_attempt_is_signed_with_the_time_of_the_attempt_and_not_of_the_event(world: World) -> None:
    """An event of 1970 would be too old for any receiver otherwise."""
    shop = world.endpoint("shop")
    world.clock.sleep(1000)
    world.source.emit("a", {}, occurred="1970-01-01T00:00:00.000Z")
    sent_at = world.clock.unix_nanoseconds() / NANO
    world.clock.run()
    _, headers, body = shop.got[0]
    assert signature.verify(shop.secret, headers, body, now=sent_at, tolerance=1) == json.loads(body)["id"]


def test_an_endpoint_is_sent_the_types_that_it_asked_for(world: World) -> None:
    every, some, none = (
        world.endpoint("every"),
        world.endpoint("some", types=["a.b", "c"]),
        world.endpoint("x", types=["a"]),
    )
    for type in ("a.b", "d", "c", "a.b.c"):
        world.source.emit(type, {})
    world.clock.run()
    assert [json.loads(body)["type"] for _, _, body in every.got] == ["a.b", "d", "c", "a.b.c"]
    assert [json.loads(body)["type"] for _, _, body in some.got] == ["a.b", "c"]
    assert none.got == []


def test_events_posted_to_the_source_are_delivered_too(world: World) -> None:
    shop = world.endpoint("shop")
    event = world.http.post("/events", json={"type": "a", "data": {"n": 1}}).json()
    world.clock.run()
    assert [json.loads(body) for _, _, body in shop.got] == [event]


def test_what_happened_before_the_subscription_was_active_is_not_delivered(world: World) -> None:
    world.source.emit("a", {})
    shop = world.endpoint("shop")
    world.clock.run()
    assert shop.got == []


def test_a_deleted_subscription_is_sent_nothing_more(world: World) -> None:
    shop, shed = world.endpoint("shop"), world.endpoint("shed")
    world.source.emit("a", {})
    world.clock.run()
    world.http.delete(f"/subscriptions/{shop.id}")
    world.source.emit("a", {})
    world.clock.run()
    assert (len(shop.got), len(shed.got)) == (1, 2)


# --- what the answer means


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert RetryProfile().verdict(status) == "delivered"


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 411, 421, 423, 429, 500, 503, 599]
)
def test_everything_else_is_a_failure(status: int) -> None:
    assert RetryProfile().verdict(status) == "failed"


def test_410_ends_the_subscription_and_422_refuses_the_message() -> None:
    assert (RetryProfile().verdict(410), RetryProfile().verdict(422)) == ("gone", "refused")


def test_410_ends_the_subscription_until_it_is_verified_again(world: World) -> None:
    shop = world.endpoint("shop", lambda: Response(status=410))
    for _ in range(3):
        world.source.emit("a", {})
        world.clock.run()
    assert (len(shop.got), world.status(shop)) == (1, "gone")
    assert world.http.post(f"/subscriptions/{shop.id}/verify").json()["status"] == "active"
    world.source.emit("a", {})
    world.clock.run()
    assert (len(shop.got), world.status(shop)) == (2, "gone")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", ["http://inner/secret", "//inner/secret", "http://shop/other", "http://source/events"]
)
def test_a_redirect_is_a_failed_attempt_and_its_target_is_never_hit(world: World, status: int, target: str) -> None:
    hits, inner = [], Flask("inner")
    inner.before_request(lambda: hits.append(request.path))
    world.network.host("inner", inner)
    shop = world.endpoint("shop", lambda: Response(status=status, headers={"Location": target}))
    event = json.loads(world.source.emit("a", {}))
    world.clock.run()
    assert world.deliveries() == [("shop", status, "")]
    assert (hits, len(shop.got), world.status(shop)) == ([], 1, "active")
    assert world.http.get("/events").json()["events"] == [event]


class Raw(Response):
    """An answer whose headers go out as they are: Flask mends a Location, or raises."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        return self.headers


HOSTILE: dict[str, Callable[[], Response]] = {
    "redirect to a bad port": lambda: Raw(status=302, headers={"Location": "http://inner:99999999/"}),
    "redirect to a bad address": lambda: Raw(status=302, headers={"Location": "http://[::zz]/"}),
    "redirect to a bad name": lambda: Raw(status=302, headers={"Location": "http://xn--/"}),
    "redirect to another scheme": lambda: Raw(status=302, headers={"Location": "javascript:alert(1)"}),
    "no gzip": lambda: Response("no gzip at all", headers={"Content-Encoding": "gzip"}),
    "not UTF-8": lambda: Response(b"\xff" * 100, content_type="text/html; charset=no-such"),
    "a large answer": lambda: Response("x" * 1_000_000),
    "a cookie": lambda: Response(headers={"Set-Cookie": "a=b"}),
    "an odd status": lambda: Response(status=999),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_answer_ends_the_source(world: World, name: str) -> None:
    shop = world.endpoint("shop", HOSTILE[name])
    world.source.emit("a", {})
    world.source.emit("a", {})
    world.clock.run()
    assert (len(shop.got), world.status(shop)) == (2, "active")
    assert world.ledger.in_flight == set()
    assert "Cookie" not in shop.got[1][1]


def test_an_endpoint_that_does_not_answer_is_given_up_after_30_s(world: World) -> None:
    shop = world.endpoint("shop", lambda: world.clock.sleep(60) or Response())
    world.source.emit("a", {})
    world.clock.run()
    assert world.deliveries() == [("shop", 0, "ReadTimeout")]
    exchange = world.ledger.kind.index("delivery")
    assert round(world.ledger.answered_at[exchange] - world.ledger.sent_at[exchange], 9) == 30
    assert (len(shop.got), world.status(shop)) == (1, "active")


def test_an_endpoint_whose_host_has_gone_is_a_failed_attempt(world: World) -> None:
    shop = world.endpoint("shop")
    del world.network.hosts["shop"]
    world.source.emit("a", {})
    world.clock.run()
    assert world.deliveries() == [("shop", 0, "ConnectError")]
    assert world.status(shop) == "active"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://nowhere/", "ConnectError"),
        ("http://xn--/", "IDNAError"),
        ("http://[::zz]/", "InvalidURL"),
        ("http://shop:99999999/", ""),
        ("ftp://shop/", ""),
        ("shop", ""),
        ("", ""),
    ],
)
def test_whatever_the_url_the_answer_is_an_attempt(world: World, url: str, error: str) -> None:
    transport = world.network.transport("source", "delivery")
    attempt = deliver(transport, subscribed(url), "evt_1", b"{}", 1_700_000_000_900_000_000, RetryProfile())
    assert (attempt.verdict, attempt.status, attempt.body) == ("failed", 0, b"")
    assert error in attempt.error


def test_an_attempt_holds_the_answer(world: World) -> None:
    app = Flask("shop")
    app.post("/")(lambda: Response(request.headers["webhook-timestamp"], 201))
    transport, url = world.network.transport("source", "delivery"), world.network.host("shop", app)
    attempt = deliver(transport, subscribed(url), "evt_1", b"{}", 1_700_000_000_900_000_000, RetryProfile())
    assert attempt == Attempt("delivered", 201, "", b"1700000000")


# --- source and receiver together


def test_the_webhook_approach_receives_each_event_once_at_one_delay(world: World) -> None:
    consumer = Consumer("shop", world.url, world.clock, world.network, world.ledger)
    world.ledger.add_consumer("shop")
    Webhook().subscribe(consumer)
    world.clock.sleep(100)
    for number in range(5):
        world.ledger.happened(f"evt_{number}", world.clock.now())
        world.source.emit("a", {}, id=f"evt_{number}")
        world.clock.sleep(7)
    receipts = world.ledger.receipts()
    assert list(receipts["copies"]) == [1] * 5
    assert list(receipts["latency"].round(9)) == [0.020] * 5
    assert world.deliveries() == [("shop", 200, "")] * 5


def test_an_event_that_the_ledger_never_saw_ends_nothing(world: World) -> None:
    """It is refused and kept aside, and the next one arrives."""
    consumer = Consumer("shop", world.url, world.clock, world.network, world.ledger)
    world.ledger.add_consumer("shop")
    Webhook().subscribe(consumer)
    world.http.post("/events", json={"type": "a", "data": {}})
    world.clock.run()
    world.ledger.happened("evt_1", world.clock.now())
    world.source.emit("a", {}, id="evt_1")
    world.clock.run()
    assert world.deliveries() == [("shop", 422, ""), ("shop", 200, "")]
    assert world.ledger.complete()


def test_a_source_is_the_same_for_the_same_seed() -> None:
    def story(seed: int) -> list[Any]:
        clock = VirtualClock(epoch=1_700_000_000)
        network = MemoryNetwork(clock, Ledger())
        source = EventSource(clock, network, random.Random(seed))
        made = (
            network.client("me", "setup", network.host("source", source.app))
            .post("/subscriptions", json={"url": "http://shop/"})
            .json()
        )
        return [made, source.emit("a", {}), source.store.cursor(1)]

    assert story(1) == story(1)
    assert all(one != other for one, other in zip(story(1), story(2), strict=True))


def test_an_error_that_quotes_an_illegal_answer_is_cut() -> None:
    """An endpoint could otherwise have 300 kB stored with each attempt."""

    def illegal(sent: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("illegal header line: " + "x" * 100_000)

    endpoint = httpx.MockTransport(illegal)
    attempt = deliver(endpoint, subscribed("http://shop/hook"), "evt_1", b"{}", 0, RetryProfile())
    assert (len(attempt.error), attempt.error[:42]) == (300, "RemoteProtocolError: illegal header line: ")
