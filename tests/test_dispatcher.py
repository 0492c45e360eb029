"""At least once: what is retried, when, for how long, and what it does to the others (P1, P2, P4, P5)."""

import heapq
import json
import os
import random
import socket
import sqlite3
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from email.utils import formatdate
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, request
from raw_http import wait_for
from world import EPOCH, Answer, World, world

from labkit.approaches import Consumer, Polling, Webhook
from labkit.clock import RealClock
from labkit.ledger import Ledger
from labkit.network.sockets import SocketNetwork
from labkit.policies import RetryProfile
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.source import EventSource
from labkit.source.store import open_database

STANDARD = [0, 5, 305, 2105, 9305, 27_305, 63_305, 113_705, 185_705, 272_105]
"""Seconds after the first attempt, as the specification's table adds up; the last is 75 h 35 m 5 s."""


def always(status: int, **headers: str) -> Answer:
    return lambda event, nth: Response(
        status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def since_first(got: list[tuple[float, str]], id: str) -> list[float]:
    instants = [at for at, which in got if which == id]
    return [round(at - instants[0], 9) for at in instants]


# --- the schedule (P4)


@pytest.mark.parametrize("delay", [0.0, 0.020])
def test_the_default_schedule_is_that_of_standard_webhooks_to_the_nanosecond(delay: float) -> None:
    """Ten attempts over 75 h 35 m 5 s; a wait counts from the failure, a round trip after the attempt."""
    with world(RetryProfile().waits, delay) as it:
        shop = it.endpoint("shop", always(500))
        id = it.emit()
        it.clock.run()
        expected = [round(at + 2 * delay * number, 9) for number, at in enumerate(STANDARD)]
        assert since_first(shop.got, id) == expected
        assert (STANDARD[-1], len(STANDARD)) == (75 * 3600 + 35 * 60 + 5, 10)
        assert it.counts() == (0, 0, 1)


def test_every_attempt_is_on_record_with_its_instant_and_its_answer() -> None:
    answers = {1: 500, 2: 302, 3: 429, 4: 204}
    with world(RetryProfile().waits) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=answers[nth]))
        it.clock.sleep(100)
        id = it.emit()
        it.clock.run()
        listed = it.http.get(f"/subscriptions/{shop.id}/attempts").json()["attempts"]
        at = [datetime.fromisoformat(each.pop("at")).timestamp() - EPOCH for each in listed]
        assert listed == [
            {"event": id, "number": number, "status": status, "error": ""} for number, status in answers.items()
        ]
        assert at == [arrived_at for arrived_at, _ in shop.got] == [100 + wait for wait in STANDARD[:4]]


def test_an_attempt_without_an_answer_is_on_record_with_its_error() -> None:
    with world((1,)) as it:
        shop = it.endpoint("shop", lambda event, nth: it.clock.sleep(31) or Response())
        id = it.emit()
        it.clock.run(until=40)
        del it.network.hosts["shop"]
        it.emit()
        it.clock.run(until=1000)
        listed = it.http.get(f"/subscriptions/{shop.id}/attempts").json()["attempts"]
        assert [(each["event"] == id, each["status"], each["error"].split(":")[0]) for each in listed] == [
            (True, 0, "ReadTimeout"),
            (True, 0, "ReadTimeout"),
            (False, 0, "ConnectError"),
            (False, 0, "ConnectError"),
        ]


WAITS = (10.0,) * 20


def waits(seed: int, events: int, share: float = 0.2) -> dict[str, list[float]]:
    """The waits that a failing endpoint sees, by event."""
    with world(WAITS, seed=seed, jitter=share) as it:
        shop = it.endpoint("shop", always(500))
        for number in range(events):
            it.emit(f"evt_{number}")
        it.clock.run()
        instants = {id: since_first(shop.got, id) for _, id in shop.got}
        return {id: [round(b - a, 9) for a, b in pairwise(at)] for id, at in instants.items()}


def test_jitter_keeps_within_its_share_on_both_sides() -> None:
    drawn = [wait for each in waits(0, 20).values() for wait in each]
    assert len(drawn) == 400
    assert all(8 <= wait <= 12 for wait in drawn)
    # uniform on (8, 12): the mean of 400 has a standard error of 4 / sqrt(12 * 400) = 0.058
    assert abs(sum(drawn) / 400 - 10) < 4 * 0.058
    assert min(drawn) < 8.2 and max(drawn) > 11.8  # each is missed with a probability of 0.95 ** 400


