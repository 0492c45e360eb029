"""Endpoints that fail: switched off with a notice, on again, and resting."""

import json
from datetime import datetime
from typing import Any

from flask import Response
from world import EPOCH, World, world

from labkit.policies import SwitchOff

HOUR, DAY = 3600.0, 86_400.0


def fails_until(instant: float, it: World) -> Any:
    return lambda event, nth: Response(status=500 if it.clock.now() < instant else 204)


def notices(it: World) -> list[tuple[str, float, dict[str, Any]]]:
    """Each notice: its type, when it was written, and its data."""
    found = it.http.get("/events?type=endpoint.disabled,endpoint.enabled").json()["events"]
    instant = {event["id"]: datetime.fromisoformat(event["timestamp"]).timestamp() - EPOCH for event in found}
    return [(event["type"], round(instant[event["id"]], 3), event["data"]) for event in found]


def emit_each(it: World, instants: list[float]) -> None:
    for number, at in enumerate(instants, start=1):
        it.clock.run(until=at)
        it.emit(f"evt_{number}")


def test_after_four_failures_in_a_row_an_endpoint_is_off_for_a_minute_then_two_until_it_succeeds() -> None:
    """GitLab's rule. The seventh event is the first that comes through; what happened while it was off is lost."""
    with world((), off=SwitchOff(failures=4, back_after=60, longest_back=DAY, final_failures=40)) as it:
        shop = it.endpoint("shop", fails_until(300, it))
        emit_each(it, [10, 20, 30, 40, 50, 99.9, 100.1, 200, 220.2, 400, 500])
        it.clock.run()
        # off: 40 to 100, 100.1 to 220.1, 220.2 to 460.2
        assert [event for _, event in shop.got] == [f"evt_{n}" for n in (1, 2, 3, 4, 7, 9, 11)]
        assert [(type, at) for type, at, _ in notices(it)] == [
            ("endpoint.disabled", 40), ("endpoint.enabled", 100), ("endpoint.disabled", 100.1),
            ("endpoint.enabled", 220.1), ("endpoint.disabled", 220.2), ("endpoint.enabled", 460.2),
        ]  # fmt: skip
        assert it.counts() == (0, 1, 6)
        assert it.status(shop) == "active"


def test_after_a_success_the_count_starts_again() -> None:
    with world((), off=SwitchOff(failures=2)) as it:
        shop = it.endpoint("shop", lambda event, nth: Response(status=204 if event == "evt_2" else 500))
        emit_each(it, [1, 2, 3])
        it.clock.run()
        assert it.status(shop) == "active"
        it.emit("evt_4")
        it.clock.run()
        assert it.status(shop) == "disabled"


def test_after_the_final_failure_it_does_not_come_back() -> None:
    with world((), off=SwitchOff(failures=1, back_after=60, final_failures=3)) as it:
        shop = it.endpoint("shop", lambda *_: Response(status=500))
        emit_each(it, [0, 100, 500, 10_000])
        it.clock.run()
        assert [at for at, _ in shop.got] == [0, 100, 500]
        assert "back_at" not in notices(it)[-1][2]
        assert it.status(shop) == "disabled"


def test_after_five_days_without_a_success_it_is_off_and_nothing_is_attempted_any_more() -> None:
    """Svix's rule: an event every six hours; off with the first failure 5 days or more after the first one."""
    with world((5, 300), off=SwitchOff(failing_for=5 * DAY)) as it:
        shop = it.endpoint("shop", lambda *_: Response(status=500))
        emit_each(it, [6 * HOUR * n for n in range(24)])
        it.clock.run()
        assert max(at for at, _ in shop.got) == 5 * DAY
        shown = it.http.get(f"/subscriptions/{shop.id}").json()
        assert (shown["status"], shown["reason"]) == ("disabled", "all attempts failed for 432000 s")
        assert it.counts()[0] == 0


def test_under_five_per_cent_of_the_attempts_of_an_hour() -> None:
    """Slack's rule with 20 attempts at least: one of 20 is 5%, and one of 21 is under it."""
    for succeeded, off_at in ((1, 21), (2, 41), (0, 20)):
        with world((), off=SwitchOff(success_below=0.05, window=HOUR, least_attempts=20)) as it:
            good = {f"evt_{n}" for n in range(1, succeeded + 1)}
            shop = it.endpoint("shop", lambda event, nth, good=good: Response(status=204 if event in good else 500))
            emit_each(it, [float(n) for n in range(1, 60)])
            it.clock.run()
            assert len(shop.got) == off_at
    with world((), off=SwitchOff(success_below=0.05, window=HOUR, least_attempts=20)) as it:
        shop = it.endpoint("shop", lambda *_: Response(status=500))
        emit_each(it, [200.0 * n for n in range(40)])  # 18 in an hour
        it.clock.run()
        assert len(shop.got) == 40


def test_verified_again_it_is_on_again_and_a_redelivery_from_the_notice_loses_nothing() -> None:
    with world((1, 1), off=SwitchOff(failures=3)) as it:
        shop = it.endpoint("shop", fails_until(100, it))
        emit_each(it, [10, 11.5, 20, 120])
        it.clock.run()
        assert it.status(shop) == "disabled"
        refused = it.redeliver(shop)
        assert (refused.status_code, "is disabled: verify it first" in refused.json()["detail"]) == (422, True)
        it.verify(shop.id)
        (off, _, data), (on, _, back) = notices(it)
        assert (off, on, back) == ("endpoint.disabled", "endpoint.enabled", {"subscription": shop.id})
        assert data["reason"] == "3 attempts in a row failed"
        assert it.redeliver(shop, data["since"]).json() == {"redelivered": 4}
        it.clock.run()
        assert {event for at, event in shop.got if at >= 100} == {f"evt_{n}" for n in (1, 2, 3, 4)}
        assert it.counts() == (0, 4, 0)


