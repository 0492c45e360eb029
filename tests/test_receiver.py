"""The receiver's core, without a network: size, type, signature, JSON, arrival, effect, acknowledgement."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from email.message import Message
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from labkit import signature
from labkit.clock import RealClock
from labkit.receiver import Inbox, Receiver, Reply, UnavailableError
from labkit.wire import LARGEST_BODY

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EPOCH = 1_700_000_000
JSON = {"Content-Type": "application/json"}
EVENT = {"id": "evt_1", "type": "a", "timestamp": "2023-11-14T22:13:20.000Z", "data": {"n": 1}}
BODY = json.dumps(EVENT).encode()


def event(id: str, **members: object) -> dict[str, object]:
    return {**EVENT, "id": id, **members}


def signed(body: bytes, id: str = "evt_1", timestamp: int = EPOCH, secret: str = SECRET) -> dict[str, str]:
    return signature.headers(secret, id, timestamp, body)


class Hook:
    """A receiver whose inbox is a file, so that the tests can look into it on a connection of their own."""

    def __init__(self, path: Path, **hooks: Any) -> None:
        self.now, self.path = float(EPOCH), path
        self.arrived: list[dict[str, Any]] = []
        self.inbox = Inbox(str(path))
        self.receiver = Receiver([SECRET], self.inbox, **{"on_arrival": self.arrived.append, **hooks})

    def post(self, body: bytes = BODY, headers: dict[str, str] | None = None) -> Reply:
        """The reply to a body, signed as evt_1 unless other headers are given."""
        return self.receiver.handle({**JSON, **(signed(body) if headers is None else headers)}, body, self.now)

    def batch(self, *events: object, id: str = "bat_1") -> Reply:
        body = json.dumps({"type": "batch", "timestamp": "t", "data": {"events": events}}).encode()
        return self.post(body, signed(body, id))

    def rows(self, table: str = "effects") -> list[tuple[str, bytes]]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(f"SELECT id, body FROM {table} ORDER BY rowid").fetchall()

    def ids(self) -> list[str]:
        return [id for id, _ in self.rows()]

    def untouched(self) -> bool:
        return not (self.arrived or self.rows("effects") or self.rows("quarantine"))


@pytest.fixture
def hook(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Hook]:
    """A receiver that, after the test, has logged and printed nothing."""
    hook = Hook(tmp_path / "inbox.sqlite")
    with closing(hook.inbox):
        yield hook
    assert caplog.get_records("call") == []
    assert capfd.readouterr() == ("", "")


# --- arrival, effect, acknowledgement


def test_a_signed_event_arrives_takes_effect_and_is_acknowledged(hook: Hook) -> None:
    assert hook.post() == Reply(200)
    assert hook.arrived == [EVENT]
    assert hook.rows() == [("evt_1", BODY)]
    assert hook.rows("quarantine") == []


def test_what_is_fetched_comes_first_then_the_arrival_then_the_effect_in_its_transaction(tmp_path: Path) -> None:
    """And nothing but the effect is inside the transaction: a fetch may sleep."""
    log: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        log.append((what, hook.inbox._db._db.in_transaction))

    hook = Hook(
        tmp_path / "inbox.sqlite",
        fetch=lambda event: note("fetch") or [event],  # type: ignore[func-returns-value]
        on_arrival=lambda event: note("arrival"),
        on_event=lambda event, sql: note("effect"),
    )
    with closing(hook.inbox):
        assert [hook.post().status, hook.post().status] == [200, 200]
    first = [("fetch", False), ("arrival", False), ("effect", True)]
    assert log == [*first, *first[:2]]  # a copy arrives, and has no effect


def test_an_effect_that_fails_is_not_recorded_and_happens_when_the_event_comes_again(tmp_path: Path) -> None:
    def pay(event: dict[str, Any], sql: sqlite3.Connection) -> None:
        sql.execute("INSERT INTO payments VALUES (?)", (event["id"],))
        if broke:
            raise RuntimeError("no money")

    hook, broke = Hook(tmp_path / "inbox.sqlite", on_event=pay), [True]
    with closing(hook.inbox), hook.inbox._db.transaction() as sql:
        sql.execute("CREATE TABLE payments (id TEXT)")
    hook = Hook(tmp_path / "inbox.sqlite", on_event=pay)
    with closing(hook.inbox):
        with pytest.raises(RuntimeError, match="no money"):
            hook.post()
        assert (hook.ids(), hook.inbox._db.read("SELECT id FROM payments")) == ([], [])
        broke.clear()
        assert [hook.post().status for _ in range(3)] == [200] * 3
        assert (hook.ids(), hook.inbox._db.read("SELECT id FROM payments")) == (["evt_1"], [("evt_1",)])
        assert len(hook.arrived) == 4


def test_a_message_signed_by_somebody_elses_library_is_received(hook: Hook) -> None:
    theirs = standardwebhooks.Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(EPOCH, UTC), BODY.decode())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(EPOCH), "webhook-signature": theirs}
    assert hook.post(BODY, headers).status == 200


def test_headers_of_any_framework_will_do(hook: Hook) -> None:
    """A dict in any case, and what http.server has."""
    message = Message()
    for name, value in {**JSON, **signed(BODY)}.items():
        message[name] = value
    for headers in ({name.upper(): value for name, value in message.items()}, message):
        assert hook.receiver.handle(headers, BODY, EPOCH).status == 200


@pytest.mark.parametrize("later", [0, 1, 299, 300])
def test_a_repeat_is_acknowledged_and_has_no_second_effect(hook: Hook, later: int) -> None:
    assert hook.post().status == 200
    hook.now += later
    assert hook.post().status == 200
    assert hook.rows() == [("evt_1", BODY)]
    assert len(hook.arrived) == 2  # each copy is counted as arrived


@pytest.mark.parametrize("days", [0.01, 3, 365])
def test_a_late_retry_has_no_second_effect_however_late(hook: Hook, days: float) -> None:
    """A retry is signed anew under the same id: the replay window does not bound deduplication."""
    hook.post()
    hook.now += days * 86_400
    assert hook.post(BODY, signed(BODY, timestamp=int(hook.now))).status == 200
    assert hook.rows() == [("evt_1", BODY)]


def test_a_receiver_that_restarts_remembers(hook: Hook) -> None:
    hook.post()
    again = Hook(hook.path)
    with closing(again.inbox):
        assert again.post().status == 200
    assert again.rows() == [("evt_1", BODY)]


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
    body = json.dumps(event("evt_1", data=data), ensure_ascii=ascii, indent=1).encode()
    assert hook.post(body).status == 200
    assert hook.rows() == [("evt_1", body)]
    assert hook.arrived[0]["data"] == data


# --- at once, from many threads (P2)


class SelectThenInsert(Inbox):
    """The mistake: look first, and act on what was seen."""

    def record(self, id: str, body: bytes, effect: Any = None) -> bool:
        new = not self._db.read("SELECT 1 FROM effects WHERE id = ?", (id,))
        RealClock().sleep(0.001)  # the work: another thread comes in here
        if new:
            with self._db.transaction() as sql:
                sql.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (id, body))
                effect(sql)
        return new


def effects_of_40_ids_delivered_8_times_at_once(inbox: Inbox) -> int:
    """How many effects they had; each copy arrived, and was acknowledged."""
    with inbox._db.transaction() as sql:
        sql.execute("CREATE TABLE done (id TEXT)")
    arrived: list[str] = []
    receiver = Receiver(
        [SECRET],
        inbox,
        on_arrival=lambda event: arrived.append(event["id"]),
        on_event=lambda event, sql: sql.execute("INSERT INTO done VALUES (?)", (event["id"],)),
    )
    start = Barrier(8)

    def deliver(_: int) -> set[int]:
        statuses = set()
        for number in range(40):
            id = f"evt_{number}"
            body = json.dumps(event(id)).encode()
            start.wait()
            statuses.add(receiver.handle({**JSON, **signed(body, id)}, body, EPOCH).status)
        return statuses

    with closing(inbox), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(deliver, range(8))) == [{200}] * 8
        assert Counter(arrived) == {f"evt_{number}": 8 for number in range(40)}
        count: int = inbox._db.read("SELECT count(*) FROM done")[0][0]
        return count


@pytest.mark.parametrize("kept", ["memory", "file"])
def test_40_ids_delivered_8_times_at_once_have_40_effects(tmp_path: Path, kept: str) -> None:
    path = str(tmp_path / "inbox.db") if kept == "file" else ":memory:"
    assert effects_of_40_ids_delivered_8_times_at_once(Inbox(path)) == 40


def test_select_then_insert_would_have_had_more() -> None:
    """So that the test above could fail."""
    assert effects_of_40_ids_delivered_8_times_at_once(SelectThenInsert()) > 60


# --- 401: not signed by whom it should be


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
    reply = hook.post(BODY, headers)
    assert reply.status == 401
    assert b"webhook-" in reply.body
    assert hook.untouched()


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_body_with_one_byte_changed_is_401(at: int, flip: int) -> None:
    arrived: list[object] = []
    with closing(Inbox()) as inbox:
        changed = BODY[:at] + bytes([BODY[at] ^ flip]) + BODY[at + 1 :]
        receiver = Receiver([SECRET], inbox, on_arrival=arrived.append)
        assert receiver.handle({**JSON, **GOOD}, changed, EPOCH).status == 401
        assert (arrived, inbox.effects()) == ([], 0)


@pytest.mark.parametrize("options", [{"separators": (",", ":")}, {"sort_keys": True}, {"indent": 2}])
def test_a_body_that_was_parsed_and_serialised_again_is_401(hook: Hook, options: dict[str, Any]) -> None:
    assert hook.post(json.dumps(json.loads(BODY), **options).encode(), GOOD).status == 401
    assert hook.untouched()


@pytest.mark.parametrize(("age", "status"), [(300, 200), (300.001, 401), (301, 401)])
def test_a_message_is_good_for_300_s(hook: Hook, age: float, status: int) -> None:
    hook.now += age
    assert hook.post().status == status


def test_a_receiver_without_a_secret_accepts_nothing_until_it_has_one(hook: Hook) -> None:
    hook.receiver.secrets.clear()
    assert hook.post().status == 401
    hook.receiver.secrets.append(SECRET)
    assert hook.post().status == 200


def test_a_secret_does_not_show(hook: Hook) -> None:
    assert SECRET not in repr(hook.receiver)


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
    b"[" * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
]
BAD_SCHEMA = [
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"9" * 6000,
    *[
        json.dumps(bad).encode()
        for bad in (
            *[{key: value for key, value in EVENT.items() if key != member} for member in EVENT],
            *[{**EVENT, member: wrong} for member in EVENT for wrong in (None, 5, ["x"], True)],
            {**EVENT, "data": "x"},
            {**EVENT, "type": {}},
            {**EVENT, "id": "evt_2"},
            {**EVENT, "id": "evt_1 "},
            {**EVENT, "type": "endpoint.verify"},
            {**EVENT, "type": "endpoint.verify", "data": {"challenge": 5}},
            {**EVENT, "type": "endpoint.test", "data": None},
            {**EVENT, "type": "batch"},
            {**EVENT, "type": "batch", "data": {"events": {}}},
            {**EVENT, "type": "batch", "data": {"events": [5]}},
            {**EVENT, "type": "batch", "data": {"events": [EVENT, {"id": 5}]}},
        )
    ],
]


@pytest.mark.parametrize("body", BAD_JSON + BAD_SCHEMA, ids=count(1))
def test_nonsense_is_401_unsigned_and_422_signed_and_quarantined_once(hook: Hook, body: bytes) -> None:
    assert hook.post(body, {}).status == 401
    assert hook.untouched()
    assert [hook.post(body).status for _ in range(3)] == [422] * 3
    assert hook.rows("quarantine") == [("evt_1", body)]
    assert (hook.arrived, hook.rows()) == ([], [])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"null", "a message must be a JSON object, got None"),
        (json.dumps({**EVENT, "data": 5}).encode(), "a message's data must be an object, got 5"),
        (json.dumps({**EVENT, "id": "evt_2"}).encode(), "the event's id must be the webhook-id, 'evt_1', got 'evt_2'"),
        (json.dumps({**EVENT, "type": "batch"}).encode(), "a message of type batch cannot have the data {'n': 1}"),
    ],
)
def test_a_refusal_shows_both_sides(hook: Hook, body: bytes, said: str) -> None:
    assert hook.post(body).body.decode() == f"{said}\n"


def test_a_good_event_after_nonsense_under_its_id_takes_effect(hook: Hook) -> None:
    assert [hook.post(b"{").status, hook.post().status] == [422, 200]
    assert hook.rows() == [("evt_1", BODY)]


def test_nonsense_after_a_good_event_is_422_and_leaves_the_effect(hook: Hook) -> None:
    """Deduplication comes after reading: an id that is known does not excuse its body."""
    assert [hook.post().status, hook.post(b"{").status] == [200, 422]
    assert hook.rows() == [("evt_1", BODY)]


@pytest.mark.parametrize("instant", ["fetch", "on_arrival", "on_event"])
def test_an_event_that_a_hook_refuses_is_422_and_quarantined(tmp_path: Path, instant: str) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not this one")

    hook = Hook(tmp_path / "inbox.sqlite", **{instant: refuse})
    with closing(hook.inbox):
        reply = hook.post()
    assert (reply.status, reply.body) == (422, b"not this one\n")
    assert (hook.rows(), hook.rows("quarantine")) == ([], [("evt_1", BODY)])


# --- batches: the same, for each event of one


def test_the_events_of_a_batch_arrive_and_take_effect_one_by_one(hook: Hook) -> None:
    assert hook.batch(*map(event, "abc")) == Reply(200)
    assert hook.batch(*map(event, "bcd"), id="bat_2").status == 200
    alone = json.dumps(event("d")).encode()
    assert hook.post(alone, signed(alone, "d")).status == 200
    assert [each["id"] for each in hook.arrived] == list("abcbcdd")
    assert hook.ids() == list("abcd")
    assert json.loads(hook.rows()[0][1]) == event("a")
    assert hook.batch(id="bat_3").status == 200  # of nothing


def test_an_event_of_a_batch_that_is_refused_is_kept_aside_and_the_others_take_effect(hook: Hook) -> None:
    bad = {"id": "b", "type": "a"}
    assert hook.batch(event("a"), bad, event("c")).status == 200
    assert hook.ids() == ["a", "c"]
    assert [(id, json.loads(raw)) for id, raw in hook.rows("quarantine")] == [("b", bad)]
    assert hook.batch(bad, event("d", type="endpoint.verify")).status == 422  # nothing in it is an event
    assert [id for id, _ in hook.rows("quarantine")] == ["b", "d"]


@pytest.mark.parametrize("id", ["", "=cmd()", "+1", "a\nb,c", "\x1b[31m", "evt.1", "é", "a" * 65, "a" * 5000])
def test_an_id_in_a_batch_that_no_event_can_have_is_kept_aside_under_a_digest(hook: Hook, id: str) -> None:
    """What is printed and recorded of an event is then safe for a terminal and a spreadsheet."""
    bad = json.dumps(event(id), separators=(",", ":"), ensure_ascii=False).encode()
    reply = hook.batch(event(id))
    said = b"an event's id must be 1 to 64 of A-Z, a-z, 0-9, _ and -, got "
    assert reply.status == 422 and reply.body.startswith(said)
    assert hook.rows("quarantine") == [(hashlib.sha256(bad).hexdigest(), bad)]
    assert (hook.batch(event(id), event("a")).status, hook.ids()) == (200, ["a"])
    assert [each["id"] for each in hook.arrived] == ["a"]


def test_a_batch_that_fails_in_the_middle_comes_again_and_each_event_has_one_effect(tmp_path: Path) -> None:
    def on_arrival(event: dict[str, Any]) -> None:
        arrived.append(event["id"])
        if arrived == ["a", "b"]:
            raise RuntimeError("at the second")

    arrived: list[str] = []
    hook = Hook(tmp_path / "inbox.sqlite", on_arrival=on_arrival)
    with closing(hook.inbox):
        with pytest.raises(RuntimeError, match="at the second"):
            hook.batch(*map(event, "abc"))
        assert hook.batch(*map(event, "abc")).status == 200
    assert (arrived, hook.ids()) == (list("ababc"), list("abc"))


# --- what is fetched first, and 503


@pytest.mark.parametrize(
    ("pause", "headers"), [(0.0, {}), (-3.0, {}), (0.2, {"Retry-After": "1"}), (61, {"Retry-After": "61"})]
)
def test_a_fetch_that_fails_is_503_and_the_event_takes_effect_when_it_comes_again(
    tmp_path: Path, pause: float, headers: dict[str, str]
) -> None:
    def fetch(event: dict[str, Any]) -> list[dict[str, Any]]:
        if down:
            raise UnavailableError("the source is down", pause)
        return [{**event, "data": {"fetched": True}}]

    hook, down = Hook(tmp_path / "inbox.sqlite", fetch=fetch), [True]
    with closing(hook.inbox):
        reply = hook.post()
        assert (reply.status, reply.body) == (503, b"the source is down\n")
        assert reply.headers == {"Content-Type": "text/plain; charset=utf-8", **headers}
        assert hook.untouched()
        down.clear()
        assert hook.post().status == 200
    fetched = event("evt_1", data={"fetched": True})
    assert hook.arrived == [fetched]
    assert [(id, json.loads(raw)) for id, raw in hook.rows()] == [("evt_1", fetched)]


@pytest.mark.parametrize("fetched", [None, [], {}, {"id": 7}, {**EVENT, "id": "a\x1b[31m"}, {**EVENT, "data": None}])
def test_what_was_fetched_is_checked_like_what_was_sent_and_junk_is_503(tmp_path: Path, fetched: Any) -> None:
    """The message itself was good, so it is neither refused for ever nor kept aside."""
    hook = Hook(tmp_path / "inbox.sqlite", fetch=lambda _: [fetched])
    with closing(hook.inbox):
        reply = hook.post()
        assert reply.status == 503 and reply.body.startswith(b"what was fetched is no event: ")
        assert hook.untouched() and hook.arrived == []


def test_a_message_may_stand_for_several_events_or_for_none(tmp_path: Path) -> None:
    """As a doorbell does, at which the receiver looks for what is new."""
    new = [[event("a"), event("b")], [event("b"), event("c")], []]
    hook = Hook(tmp_path / "inbox.sqlite", fetch=lambda _: new.pop(0))
    with closing(hook.inbox):
        assert [hook.post().status for _ in range(3)] == [200] * 3
    assert [each["id"] for each in hook.arrived] == list("abbc")
    assert hook.ids() == list("abc")


def test_while_its_file_is_locked_the_answer_is_503_and_nothing_is_acknowledged(hook: Hook) -> None:
    hook.inbox._db._busy = 0.1
    with closing(sqlite3.connect(hook.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for body in (BODY, b"nonsense"):
            reply = hook.post(body)
            assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
            assert reply.body == b"not stored: database is locked\n"
        other.execute("ROLLBACK")
    assert (hook.rows(), hook.rows("quarantine")) == ([], [])
    assert hook.post().status == 200
    assert hook.ids() == ["evt_1"]


def test_on_a_full_disk_the_answer_is_503_and_then_it_recovers(hook: Hook) -> None:
    body = json.dumps(event("evt_1", data={"x": "x" * 50_000})).encode()
    (pages,) = hook.inbox._db.read("PRAGMA page_count")[0]
    hook.inbox._db.read(f"PRAGMA max_page_count = {pages}")
    assert (hook.post(body).status, hook.ids()) == (503, [])
    hook.inbox._db.read("PRAGMA max_page_count = 1000000")
    assert (hook.post(body).status, hook.ids()) == (200, ["evt_1"])


# --- messages that are no events


def challenge(value: object = "c") -> bytes:
    return json.dumps({"type": "endpoint.verify", "timestamp": "t", "data": {"challenge": value}}).encode()


@pytest.mark.parametrize("value", ["c", "", "<img src=x onerror=alert(1)>", "\N{GRINNING FACE}"])
def test_a_signed_challenge_is_echoed_as_json_and_is_no_event(hook: Hook, value: str) -> None:
    reply = hook.post(challenge(value))
    assert (reply.status, reply.headers, json.loads(reply.body)) == (200, JSON, {"challenge": value})
    assert hook.untouched()


def test_an_unsigned_challenge_is_not_echoed(hook: Hook) -> None:
    reply = hook.post(challenge("echo me"), {})
    assert reply.status == 401
    assert b"echo me" not in reply.body


def test_a_test_message_is_acknowledged_and_is_no_event(hook: Hook) -> None:
    assert hook.post(b'{"type":"endpoint.test","timestamp":"t","data":{}}') == Reply(200)
    assert hook.untouched()


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
    assert hook.receiver.handle(given, BODY, EPOCH).status == 415
    assert hook.untouched()


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON ;x=y"])
def test_a_content_type_has_parameters_and_any_case(hook: Hook, content_type: str) -> None:
    assert hook.post(BODY, {**GOOD, "Content-Type": content_type}).status == 200


def padded(size: int) -> bytes:
    return BODY + b" " * (size - len(BODY))


def test_a_body_at_the_limit_is_received_and_one_byte_more_is_413(hook: Hook) -> None:
    """Signed or not, and whatever its type: the size comes first."""
    body = padded(LARGEST_BODY + 1)
    for headers in ({}, signed(body), {"Content-Type": "text/plain"}):
        assert hook.post(body, headers).status == 413
    assert hook.untouched()
    assert hook.post(padded(LARGEST_BODY)).status == 200


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_whatever_is_signed_is_answered_200_or_422(body: bytes) -> None:
    with closing(Inbox()) as inbox:
        assert Receiver([SECRET], inbox).handle({**JSON, **signed(body)}, body, EPOCH).status in (200, 422)