def test_every_wait_of_every_event_is_drawn_anew() -> None:
    drawn = [wait for each in waits(0, 20).values() for wait in each]
    assert len(set(drawn)) == len(drawn)


def test_without_jitter_the_waits_are_exact() -> None:
    assert waits(0, 2, share=0.0) == {"evt_0": list(WAITS), "evt_1": list(WAITS)}


def test_the_same_seed_waits_as_long_in_another_process() -> None:
    code = "import json, test_dispatcher; print(json.dumps(test_dispatcher.waits(7, 2)))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parent)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, timeout=60)
    assert json.loads(said.stdout) == waits(7, 2)
    assert waits(8, 2) != waits(7, 2)


def test_a_wait_depends_on_its_own_event_and_attempt_and_on_no_other() -> None:
    """So that lenses agree, in which the others come in another order."""
    alone, among = waits(0, 1), waits(0, 5)
    assert among["evt_0"] == alone["evt_0"]


# --- what an answer means


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered_and_never_sent_again(status: int) -> None:
    with world() as it:
        shop = it.endpoint("shop", always(status))
        id = it.emit()
        it.clock.run()
        assert (it.attempts(shop), it.counts()) == ([(id, 1, status)], (0, 1, 0))


@pytest.mark.parametrize(
    "status", [301, 302, 304, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 599]
)
def test_any_other_answer_is_retried_until_the_schedule_ends(status: int) -> None:
    with world() as it:
        shop = it.endpoint("shop", always(status, Location="http://source/events"))
        id = it.emit()
        it.clock.run()
        assert it.attempts(shop) == [(id, number, status) for number in (1, 2, 3)]
        assert (it.counts(), it.status(shop)) == ((0, 0, 1), "active")


def test_422_is_dead_at_once_and_the_others_flow() -> None:
    with world() as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=422 if event == "evt_1" else 200))
        for number in range(3):
            it.emit(f"evt_{number}")
        it.clock.run()
        assert it.attempts(shop) == [("evt_0", 1, 200), ("evt_1", 1, 422), ("evt_2", 1, 200)]
        assert (it.counts(), it.status(shop)) == ((0, 2, 1), "active")


def test_410_ends_the_subscription_and_kills_what_is_pending() -> None:
    """Also what fails only after it: of two under way, one is told 410, and the other 500 a second later."""

    def answer(id: str, nth: int) -> Response:
        it.clock.sleep({"evt_1": 1, "evt_2": 2}.get(id, 0))
        return Response(status=410 if id == "evt_1" else 500)

    with world((60, 60)) as it:
        shop = it.endpoint("shop", answer)
        for number in range(3):  # the first has failed, and waits
            it.emit(f"evt_{number}")
        it.clock.run(until=10)
        assert (it.status(shop), it.counts()) == ("gone", (0, 0, 3))
        it.emit("evt_3")
        it.clock.run()
        assert [id for _, id in shop.got] == ["evt_0", "evt_1", "evt_2"]
        assert it.counts() == (0, 0, 3)


def test_what_is_acknowledged_after_a_410_is_delivered_all_the_same() -> None:
    with world() as it:
        it.endpoint(
            "shop",
            lambda event, nth: (
                it.clock.sleep(2 * (event == "evt_1")) or Response(status=410 if event == "evt_0" else 200)
            ),
        )
        it.emit("evt_0")
        it.emit("evt_1")
        it.clock.run()
        assert it.counts() == (0, 1, 1)


DATE = EPOCH + 120


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        (formatdate(DATE, usegmt=True), 120),
        ("1000000000", 86_400),
        ("Tue, 14 Nov 2999 22:15:20 GMT", 86_400),
        # less than the schedule, in the past, or junk: the schedule's own 10 s
        ("3", 10),
        ("-5", 10),
        ("", 10),
        ("soon", 10),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 10),
    ],
)
def test_retry_after_is_waited_for_at_least_and_junk_is_ignored(status: int, header: str, wait: float) -> None:
    with world((10,)) as it:
        shop = it.endpoint("shop", lambda event, nth: Response())
        app = Flask("throttled")

        @app.post("/hook")
        def hook() -> Response:
            shop.got.append((it.clock.now(), request.headers["webhook-id"]))
            return Response(status=status if len(shop.got) == 1 else 200, headers={"Retry-After": header})

        it.network.host("shop", app)
        id = it.emit()
        it.clock.run()
        assert since_first(shop.got, id) == [0, wait]


