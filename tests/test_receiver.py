"""The receiver: size, content type, signature, JSON, deduplication, effect, acknowledgement, in that order."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from labkit import signature
from labkit.approaches.webhook import LARGEST_BODY, receiver
from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.receiver.inbox import Inbox

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EPOCH = 1_700_000_000
EVENT = {"id": "evt_1", "type": "a", "timestamp": "2023-11-14T22:13:20.000Z", "data": {"n": 1}}
BODY = json.dumps(EVENT).encode()


class Hook(SimpleNamespace):
    """A receiver whose inbox is a file, so that the tests can look into it on a connection of their own."""

    def __init__(self, path: Path) -> None:
        self.clock, self.received, self.path = VirtualClock(epoch=EPOCH), [], path
        self.app = receiver([SECRET], lambda event, _: self.received.append(event), self.clock, Inbox(str(path)))
        self.raw = self.app.test_client()

    def post(self, body: bytes, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
        """POST a body, signed as evt_1 unless other headers are given."""
        headers = signed(body) if headers is None else headers
        return self.raw.post("/hook", data=body, headers={"Content-Type": "application/json", **headers}, **kwargs)

    def rows(self, table: str) -> list[tuple[str, bytes]]:
        db = sqlite3.connect(self.path)
        try:
            return db.execute(f"SELECT id, body FROM {table} ORDER BY rowid").fetchall()
        finally:
            db.close()

    def untouched(self) -> bool:
        return not (self.received or self.rows("effects") or self.rows("quarantine"))


def signed(body: bytes, id: str = "evt_1", timestamp: int = EPOCH, secret: str = SECRET) -> dict[str, str]:
    return signature.headers(secret, id, timestamp, body)


@pytest.fixture
def hook(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Hook]:
    """A receiver that, after the test, has logged and printed nothing."""
    yield Hook(tmp_path / "inbox.sqlite")
    assert caplog.get_records("call") == []
    assert capfd.readouterr() == ("", "")


def test_a_signed_event_is_received_takes_effect_and_is_acknowledged(hook: Hook) -> None:
    answer = hook.post(BODY)
    assert (answer.status_code, answer.data) == (200, b"")
    assert hook.received == [EVENT]
    assert hook.rows("effects") == [("evt_1", BODY)]
    assert hook.rows("quarantine") == []


def test_a_message_signed_by_somebody_elses_library_is_received(hook: Hook) -> None:
    theirs = standardwebhooks.Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(EPOCH, UTC), BODY.decode())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(EPOCH), "webhook-signature": theirs}
    assert hook.post(BODY, headers).status_code == 200


@pytest.mark.parametrize("later", [0, 1, 299, 300])
def test_a_repeat_is_acknowledged_and_has_no_second_effect(hook: Hook, later: int) -> None:
    headers = signed(BODY)
    assert hook.post(BODY, headers).status_code == 200
    hook.clock.sleep(later)
    assert hook.post(BODY, headers).status_code == 200
    assert hook.rows("effects") == [("evt_1", BODY)]
    assert len(hook.received) == 2  # it is counted as arrived, before deduplication


@pytest.mark.parametrize("days", [0.01, 3, 365])
def test_a_late_retry_has_no_second_effect_however_late(hook: Hook, days: float) -> None:
    """A retry is signed anew under the same id: the replay window does not bound deduplication."""
    hook.post(BODY)
    hook.clock.sleep(days * 86_400)
    late = hook.post(BODY, signed(BODY, timestamp=EPOCH + int(days * 86_400)))
    assert late.status_code == 200
    assert hook.rows("effects") == [("evt_1", BODY)]


def test_a_receiver_that_restarts_remembers(hook: Hook) -> None:
    hook.post(BODY)
    again = Hook(hook.path)
    assert again.post(BODY).status_code == 200
    assert again.rows("effects") == [("evt_1", BODY)]


def test_the_inbox_says_whether_an_event_is_new() -> None:
    inbox = Inbox()
    assert [inbox.take("evt_1", b"x"), inbox.take("evt_2", b"x"), inbox.take("evt_1", b"y")] == [True, True, False]
    assert inbox.effects() == 2


@pytest.mark.parametrize(
    "data",
    [
        {"html": "<img src=x onerror=alert(1)>"},
        {"cell": "=cmd|' /C calc'!A0"},
        {"ansi": "\x1b[31mred\x1b[0m\x07\0"},
        {"sql": "'); DROP TABLE effects; --"},
        {"emoji": "\N{GRINNING FACE}\u2028", "n": 1.0},
    ],
)
@pytest.mark.parametrize("ascii", [True, False])
def test_a_payload_is_stored_exactly_to_the_byte(hook: Hook, data: object, ascii: bool) -> None:
    body = json.dumps({**EVENT, "data": data}, ensure_ascii=ascii, indent=1).encode()
    assert hook.post(body).status_code == 200
    assert hook.rows("effects") == [("evt_1", body)]
    assert hook.received[0]["data"] == data


# --- 401: not by whom it should be


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in signed(BODY).items() if key != name}


GOOD = signed(BODY)
WRONG = {
    "unsigned": {},
    "without an id": without("webhook-id"),
    "without a timestamp": without("webhook-timestamp"),
    "without a signature": without("webhook-signature"),
    "by another secret": signed(BODY, secret=OTHER),
    "of another body": signed(BODY + b" "),
    "of another id": {**GOOD, "webhook-id": "evt_2"},
    "of another time": {**GOOD, "webhook-timestamp": str(EPOCH + 1)},
    "an id with a dot": {**GOOD, "webhook-id": "evt.1"},
    "an empty id": {**GOOD, "webhook-id": ""},
    "301 s old": signed(BODY, timestamp=EPOCH - 301),
    "301 s ahead": signed(BODY, timestamp=EPOCH + 301),
    "at 0": signed(BODY, timestamp=0),
    "1,000 signatures": {**GOOD, "webhook-signature": " ".join(["v1,AAAA"] * 999 + [GOOD["webhook-signature"]])},
    **{
        f"timestamp {text[:9]}": {**GOOD, "webhook-timestamp": text}
        for text in ("nan", "123.5", str(2**70), "-1", f"+{EPOCH}", f" {EPOCH}", f"{EPOCH}.0", "１", "")
    },
    **{
        f"signature {text}": {**GOOD, "webhook-signature": text}
        for text in ("", "abc", "v1,a,b", "v1,abc", "v1,", "v1,é", "v2," + GOOD["webhook-signature"][3:], "v1a,AAAA")
    },
}


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in WRONG.items()])
def test_a_message_that_is_not_signed_by_the_secret_now_is_401(hook: Hook, headers: dict[str, str]) -> None:
    answer = hook.post(BODY, headers)
    assert answer.status_code == 401
    assert b"webhook-" in answer.data
    assert hook.untouched()


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_with_one_byte_changed_is_401(at: int, flip: int) -> None:
    received: list[object] = []
    app = receiver([SECRET], lambda event, _: received.append(event), VirtualClock(epoch=EPOCH), inbox := Inbox())
    changed = BODY[:at] + bytes([BODY[at] ^ flip]) + BODY[at + 1 :]
    headers = {"Content-Type": "application/json", **GOOD}
    assert app.test_client().post("/hook", data=changed, headers=headers).status_code == 401
    assert (received, inbox.effects()) == ([], 0)


@pytest.mark.parametrize("options", [{"separators": (",", ":")}, {"sort_keys": True}, {"indent": 2}])
def test_a_body_that_was_parsed_and_serialised_again_is_401(hook: Hook, options: dict[str, Any]) -> None:
    assert hook.post(json.dumps(json.loads(BODY), **options).encode(), GOOD).status_code == 401
    assert hook.untouched()


@pytest.mark.parametrize(("age", "status"), [(300, 200), (300.001, 401), (301, 401)])
def test_a_message_is_good_for_300_s(hook: Hook, age: float, status: int) -> None:
    hook.clock.sleep(age)
    assert hook.post(BODY).status_code == status


def test_a_receiver_without_a_secret_accepts_nothing() -> None:
    app = receiver([], lambda event, _: None, VirtualClock(epoch=EPOCH), Inbox())
    headers = {"Content-Type": "application/json", **GOOD}
    assert app.test_client().post("/hook", data=BODY, headers=headers).status_code == 401


# --- 422: signed nonsense

BAD_JSON = [
    b"",
    b"{",
    b"nonsense",
    b'{"n": NaN}',
    b'{"n": -Infinity}',
    b'{"n": 1e400}',
    b'{"id": "evt_1", "id": "evt_1"}',
    b'{"n": "\\ud800"}',
    b"\xef\xbb\xbf" + BODY,
    BODY.decode().encode("utf-16"),
    b"\xff",
    b"[" * 2_000,
    b"[" * 2_000 + b"]" * 2_000,
    b"[" * 60_000,
    b"[" * 30_000 + b"]" * 30_000,
]
BAD_SCHEMA = [
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"9" * 6000,
    *[json.dumps({key: value for key, value in EVENT.items() if key != member}).encode() for member in EVENT],
    *[json.dumps({**EVENT, member: wrong}).encode() for member in EVENT for wrong in (None, 5, ["x"], True)],
    json.dumps({**EVENT, "data": "x"}).encode(),
    json.dumps({**EVENT, "type": {}}).encode(),
    json.dumps({**EVENT, "id": "evt_2"}).encode(),
    json.dumps({**EVENT, "id": "evt_1 "}).encode(),
    json.dumps({**EVENT, "type": "endpoint.verify"}).encode(),
    json.dumps({**EVENT, "type": "endpoint.verify", "data": {"challenge": 5}}).encode(),
]


@pytest.mark.parametrize("body", BAD_JSON + BAD_SCHEMA, ids=lambda body: repr(body[:60]))
def test_nonsense_is_401_unsigned_and_422_signed_and_quarantined_once(hook: Hook, body: bytes) -> None:
    assert hook.post(body, {}).status_code == 401
    assert hook.untouched()
    assert [hook.post(body).status_code for _ in range(3)] == [422] * 3
    assert hook.rows("quarantine") == [("evt_1", body)]
    assert (hook.received, hook.rows("effects")) == ([], [])


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[" * 50_000 + b"]" * 50_000])
def test_json_nested_100_000_deep_is_422_where_the_limit_lets_it_in(
    hook: Hook, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labkit.approaches.webhook.LARGEST_BODY", 10**6)
    hook.app.config["MAX_CONTENT_LENGTH"] = 10**6
    assert hook.post(body, {}).status_code == 401
    assert hook.post(body).status_code == 422
    assert hook.rows("quarantine") == [("evt_1", body)]


def test_an_id_that_differs_from_the_headers_is_422_and_the_message_shows_both(hook: Hook) -> None:
    answer = hook.post(BODY, signed(BODY, id="evt_2"))
    assert answer.status_code == 422
    assert answer.text == "the event's id must be the webhook-id, 'evt_2', got 'evt_1'\n"
    assert hook.rows("quarantine") == [("evt_2", BODY)]


def test_a_good_event_after_nonsense_under_its_id_takes_effect(hook: Hook) -> None:
    assert [hook.post(b"{").status_code, hook.post(BODY).status_code] == [422, 200]
    assert hook.rows("effects") == [("evt_1", BODY)]


def test_nonsense_after_a_good_event_is_422_and_leaves_the_effect(hook: Hook) -> None:
    """Deduplication comes after reading: an id that is known does not excuse its body."""
    assert [hook.post(BODY).status_code, hook.post(b"{").status_code] == [200, 422]
    assert hook.rows("effects") == [("evt_1", BODY)]


def test_an_event_that_the_ledger_never_saw_is_422_and_quarantined(hook: Hook) -> None:
    ledger = Ledger()
    ledger.add_consumer("shop")
    ledger.happened("evt_0", 0)

    def receive(event: dict[str, Any], _: object) -> None:
        ledger.arrived("shop", event["id"], 0, exchange=0)

    app = receiver([SECRET], receive, hook.clock, Inbox(str(hook.path)))
    answer = app.test_client().post("/hook", data=BODY, headers={"Content-Type": "application/json", **GOOD})
    assert (answer.status_code, answer.text) == (422, "shop received event 'evt_1', which never happened\n")
    assert (hook.rows("effects"), hook.rows("quarantine")) == ([], [("evt_1", BODY)])
    assert ledger.received == 0


# --- challenges


def challenge(value: object = "c", **members: object) -> bytes:
    return json.dumps({"type": "endpoint.verify", "timestamp": "t", "data": {"challenge": value}, **members}).encode()


@pytest.mark.parametrize("value", ["c", "", "<img src=x onerror=alert(1)>", "\N{GRINNING FACE}"])
def test_a_signed_challenge_is_echoed_as_json_and_is_no_event(hook: Hook, value: str) -> None:
    answer = hook.post(challenge(value))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.get_json() == {"challenge": value}
    assert hook.untouched()


def test_an_unsigned_challenge_is_not_echoed(hook: Hook) -> None:
    answer = hook.post(challenge("echo me"), {})
    assert answer.status_code == 401
    assert b"echo me" not in answer.data


# --- what comes before the signature


@pytest.mark.parametrize("headers", [GOOD, {}], ids=["signed", "unsigned"])
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", None, "é"],
)
def test_another_content_type_is_415_before_the_signature(
    hook: Hook, content_type: str | None, headers: dict[str, str]
) -> None:
    given = {**headers, **({} if content_type is None else {"Content-Type": content_type})}
    assert hook.raw.post("/hook", data=BODY, headers=given).status_code == 415
    assert hook.untouched()


def test_a_content_type_may_have_parameters(hook: Hook) -> None:
    assert hook.post(BODY, {**GOOD, "Content-Type": "application/json; charset=utf-8"}).status_code == 200


def padded(size: int) -> bytes:
    return BODY + b" " * (size - len(BODY))


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_413(hook: Hook) -> None:
    """Signed or not, and whatever its type: the size comes first."""
    body = padded(LARGEST_BODY + 1)
    for headers in ({}, signed(body), {"Content-Type": "text/plain"}):
        assert hook.post(body, headers).status_code == 413
    assert hook.untouched()
    assert hook.post(padded(LARGEST_BODY)).status_code == 200


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, LARGEST_BODY + 2, 10 * LARGEST_BODY])
def test_a_chunked_body_over_the_limit_is_413_and_never_cut_short(hook: Hook, size: int) -> None:
    """Signed as it would stand if it were cut at the limit."""
    environ: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    headers = {"Content-Type": "application/json", **signed(padded(LARGEST_BODY))}
    environ["wsgi.input"] = BytesIO(padded(size))
    assert hook.raw.post("/hook", headers=headers, environ_overrides=environ).status_code == 413
    assert hook.untouched()
    environ["wsgi.input"] = BytesIO(padded(LARGEST_BODY))
    assert hook.raw.post("/hook", headers=headers, environ_overrides=environ).status_code == 200


def test_a_length_of_a_gigabyte_is_413_at_once(hook: Hook) -> None:
    class Silent:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("the body was read")

        readinto = readline = read

    environ: dict[str, Any] = {"CONTENT_LENGTH": "1000000000", "wsgi.input": Silent()}
    answer = hook.raw.post("/hook", headers={"Content-Type": "application/json"}, environ_overrides=environ)
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_another_method_is_405(hook: Hook, method: str) -> None:
    answer = hook.raw.open("/hook", method=method, data=BODY, headers={"Content-Type": "application/json", **GOOD})
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert hook.untouched()


@pytest.mark.parametrize("path", ["/", "/hook/", "/hooks", "/\0", "/../../etc/passwd"])
def test_another_path_is_404(hook: Hook, path: str) -> None:
    headers = {"Content-Type": "application/json", **GOOD}
    answer = hook.raw.post("/", data=BODY, headers=headers, environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert hook.untouched()


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_whatever_is_signed_is_answered_200_or_422(body: bytes) -> None:
    app = receiver([SECRET], lambda event, _: None, VirtualClock(epoch=EPOCH), Inbox())
    headers = {"Content-Type": "application/json", **signed(body)}
    assert app.test_client().post("/hook", data=body, headers=headers).status_code in (200, 422)