def test_a_notice_goes_to_those_who_name_its_type_and_to_nobody_else() -> None:
    with world((), off=SwitchOff(failures=1)) as it:
        operator = it.endpoint("operator", types=("endpoint.disabled",))
        everything = it.endpoint("everything")
        it.endpoint("shop", lambda *_: Response(status=500))
        it.emit("evt_1")
        it.clock.run()
        assert [event for _, event in everything.got] == ["evt_1"]
        ((_, notice),) = operator.got
        assert it.http.get(f"/events/{notice}").json()["type"] == "endpoint.disabled"
        for listed in ("/events", "/feed"):
            assert [event["id"] for event in it.http.get(listed).json()["events"]] == ["evt_1"]
        forged = it.http.post("/events", json={"type": "endpoint.disabled", "data": {}})
        assert forged.status_code == 422


def test_a_long_poll_for_notices_is_answered_when_one_is_written() -> None:
    with world((), off=SwitchOff(failures=1)) as it:
        it.endpoint("shop", lambda *_: Response(status=500))
        waited = []

        def wait() -> None:
            answer = it.http.get("/events?type=endpoint.disabled&wait=60")
            waited.append((it.clock.now(), len(answer.json()["events"])))

        it.clock.spawn(wait)
        it.clock.spawn(it.emit, "evt_1", after=7)
        it.clock.run()
        assert waited == [(7, 1)]


def test_an_endpoint_that_does_not_answer_rests_and_the_others_do_not() -> None:
    """Brevo's rule. At 10 the first attempt fails; until 610 nothing is sent; then what is due, all at once."""
    with world((600, 3600), rest=600) as it:
        it.network.host("shop", _verifies)
        made = it.http.post("/subscriptions", json={"url": "http://shop/hook"}).json()
        it.verify(made["id"])
        other = it.endpoint("other")
        del it.network.hosts["shop"]
        emit_each(it, [10, 20, 609])
        it.clock.run(until=700)
        sent = [round(at, 6) for kind, host, at in zip(it.ledger.kind, it.ledger.host, it.ledger.sent_at, strict=True)
                if kind == "delivery" and host == "shop"]  # fmt: skip
        assert sent == [10, 610, 610, 610]
        assert [at for at, _ in other.got] == [10, 20, 609]


def _verifies(environ: Any, start: Any) -> list[bytes]:
    message = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(message["data"]).encode()]


def test_an_answer_of_any_status_is_no_reason_to_rest() -> None:
    with world((600,), rest=600) as it:
        shop = it.endpoint("shop", lambda *_: Response(status=500))
        emit_each(it, [10, 20])
        it.clock.run(until=30)
        assert [at for at, _ in shop.got] == [10, 20]


def test_without_such_a_rule_no_failure_is_recorded() -> None:
    with world((1,)) as it:
        shop = it.endpoint("shop", lambda *_: Response(status=500))
        it.emit()
        it.clock.run()
        assert it.source.db.read("SELECT failures FROM subscriptions WHERE id = ?", (shop.id,)) == [(0,)]


def test_a_lease_that_is_switched_off_is_not_renewed_but_verified_and_then_has_a_new_one() -> None:
    with world((), off=SwitchOff(failures=1)) as it:
        shop = it.endpoint("shop", fails_until(20, it), ttl=100)
        emit_each(it, [10])
        it.clock.run(until=50)
        shown = it.http.get(f"/subscriptions/{shop.id}").json()
        assert (shown["status"], shown["reason"]) == ("disabled", "1 attempts in a row failed")
        refused = it.http.post(f"/subscriptions/{shop.id}/renew")
        assert (refused.status_code, refused.json()["detail"]) == (
            410, f"subscription {shop.id} is disabled: verify it first",
        )  # fmt: skip
        it.verify(shop.id)
        shown = it.http.get(f"/subscriptions/{shop.id}").json()
        assert "reason" not in shown
        it.clock.run(until=149)
        assert it.status(shop) == "active"
        it.clock.run(until=151)
        assert it.status(shop) == "expired"
        it.verify(shop.id)
        assert [(type, at) for type, at, _ in notices(it)] == [("endpoint.disabled", 10), ("endpoint.enabled", 50)]


def test_an_endpoint_whose_lease_has_ended_does_not_come_back_by_itself() -> None:
    """Off from 10 to 70; the lease of 100 s is alive then, and that of 50 s is not."""
    for ttl, status, announced in ((100, "active", 2), (50, "disabled", 1)):
        with world((), off=SwitchOff(failures=1, back_after=60)) as it:
            shop = it.endpoint("shop", lambda *_: Response(status=500), ttl=ttl)
            emit_each(it, [10])
            it.clock.run(until=80)
            assert it.status(shop) == status
            assert len(notices(it)) == announced
            it.verify(shop.id)


def test_a_doorbell_that_does_not_answer_rests_and_then_one_notice_stands_for_all() -> None:
    with world((600,), rest=600) as it:
        it.network.host("shop", _verifies)
        made = it.http.post("/subscriptions", json={"url": "http://shop/hook", "payload": "doorbell"}).json()
        it.verify(made["id"])
        del it.network.hosts["shop"]
        emit_each(it, [10, 20, 609])
        it.network.host("shop", _verifies)
        it.clock.run(until=700)
        rows = zip(it.ledger.kind, it.ledger.sent_at, strict=True)
        assert [round(at, 6) for kind, at in rows if kind == "delivery"] == [10, 610]
        assert it.counts() == (0, 3, 0)