@pytest.mark.parametrize("status", [302, 400, 404, 500, 502])
def test_retry_after_counts_on_429_and_503_alone(status: int) -> None:
    with world((10,)) as it:
        shop = it.endpoint("shop", always(status, Retry_After="120"))
        id = it.emit()
        it.clock.run()
        assert since_first(shop.got, id) == [0, 10]


def test_retry_after_is_no_longer_than_the_profile_allows() -> None:
    with world((10,), longest_retry_after=60.0) as it:
        shop = it.endpoint("shop", always(429, Retry_After="3600"))
        id = it.emit()
        it.clock.run()
        assert since_first(shop.got, id) == [0, 60]


def test_a_burst_of_5xx_is_outlived_at_the_next_attempt_due() -> None:
    """Down from 95 s to 10,000 s: what is emitted at 95 s fails at 95 + 9,305 s, and arrives at 95 + 27,305."""
    with world(RetryProfile().waits) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=503 if 95 <= it.clock.now() < 10_000 else 200))
        for at in (0, 95, 99, 9_990):
            it.clock.sleep_until(at)
            it.emit(f"evt_{at}")
        it.clock.run()
        arrived = {id: at for at, id in shop.got}
        assert arrived == {"evt_0": 0, "evt_95": 95 + 27_305, "evt_99": 99 + 27_305, "evt_9990": 9_990 + 305}
        assert it.counts() == (0, 4, 0)


def test_every_second_answer_failing_delays_and_loses_nothing() -> None:
    asked = 0

    def answer(id: str, nth: int) -> Response:
        nonlocal asked
        asked += 1
        return Response(status=503 if asked % 2 else 200)

    with world((5,) * 9) as it:
        shop = it.endpoint("shop", answer)
        for number in range(100):
            it.emit(f"evt_{number}")
        it.clock.run()
        assert it.counts() == (0, 100, 0)
        assert Counter(status for *_, status in it.attempts(shop)) == {200: 100, 503: 100}


# --- endpoints and events apart from each other (P5)


def test_a_poison_event_ends_in_the_dead_letter_while_the_others_flow() -> None:
    with world(RetryProfile().waits, 0.020) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=500 if event == "evt_3" else 200))
        for number in range(10):
            it.clock.sleep_until(60 + number * 60)
            it.emit(f"evt_{number}")
        it.clock.run()
        arrived = {id: round(at, 9) for at, id in shop.got if id != "evt_3"}
        assert arrived == {f"evt_{number}": 60 + number * 60 + 0.020 for number in range(10) if number != 3}
        assert len([id for _, id in shop.got if id == "evt_3"]) == 10
        assert it.counts() == (0, 9, 1)


BAD: dict[str, Callable[[World], Answer]] = {
    "slow": lambda it: lambda event, nth: it.clock.sleep(29) or Response(),
    "silent": lambda it: lambda event, nth: it.clock.sleep(10_000) or Response(),
    "failing": lambda it: always(500),
    "throttling": lambda it: always(429, Retry_After="7"),
}


@pytest.mark.parametrize("bad", [*BAD, "refused"])
def test_a_slow_or_dead_endpoint_does_not_slow_another(bad: str) -> None:
    """Not by a nanosecond, however much waits for the bad one, which has as much under way as it may."""

    def arrivals(with_bad: bool) -> list[tuple[float, str]]:
        with world((5, 300), 0.020, in_flight=3) as it:
            if with_bad:
                it.endpoint("bad", BAD.get(bad, lambda it: always(500))(it))
                if bad == "refused":
                    del it.network.hosts["bad"]
            good = it.endpoint("good")
            it.clock.sleep_until(1)
            for number in range(50):
                it.clock.sleep_until(1 + number)
                it.emit(f"evt_{number}")
            it.clock.run(until=2000)
            return list(good.got)

    alone = arrivals(False)
    assert [round(at, 9) for at, _ in alone] == [round(1 + number + 0.020, 9) for number in range(50)]
    assert arrivals(True) == alone


class Crowd:
    """Answers that take `seconds`, a second each if it is not given, and the most that were under way at once."""

    def __init__(self, it: World, seconds: Callable[[str], float] = lambda id: 1) -> None:
        self.it, self.seconds, self.now, self.most = it, seconds, 0, 0

    def __call__(self, id: str, nth: int) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        self.it.clock.sleep(self.seconds(id))
        self.now -= 1
        return Response()


