"""A subscription's secret is replaced while messages are on their way: nothing is refused until the old one expires."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import request
from world import World

from labkit.clock import NANO, RealClock
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.signature import Keyring, SignatureError, headers, new_secret, verify
from labkit.source.bodies import Rotate, Subscribe
from labkit.source.store import open_database
from labkit.wire import DEFAULT_GRACE, LONGEST_GRACE

OWN = new_secret(random.Random(8))


@pytest.fixture
def world() -> Iterator[World]:
    world = World(waits=(1,) * 5)
    with world.clock:
        yield world


class Shop:
    """A subscribed receiver with its list of secrets; `requests` are the (headers, body) of what it was sent."""

    def __init__(self, world: World) -> None:
        self.world, self.inbox, self.requests = world, Inbox(), []
        self.receiver = Receiver([], self.inbox)
        app = receiver_app(self.receiver, world.clock)
        app.before_request(self._keep)
        world.network.host("shop", app)
        made = world.http.post("/subscriptions", json={"url": "http://shop/hook"}).json()
        self.id, self.secret = made["id"], made["secret"]
        self.receiver.secrets.append(self.secret)
        world.verify(self.id)

    def _keep(self) -> None:
        self.requests.append((dict(request.headers), request.get_data()))

    def rotate(self, **options: object) -> httpx.Response:
        return self.world.http.post(f"/subscriptions/{self.id}/rotate", json=options)

    def emit(self) -> list[int]:
        """Emit an event now, and return the statuses of all attempts within the next half second."""
        before = len(self.statuses())
        self.world.emit()
        self.world.clock.sleep(0.5)
        return self.statuses()[before:]

    def statuses(self) -> list[int]:
        attempts = self.world.http.get(f"/subscriptions/{self.id}/attempts").json()["attempts"]
        return [attempt["status"] for attempt in attempts]

    def signatures(self) -> list[str]:
        """The signatures of the last message."""
        headers, _ = self.requests[-1]
        return headers["Webhook-Signature"].split(" ")


def test_during_the_grace_period_either_secret_verifies_and_nothing_is_refused(world: World) -> None:
    shop = Shop(world)
    rotated_at = world.clock.now()
    new = shop.rotate(grace=60).json()["secret"]
    assert new != shop.secret
    answers = []
    while world.clock.now() < rotated_at + 58:
        answers += shop.emit()
        assert len(shop.signatures()) == 2
        if len(answers) == 40:  # meanwhile, the receiver is given the new secret, and then loses the old one
            shop.receiver.secrets.append(new)
        if len(answers) == 80:
            shop.receiver.secrets.remove(shop.secret)
    assert set(answers) == {200} and len(answers) > 100
    world.clock.sleep(rotated_at + 60 - world.clock.now())
    assert shop.emit() == [200]
    assert len(shop.signatures()) == 1


@pytest.mark.parametrize(("early", "status"), [(0.001, 200), (0.0, 401)])
def test_the_old_secret_signs_until_the_grace_period_ends_and_not_longer(
    world: World, early: float, status: int
) -> None:
    shop = Shop(world)
    shop.rotate(grace=60)
    world.clock.sleep(60 - early)
    assert shop.emit()[0] == status


def test_with_a_grace_of_0_no_earlier_secret_signs_any_more(world: World) -> None:
    """For a secret that has leaked. What is refused meanwhile is retried, and arrives when the receiver has it."""
    shop = Shop(world)
    shop.rotate(grace=86_400)
    new = shop.rotate(grace=0).json()["secret"]
    assert shop.emit() == [401]
    assert len(shop.signatures()) == 1
    shop.receiver.secrets[:] = [new]
    world.clock.sleep(2)
    assert shop.statuses()[-1] == 200 and shop.inbox.effects() == 1


def test_a_challenge_and_a_test_are_signed_with_both_too(world: World) -> None:
    shop = Shop(world)
    shop.rotate()
    for path in ("verify", "test"):
        assert world.http.post(f"/subscriptions/{shop.id}/{path}").status_code == 200
        assert len(shop.signatures()) == 2


def test_the_owner_may_bring_the_secret_and_the_grace_is_a_day_unless_said(world: World) -> None:
    shop = Shop(world)
    answer = shop.rotate(secret=OWN)
    listed = world.http.get(f"/subscriptions/{shop.id}").json()
    assert (answer.status_code, answer.json()) == (200, {**listed, "secret": OWN})
    world.clock.sleep(DEFAULT_GRACE - 1)
    assert shop.emit() == [200]
    world.clock.sleep(1)
    assert shop.emit() == [401]
    headers, body = shop.requests[-1]
    assert verify(
        OWN, {name.lower(): value for name, value in headers.items()}, body, world.clock.unix_nanoseconds() / NANO
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grace": -1}, "$.grace"),
        ({"grace": LONGEST_GRACE + 1}, "$.grace"),
        ({"grace": "1"}, "$.grace"),
        ({"secret": "hunter2-hunter2"}, "secret must be whsec_ and the base64 of 24 to 64 bytes"),
        ({"secret": ["hunter2-hunter2"]}, "$.secret"),
        ({"other": 1}, "other"),
    ],
)
def test_a_rotation_that_cannot_be_is_422_and_changes_nothing(world: World, options: dict[str, Any], said: str) -> None:
    shop = Shop(world)
    answer = shop.rotate(**options)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert said in answer.json()["detail"] and "hunter2" not in answer.text
    assert shop.emit() == [200] and len(shop.signatures()) == 1


def test_a_secret_that_the_subscription_has_had_is_422(world: World) -> None:
    shop = Shop(world)
    shop.rotate(secret=OWN)
    for secret in (shop.secret, OWN):
        answer = shop.rotate(secret=secret)
        assert answer.status_code == 422 and secret not in answer.text
        assert "secret must be a new one" in answer.json()["detail"]
    assert world.http.post("/subscriptions/sub_x/rotate", json={}).status_code == 404


def test_secrets_are_in_no_listing_no_record_and_no_repr(world: World) -> None:
    shop = Shop(world)
    secrets = [shop.secret, shop.rotate().json()["secret"], shop.rotate(secret=OWN).json()["secret"]]
    shop.emit()
    paths = ["", f"/{shop.id}", f"/{shop.id}/attempts"]
    shown = [world.http.get(f"/subscriptions{path}").text for path in paths]
    shown.append(world.http.post("/subscriptions", json={"url": "http://shop/hook"}).text)
    shown += [repr(world.source.store.subscriptions()), repr(world.source.store.subscriptions()[0].keyring)]
    shown += [repr(shop.receiver), str(world.ledger.exchanges(world.clock.now()).to_dict())]
    assert not [text for text in shown for secret in secrets if secret in text or secret[6:] in text]


def test_the_keyring_is_on_file_and_what_has_expired_leaves_it(tmp_path: Path) -> None:
    """A source that starts again on the file signs with both; the rotation after the grace period erases the first."""
    path = str(tmp_path / "events.db")
    with closing(open_database(path)) as db:
        store = World(db=db).source.store
        store.subscribe("sub_1", "http://shop/hook", [], "first", "full", (1, 0.0))
        store.rotate("sub_1", "second", now=100, grace=60)
    with closing(open_database(path)) as db:
        store = World(db=db).source.store
        (subscription,) = store.subscriptions()
        assert [subscription.keyring.valid(now) for now in (159, 160)] == [["second", "first"], ["second"]]
        store.rotate("sub_1", "third", now=200, grace=60)
        store.rotate("sub_2", "nobody's", now=200, grace=60)  # deleted in the meantime
        assert db.read("SELECT secret, earlier_secrets FROM subscriptions") == [("third", '[["second",260]]')]


def test_a_body_that_holds_a_secret_does_not_show_it() -> None:
    for body in (Subscribe("http://shop/hook", secret=OWN), Rotate(secret=OWN)):
        assert OWN[6:] not in f"{body!r} {body}"


def test_a_traceback_has_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Of an effect that fails: Flask logs it, and under `labkit serve` the server keeps it among its errors."""

    def fail(event: object, sql: object) -> None:
        raise RuntimeError("no money")

    with closing(Inbox()) as inbox, serve(receiver_app(Receiver([OWN], inbox, on_event=fail), RealClock())) as server:
        event = json.dumps({"id": "evt_1", "type": "a", "timestamp": "", "data": {}}).encode()
        signed = {"Content-Type": "application/json", **headers(OWN, "evt_1", int(time.time()), event)}
        answer = httpx.post(f"{server.url}/hook", content=event, headers=signed, trust_env=False)
    logged = caplog.text + server.errors
    assert (answer.status_code, "RuntimeError: no money" in logged) == (500, True)
    assert OWN[6:] not in logged + answer.text