def test_a_herd_of_1000_deliveries_meets_a_receiver_that_comes_back_few_at_a_time() -> None:
    """Twenty places: the next delivery starts as soon as one is free. The answers take 1, 2 and 3 s in turn."""
    with world((60, 60), in_flight=20) as it:
        crowd = Crowd(it, lambda id: 1 + int(id.removeprefix("evt_")) % 3)
        shop = it.endpoint(
            "shop", lambda event, nth: Response(status=503) if it.clock.now() < 30 else crowd(event, nth)
        )
        for number in range(1000):
            it.emit(f"evt_{number}")
        it.clock.run()
        assert it.counts() == (0, 1000, 0)
        assert crowd.most == 20
        free, starts = [60.0] * 20, []
        for number in range(1000):
            starts.append(heapq.heappop(free))
            heapq.heappush(free, starts[-1] + 1 + number % 3)
        assert [at for at, _ in shop.got[1000:]] == starts


def test_the_limit_in_flight_is_each_endpoints_own() -> None:
    with world(in_flight=3) as it:
        crowds = [Crowd(it) for _ in range(3)]
        for number, crowd in enumerate(crowds):
            it.endpoint(f"shop-{number}", crowd)
        for _ in range(10):
            it.emit()
        it.clock.run()
        assert [crowd.most for crowd in crowds] == [3, 3, 3]
        assert it.counts() == (0, 30, 0)
        assert it.clock.now() == 4.0  # 10 of 1 s each, 3 at a time


def herd(jitter: float) -> tuple[list[float], int]:
    """When 1,000 deliveries come again that failed at 0 s, 60 s before; the most under way. Each takes 0.1 s."""
    with world((60,), jitter=jitter, in_flight=20) as it:
        crowd = Crowd(it, lambda id: 0.1)
        shop = it.endpoint("shop", lambda event, nth: Response(status=503) if nth == 1 else crowd(event, nth))
        for number in range(1000):
            it.emit(f"evt_{number}")
        it.clock.run()
        assert it.counts() == (0, 1000, 0)
        return [at for at, _ in shop.got[1000:]], crowd.most


def test_jitter_spreads_a_herd_of_1000_deliveries_and_without_it_they_are_all_due_at_once() -> None:
    """Without jitter 20 at a time are under way for 5 s. With 20% they come from 48 to 72 s, far below the limit:

    42 per second, so 4.2 under way in the mean; a Poisson number of that mean is over 15 once in 50,000.
    """
    at_once, most = herd(jitter=0.0)
    assert (most, at_once) == (20, pytest.approx([60 + number // 20 / 10 for number in range(1000)]))
    spread, few = herd(jitter=0.2)
    assert few <= 15
    assert 48 <= spread[0] < 49 and 71 < spread[-1] <= 72
    assert len(set(spread)) == 1000


# --- redelivery


def test_redelivery_tells_again_what_was_delivered_what_is_dead_and_what_was_before_the_subscription() -> None:
    with world() as it:
        it.emit("evt_before")
        down = [True]
        shop = it.endpoint("shop", lambda event, nth: Response(status=500 if down and event == "evt_dead" else 200))
        it.emit("evt_delivered")
        it.emit("evt_dead")
        it.clock.run()
        assert it.counts() == (0, 1, 1)
        down.clear()
        shop.got.clear()
        answer = it.redeliver(shop)
        assert (answer.status_code, answer.json()) == (202, {"redelivered": 3})
        it.clock.run()
        assert [id for _, id in shop.got] == ["evt_before", "evt_delivered", "evt_dead"]
        assert it.counts() == (0, 3, 0)
        assert [number for id, number, _ in it.attempts(shop) if id == "evt_dead"] == [1, 2, 3, 4]


def test_redelivery_starts_after_its_cursor_and_keeps_to_the_types_asked_for() -> None:
    with world() as it:
        shop = it.endpoint("shop", types=("b",))
        for number in range(6):
            it.emit(f"evt_{number}", "b" if number % 2 else "a")
        it.clock.run()
        shop.got.clear()
        since = it.http.get("/events?limit=2").json()["next"]
        assert it.redeliver(shop, since).json() == {"redelivered": 2}
        it.clock.run()
        assert [id for _, id in shop.got] == ["evt_3", "evt_5"]


def test_a_redelivery_has_the_whole_schedule_before_it() -> None:
    """Also of what has died after three attempts: it gets three more."""
    with world((5, 300)) as it:
        shop = it.endpoint("shop", always(500))
        id = it.emit()
        it.clock.run()
        asked_at = it.clock.now()
        it.redeliver(shop)
        it.clock.run()
        assert [at - asked_at for at, _ in shop.got[3:]] == [0, 5, 305]
        assert it.attempts(shop) == [(id, number, 500) for number in range(1, 7)]
        assert it.counts() == (0, 0, 1)


def test_a_redelivery_does_not_wait_for_a_retry_that_is_hours_away() -> None:
    with world((36_000,)) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=500 if nth == 1 else 200))
        id = it.emit()
        it.clock.sleep(10)
        it.redeliver(shop)
        it.clock.run()
        assert since_first(shop.got, id) == [0, 10]
        assert it.counts() == (0, 1, 0)


def test_a_delivery_under_way_is_not_sent_a_second_time_by_a_redelivery() -> None:
    with world() as it:
        shop = it.endpoint("shop", lambda event, nth: it.clock.sleep(5) or Response())
        it.emit()
        it.clock.sleep(1)
        assert it.redeliver(shop).json() == {"redelivered": 1}
        it.clock.run()
        assert len(shop.got) == 1


@pytest.mark.parametrize("since", ["nonsense", "AAAAAAABAAAAAAAA", "-1", "0", "x" * 5000, "é"])
def test_a_forged_cursor_redelivers_nothing(since: str) -> None:
    with world() as it:
        shop = it.endpoint("shop")
        it.emit()
        it.clock.run()
        answer = it.redeliver(shop, since)
        it.clock.run()
        assert (answer.status_code, len(shop.got)) == (422, 1)
        assert since[:20] in answer.json()["detail"]


def test_nothing_is_redelivered_to_an_endpoint_that_is_pending_or_gone_or_unknown() -> None:
    with world() as it:
        it.emit("evt_0")
        made = it.http.post("/subscriptions", json={"url": "http://other/hook"}).json()
        shop = it.endpoint("shop", always(410))
        it.emit("evt_1")
        it.clock.run()
        for id, said in ((made["id"], "pending"), (shop.id, "gone")):
            answer = it.redeliver(SimpleNamespace(id=id))
            assert (answer.status_code, said in answer.json()["detail"]) == (422, True)
        assert it.redeliver(SimpleNamespace(id="sub_nobody")).status_code == 404
        it.clock.run()
        assert it.deliveries() == {"shop": 1}


def test_a_redelivery_to_a_subscription_that_ended_meanwhile_leaves_nothing_pending() -> None:
    with world() as it:
        shop = it.endpoint("shop")
        it.emit()
        it.clock.run()
        as_it_was = it.source.store.subscription(shop.id)
        assert as_it_was
        it.source.outbox.end(shop.id)
        assert it.source.redeliver(as_it_was, 0) == 0
        it.http.delete(f"/subscriptions/{shop.id}")
        assert it.source.redeliver(as_it_was, 0) == 0
        assert it.counts() == (0, 0, 0)


# --- trying an endpoint out, and taking it away


def test_a_test_message_is_acknowledged_by_our_receiver_and_has_no_effect() -> None:
    with world() as it:
        arrived: list[object] = []
        receiver = Receiver([], Inbox(), on_arrival=arrived.append)
        it.network.host("shop", receiver_app(receiver, it.clock))
        made = it.http.post("/subscriptions", json={"url": "http://shop/hook"}).json()
        receiver.secrets.append(made["secret"])
        answer = it.http.post(f"/subscriptions/{made['id']}/test")  # also before it is active
        assert answer.json() == {"verdict": "delivered", "status": 200, "error": ""}
        assert (arrived, receiver.inbox.effects()) == ([], 0)
        assert receiver.inbox._db.read("SELECT * FROM quarantine") == []
        it.clock.run()
        assert it.deliveries() == {}  # it is no delivery: neither retried nor on record


def test_what_was_pending_for_a_deleted_subscription_is_never_sent() -> None:
    with world((60,)) as it:
        shop, shed = it.endpoint("shop", always(500)), it.endpoint("shed", always(500))
        it.emit()
        it.clock.sleep(1)
        it.http.delete(f"/subscriptions/{shop.id}")
        it.clock.run()
        assert (len(shop.got), len(shed.got)) == (1, 2)
        assert it.counts() == (0, 0, 1)


@pytest.mark.parametrize("status", [200, 410, 422, 500])
def test_a_subscription_may_be_deleted_while_a_delivery_is_under_way(status: int) -> None:
    with world() as it:
        shop = it.endpoint("shop", lambda event, nth: it.clock.sleep(5) or Response(status=status))
        shed = it.endpoint("shed")
        it.emit()
        it.clock.sleep(1)
        it.http.delete(f"/subscriptions/{shop.id}")
        it.emit()
        it.clock.run()
        assert (len(shop.got), len(shed.got), it.counts()) == (1, 2, (0, 2, 0))
        assert it.http.get(f"/subscriptions/{shop.id}/attempts").status_code == 404


# --- order, and duplicates


def test_arrival_out_of_order_ends_in_the_same_state_as_the_pollers() -> None:
    """If whoever is told goes by the version that an event carries, and not by the order in which it comes."""
    with world((100,)) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=500 if (event in late) and nth == 1 else 200))
        late = ("evt_3", "evt_8")
        for number in range(10):
            it.emit(f"evt_{number}", door=number % 2, version=number)
            it.clock.sleep(1)
        it.clock.run()
        events = {event["id"]: event["data"] for event in it.http.get("/events").json()["events"]}
        assert list(events) == [f"evt_{number}" for number in range(10)]  # as the poller sees them
        arrived = [
            id for number, (_, id) in enumerate(shop.got) if id not in late or id in [i for _, i in shop.got[:number]]
        ]
        assert arrived == [f"evt_{number}" for number in (0, 1, 2, 4, 5, 6, 7, 9, 3, 8)]
        by_arrival, by_version, asked = {}, {}, {}
        for event in events.values():
            asked[event["door"]] = event["version"]
        for id in arrived:
            door, version = events[id]["door"], events[id]["version"]
            by_arrival[door] = version
            by_version[door] = max(version, by_version.get(door, -1))
        assert by_version == asked == {0: 8, 1: 9}
        assert by_arrival == {0: 8, 1: 3}  # a late retry overwrote the newer state