# the keyring


def test_a_shorter_grace_cuts_the_earlier_ones_short_and_a_longer_one_does_not_revive_them() -> None:
    ring = Keyring("a").rotated("b", now=0, grace=100).rotated("c", now=10, grace=20)
    assert [ring.valid(now) for now in (0, 29, 30)] == [["c", "b", "a"], ["c", "b", "a"], ["c"]]
    ring = Keyring("a").rotated("b", now=0, grace=20).rotated("c", now=10, grace=100)
    assert [ring.valid(now) for now in (19, 20, 109, 110)] == [["c", "b", "a"], ["c", "b"], ["c", "b"], ["c"]]


def test_16_secrets_are_valid_at_the_most() -> None:
    ring = Keyring("0")
    for number in range(1, 16):
        ring = ring.rotated(str(number), now=0, grace=60)
    assert len(ring.valid(0)) == 16
    with pytest.raises(SignatureError, match="^at most 16 secrets can be valid at once, got 17$"):
        ring.rotated("16", now=0, grace=60)
    assert ring.rotated("16", now=60, grace=60).valid(60) == ["16", "15"]


def test_a_keyring_does_not_show_its_secrets() -> None:
    ring = Keyring("hunter2").rotated("hunter3", now=0, grace=60)
    with pytest.raises(SignatureError) as caught:
        ring.rotated("hunter2", now=0, grace=60)
    assert "hunter" not in f"{ring!r} {caught.value}"