def test_a_lost_acknowledgement_is_a_duplicate_that_is_counted_and_has_no_second_effect() -> None:
    """The receiver has done its work, and its answer comes too late, twice."""
    with world((5, 300), 0.020) as it:
        consumer = Consumer("shop", it.url, it.clock, it.network, it.ledger)
        it.ledger.add_consumer("shop")
        Webhook().subscribe(consumer)
        hooked, lost, late = it.network.hosts["shop"], Counter[str](), []

        def losing(environ: Any, start_response: Any) -> Any:
            answer = hooked(environ, start_response)
            lost[environ["HTTP_WEBHOOK_ID"]] += 1
            if environ["HTTP_WEBHOOK_ID"] == "evt_1" and lost["evt_1"] <= 2:
                late.append(it.clock.now())
                it.clock.sleep(60)
            return answer

        it.network.host("shop", losing)
        for number in range(3):
            it.ledger.happened(f"evt_{number}", it.clock.now())
            it.emit(f"evt_{number}")
        it.clock.run()
        receipts = it.ledger.receipts()
        assert list(receipts["copies"]) == [1, 3, 1]
        assert [round(latency, 9) for latency in receipts["latency"]] == [0.020] * 3  # it counts from the first copy
        assert (len(late), it.counts()) == (2, (0, 3, 0))
        (subscription,) = it.source.store.subscriptions()
        attempts = it.source.outbox.attempts(subscription.id)
        assert [status for id, _, _, status, _ in attempts if id == "evt_1"] == [0, 0, 200]


def test_a_poller_beside_a_failing_webhook_sees_every_event_once_and_in_order() -> None:
    with world((5,), 0.020) as it:
        it.endpoint("shop", always(500))
        seen: list[str] = []
        consumer = SimpleNamespace(
            name="me",
            source_url=it.url,
            clock=it.clock,
            pause=it.clock.sleep,
            client=lambda kind: it.http,
            receive=lambda event, _: seen.append(event["id"]),
        )
        it.clock.spawn(Polling(interval=3, limit=2).run, consumer)
        for number in range(20):
            it.emit(f"evt_{number}")
            it.clock.sleep(1)
        it.clock.run(until=it.clock.now() + 60)
        assert seen == [f"evt_{number}" for number in range(20)]


# --- the outbox's own troubles


def test_the_dispatcher_outlives_a_database_that_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "source.db"
    with world((5,), db=open_database(str(path), busy=0.0)) as it:
        shop = it.endpoint("shop", lambda event, nth: it.clock.sleep(3) or Response())
        it.emit("evt_0")
        it.clock.sleep(1)  # under way
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            it.source.dispatcher.wake()
            it.clock.sleep(20)
            assert len(shop.got) == 1
            other.execute("ROLLBACK")
        it.emit("evt_1")
        it.clock.run()
        assert [id for _, id in shop.got] == ["evt_0", "evt_1"]
        assert it.counts() == (0, 2, 0)


def test_attempts_that_end_while_the_file_is_locked_are_all_recorded_afterwards(tmp_path: Path) -> None:
    """The first one's record is tried again each second; the others', which end meanwhile, come with it or after it."""
    path = tmp_path / "source.db"
    with world((5,), db=open_database(str(path), busy=0.0)) as it:
        shops = [
            it.endpoint(f"shop-{n}", lambda event, nth, n=n: it.clock.sleep(2 + n) or Response()) for n in range(3)
        ]
        id = it.emit()
        it.clock.sleep(1)  # under way
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            it.clock.sleep(10)
            other.execute("ROLLBACK")
        it.clock.run()
        assert [it.attempts(shop) for shop in shops] == [[(id, 1, 200)]] * 3
        assert it.counts() == (0, 3, 0)


def test_attempts_that_end_during_a_commit_are_recorded_by_the_next_one_together() -> None:
    """Twenty end while the outbox is in use: the first waits for it, and the other nineteen share a commit."""
    go, commits = Event(), []
    app = Flask("shop")
    app.post("/<number>")(lambda number: f"{go.wait(30)}")

    def statement(sql: str) -> None:
        if sql.startswith("INSERT INTO attempts"):
            commits[-1] += 1
        elif sql.startswith("BEGIN"):
            commits.append(0)

    source = EventSource(clock := RealClock(), SocketNetwork(clock, Ledger()))
    with closing(source), serve(app) as server:
        for number in range(20):
            source.verified(source.subscribe(f"{server.url}/{number}", [])[0])
        source.emit("a", {})
        assert wait_for(lambda: server.requests == 20, 30)
        with source.db.transaction():
            go.set()
            assert wait_for(lambda: len(source.dispatcher._ended) == 20, 30)
            source.db._db.set_trace_callback(statement)
        assert wait_for(lambda: source.outbox.counts()["delivered"] == 20, 30)
        source.db._db.set_trace_callback(None)
    assert [count for count in commits if count] == [1, 19]


def test_an_attempt_that_outlives_its_lease_is_sent_again_and_never_undone() -> None:
    """The first is answered 500 only after the second was acknowledged: both are on record, and it stays delivered."""
    with world((5,), timeout=100.0) as it:
        shop = it.endpoint(
            "shop", lambda event, nth: Response() if nth == 2 else it.clock.sleep(50) or Response(status=500)
        )
        id = it.emit()
        it.clock.sleep(1)
        with it.source.db.transaction() as sql:
            sql.execute("UPDATE deliveries SET leased_until = 1")
        it.source.dispatcher.wake()
        it.clock.run()
        assert it.attempts(shop) == [(id, 2, 500), (id, 1, 200)]
        assert it.counts() == (0, 1, 0)


# --- any script at all (P1, P2, P4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_each_event_is_delivered_pending_or_dead_and_once_settled_none_is_pending(seed: int) -> None:
    chance = random.Random(seed)
    statuses = [200, 200, 204, 500, 503, 429, 302, 404, 0] + [422] * (seed % 2) + [410] * (seed % 5 == 0)
    with world((5, 30, 60), 0.020, seed, jitter=0.2, in_flight=chance.choice((1, 3, 100))) as it:
        told: dict[tuple[str, str], set[int]] = {}
        heard: Counter[tuple[str, str]] = Counter()

        def script(name: str) -> Answer:
            def answer(id: str, nth: int) -> Response:
                status = chance.choice(statuses)
                heard[name, id] += 1
                it.clock.sleep(40 if status == 0 else chance.choice((0, 0, 0.5, 20)))
                told.setdefault((name, id), set()).add(status)
                return Response(status=status or 200, headers={"Retry-After": chance.choice(("1", "90", "junk"))})

            return answer

        shops = [it.endpoint(f"shop-{number}", script(f"shop-{number}")) for number in range(3)]
        deleted: set[str] = set()
        owed: set[tuple[str, str]] = set()

        def on_file() -> dict[tuple[str, str], str]:
            rows = it.source.db.read("SELECT subscription, id, status FROM deliveries JOIN events USING (seq)")
            names = {shop.id: shop.name for shop in shops}
            return {(names[subscription], id): status for subscription, id, status in rows}

        for number in range(40):
            it.clock.sleep(chance.choice((0, 0.1, 1, 20)))
            on_now = {each.id for each in it.source.store.subscriptions() if each.status == "active"}
            living = [shop for shop in shops if shop.id in on_now]
            it.emit(f"evt_{number}")
            owed |= {(shop.name, f"evt_{number}") for shop in living}
            if living and chance.random() < 0.1:
                it.redeliver(chance.choice(living))
            if number == 30 and seed % 3 == 0:
                it.http.delete(f"/subscriptions/{shops[0].id}")
                deleted.add(shops[0].name)
                owed = {(name, id) for name, id in owed if name not in deleted}
            assert owed <= on_file().keys()
        it.clock.run()
        states = on_file()
        assert owed <= states.keys()
        assert set(states.values()) <= {"delivered", "dead"}
        for (name, id), state in states.items():
            said = told.get((name, id), set())
            if state == "delivered":
                assert said & {200, 204}
            else:
                gone = it.status(shops[int(name[-1])]) == "gone"
                assert 422 in said or gone or heard[name, id] >= 4
        for shop in shops:
            if shop.name not in deleted:
                on_record = Counter(id for id, *_ in it.attempts(shop))
                assert on_record == Counter({id: times for (name, id), times in heard.items() if name == shop.name})


# --- on sockets, the machine's clock, and endpoints that do not speak HTTP


def _junk(connection: socket.socket) -> None:
    connection.sendall(b"HELLO\r\n\r\n")


def _half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close(connection: socket.socket) -> None:
    pass


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    clock = RealClock()
    for _ in range(1000):
        connection.sendall(b"x")
        clock.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_junk, "RemoteProtocolError"),
        (_half, "RemoteProtocolError"),
        (_reset, "ReadError"),
        (_close, "RemoteProtocolError"),
        (_drip, "ReadTimeout"),
        (None, "ConnectError"),
    ],
)
def test_junk_resets_drips_and_closed_ports_are_recorded_and_retried_until_dead(answer: Any, error: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3)
        port, asked = listener.getsockname()[1], []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    request = b""
                    while b'"data":{}}' not in request and (more := connection.recv(65_536)):
                        request += more
                    asked.append(request)
                    with suppress(OSError):
                        answer(connection)

        if answer is None:
            listener.close()
        else:
            Thread(target=accept, daemon=True).start()
        clock = RealClock()
        profile = RetryProfile(waits=(0.05, 0.05), timeout=0.3)
        source = EventSource(clock, SocketNetwork(clock, Ledger()), retries=profile)
        with closing(source):
            subscription, _ = source.subscribe(f"http://127.0.0.1:{port}/hook", [])
            source.verified(subscription)
            source.emit("a", {})
            clock.run(until=clock.now() + 10, done=lambda: not source.outbox.counts()["pending"])
            attempts = source.outbox.attempts(subscription.id)
            assert [(number, status) for _, number, _, status, _ in attempts] == [(1, 0), (2, 0), (3, 0)]
            assert {text.split(":")[0] for *_, text in attempts} == {error}
            gaps = [(b[2] - a[2]) / 1e9 for a, b in pairwise(attempts)]
            assert all(0.05 <= gap < 2 for gap in gaps)
            assert source.outbox.counts() == {"pending": 0, "delivered": 0, "dead": 1}
        if answer:
            assert len(asked) == 3


def test_a_huge_answer_is_read_no_further_than_it_must_be() -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        while len(sent) < 100:
            it.clock.sleep(0.001)
            sent.append(1)
            yield b"x" * 65_536

    with world() as it:
        it.endpoint("shop", lambda event, nth: Response(endless()))
        it.emit()
        it.clock.run(until=10)
        assert it.counts() == (0, 1, 0)
        assert len(sent) < 10


def test_the_standard_schedule_is_the_default_one() -> None:
    assert list(accumulate(RetryProfile().waits, initial=0)) == STANDARD
