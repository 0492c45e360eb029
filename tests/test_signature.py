"""Signatures, held against published vectors, RFC 2104 written out, and two other libraries."""

import base64
import hashlib
import hmac
import json
import random
import string
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
import standardwebhooks
import svix.webhooks
import werkzeug.test
from hypothesis import assume, given
from hypothesis import strategies as st

from labkit import event
from labkit.signature import SignatureError, headers, key, new_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
VECTORS = [
    (
        SECRET,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        OTHER,
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
]
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
NOW = 1_700_000_000
BODY = b'{"type": "door.opened", "data": {"door": 7}}'
GOOD = headers(SECRET, "evt_1", NOW, BODY)
THEIRS = [standardwebhooks.Webhook, svix.webhooks.Webhook]

keys = st.binary(min_size=24, max_size=64)
ids = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
timestamps = st.integers(0, 10**12 - 1)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104, section 2, for a key of at most one block: H(K xor opad, H(K xor ipad, message))."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def refusal(changed: Mapping[str, str], body: bytes = BODY, now: float = NOW) -> str:
    """The message of the error with which a delivery is refused."""
    with pytest.raises(SignatureError) as caught:
        verify(SECRET, changed, body, now)
    return str(caught.value)


# Signing


@pytest.mark.parametrize(("secret", "message_id", "timestamp", "body", "signature"), VECTORS)
def test_the_published_vectors(secret: str, message_id: str, timestamp: int, body: bytes, signature: str) -> None:
    """Signing gives the published signature, and verifying accepts it."""
    assert sign(secret, message_id, timestamp, body) == signature
    published = {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
    assert verify(secret, published, body, now=timestamp) == message_id
    assert headers(secret, message_id, timestamp, body) == published


@given(keys, ids, timestamps, st.binary())
def test_a_signature_is_the_hmac_of_id_timestamp_and_body(
    key: bytes, message_id: str, timestamp: int, body: bytes
) -> None:
    """As RFC 2104 defines it, for any bytes, UTF-8 or not; and `verify` returns the id."""
    digest = hmac_sha256(key, b"%s.%d.%s" % (message_id.encode(), timestamp, body))
    signed = headers(secret_of(key), message_id, timestamp, body)
    assert signed["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert verify(secret_of(key), signed, body, now=timestamp) == message_id


@pytest.mark.parametrize("library", THEIRS, ids=["standard", "svix"])
@given(key=keys, message_id=ids, offset=st.integers(-240, 240), document=documents)
def test_other_libraries_verify_what_we_sign(
    library: Callable[[str], object], key: bytes, message_id: str, offset: int, document: object
) -> None:
    """They read the machine's clock, so the message is signed near now."""
    body = json.dumps(document, ensure_ascii=False).encode()
    signed = headers([OTHER, secret_of(key)], message_id, int(time.time()) + offset, body)
    theirs = library(secret_of(key))
    theirs.verify(body, signed)  # type: ignore[attr-defined]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        theirs.verify(body + b" ", signed)  # type: ignore[attr-defined]


@pytest.mark.parametrize("library", THEIRS, ids=["standard", "svix"])
@given(key=keys, message_id=ids, timestamp=st.integers(0, 4 * 10**9), text=st.text())
def test_we_verify_what_other_libraries_sign(
    library: Callable[[str], object], key: bytes, message_id: str, timestamp: int, text: str
) -> None:
    """They sign a datetime, which must be in UTC."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    signature = library(secret_of(key)).sign(message_id, moment, text)  # type: ignore[attr-defined]
    signed = {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
    assert verify(secret_of(key), signed, text.encode(), now=timestamp) == message_id
    assert sign(secret_of(key), message_id, timestamp, text.encode()) == signature


# The ten lines of notebook 02


def ten_lines() -> dict[str, Any]:
    """`sign` and `verify` as the cell `sign` of the notebook defines them, by the standard library alone."""
    course = nbformat.read(Path(__file__).parent.parent / "notebooks" / "02_webhooks.ipynb", as_version=4)
    (cell,) = (cell for cell in course.cells if cell.id == "sign")
    names: dict[str, Any] = {"base64": base64, "hmac": hmac}
    exec(cell.source, names)
    return names


TEN = ten_lines()
FORGERIES: list[Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]] = [
    lambda sent, body: (sent, body + b" "),
    lambda sent, body: ({**sent, "Webhook-Id": sent["Webhook-Id"] + "x"}, body),
    lambda sent, body: ({**sent, "Webhook-Timestamp": str(int(sent["Webhook-Timestamp"]) + 1)}, body),
    lambda sent, body: ({**sent, "Webhook-Timestamp": "soon"}, body),
    lambda sent, body: ({**sent, "Webhook-Signature": "v1,é"}, body),
    lambda sent, body: ({**sent, "Webhook-Signature": sent["Webhook-Signature"][:-1]}, body),
    lambda sent, body: ({**sent, "Webhook-Signature": ""}, body),
]


@given(keys, ids, timestamps, st.binary())
def test_the_ten_lines_sign_as_we_do(key: bytes, message_id: str, timestamp: int, body: bytes) -> None:
    """And they accept what we sign, with several signatures too."""
    secret, now = secret_of(key), timestamp
    assert TEN["sign"](secret, message_id, timestamp, body) == sign(secret, message_id, timestamp, body)
    sent = {name.title(): value for name, value in headers([OTHER, secret], message_id, timestamp, body).items()}
    assert TEN["verify"](secret, sent, body, now) and TEN["verify"](OTHER, sent, body, now)
    assert [TEN["verify"](secret, sent, body, now + late) for late in (-301, -300, 300, 301)] == [0, 1, 1, 0]


@pytest.mark.parametrize("forge", FORGERIES, ids=count(1))
def test_the_ten_lines_refuse_a_forgery(forge: Callable[..., tuple[dict[str, str], bytes]]) -> None:
    sent = {name.title(): value for name, value in GOOD.items()}
    assert TEN["verify"](SECRET, sent, BODY, NOW) and not TEN["verify"](OTHER, sent, BODY, NOW)
    forged, body = forge(sent, BODY)
    assert not TEN["verify"](SECRET, forged, body, NOW)


def test_the_ten_lines_stop_without_headers_as_the_notebook_says() -> None:
    """Where ours refuses with its one kind of error."""
    with pytest.raises(KeyError):
        TEN["verify"](SECRET, {}, BODY, NOW)
    assert refusal({}) == "webhook-id must be given once, got 0 of them"


# Secrets


def test_a_new_secret_is_24_bytes_of_the_generator() -> None:
    """The same seed gives the same secret; the system's generator gives another one each time."""
    assert new_secret(random.Random(7)) == secret_of(random.Random(7).randbytes(24))
    assert len(key(new_secret(random.SystemRandom()))) == 24
    assert new_secret(random.SystemRandom()) != new_secret(random.SystemRandom())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        " " + SECRET,
        SECRET + "\n",
        SECRET + "=",
        SECRET[:-1],
        SECRET[:-1] + "-",
        SECRET[:-1] + "é",
        SECRET[:20] + " " + SECRET[20:],
        SECRET.replace("whsec_", "whsk_"),
        SECRET.replace("whsec_", "whsec_whsec_"),
        secret_of(bytes(23)),
        secret_of(bytes(65)),
        secret_of(bytes(25)).rstrip("="),
        secret_of(bytes(25))[:-3] + "B==",
    ],
)
def test_a_secret_is_decoded_strictly_and_never_shown(secret: str) -> None:
    """Every function that takes a secret refuses it in the same words, which state the rule and not the value."""
    calls: list[Callable[[], object]] = [
        lambda: key(secret),
        lambda: sign(secret, "evt_1", NOW, BODY),
        lambda: headers([SECRET, secret], "evt_1", NOW, BODY),
        lambda: verify([SECRET, secret], GOOD, BODY, NOW),
    ]
    for call in calls:
        with pytest.raises(SignatureError, match="^secret must be whsec_ and the base64 of 24 to 64") as caught:
            call()
        assert caught.value.__context__ is None
        assert len(secret) < 7 or secret[6:] not in str(caught.value)


@pytest.mark.parametrize("size", [24, 25, 26, 32, 64])
def test_a_secret_has_24_to_64_bytes(size: int) -> None:
    """With and without base64 padding."""
    assert key(secret_of(bytes(range(size)))) == bytes(range(size))


# Rotation


def test_while_a_key_is_rotated_the_old_and_the_new_secret_verify() -> None:
    """Both signatures are sent. A receiver may know either secret or both, in any order; a third secret fails."""
    signed = headers([OTHER, SECRET], "evt_1", NOW, BODY)
    assert signed["webhook-signature"].split(" ") == [sign(s, "evt_1", NOW, BODY) for s in (OTHER, SECRET)]
    for known in (OTHER, SECRET, [OTHER], [SECRET, OTHER], (new_secret(random.Random(3)), SECRET)):
        assert verify(known, signed, BODY, NOW) == "evt_1"
    with pytest.raises(SignatureError):
        verify(new_secret(random.Random(3)), signed, BODY, NOW)


def test_a_receiver_with_two_secrets_accepts_a_message_signed_with_one() -> None:
    """During a rotation the sender may still, or already, sign with one key only."""
    for secret in (SECRET, OTHER):
        assert verify([SECRET, OTHER], headers(secret, "evt_1", NOW, BODY), BODY, NOW) == "evt_1"


@pytest.mark.parametrize("count", [0, 17])
def test_secrets_are_1_to_16(count: int) -> None:
    """No secret would sign nothing, and `verify` reads at most 16 signatures."""
    with pytest.raises(SignatureError, match=f"^secrets must be 1 to 16, got {count}$"):
        headers([SECRET] * count, "evt_1", NOW, BODY)
    with pytest.raises(SignatureError, match=f"^secrets must be 1 to 16, got {count}$"):
        verify([SECRET] * count, GOOD, BODY, NOW)
    assert verify([OTHER] * 15 + [SECRET], headers([OTHER] * 15 + [SECRET], "e", NOW, BODY), BODY, NOW) == "e"


# Headers


def flask_headers(given: dict[str, str]) -> Mapping[str, str]:
    """The headers of a request in Flask, which Werkzeug reads from the WSGI environ."""
    return werkzeug.test.EnvironBuilder(headers=list(given.items())).get_request().headers


@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("mapping", [dict, httpx.Headers, flask_headers])
def test_headers_are_found_in_any_case_in_any_mapping(
    mapping: Callable[[dict[str, str]], Mapping[str, str]], write: Callable[[str], str]
) -> None:
    """The names of HTTP headers are case-insensitive; Flask, httpx and a dict each store them in their own way."""
    assert verify(SECRET, mapping({write(name): value for name, value in GOOD.items()}), BODY, NOW) == "evt_1"


@pytest.mark.parametrize("name", list(GOOD))
def test_each_header_must_be_given_once(name: str) -> None:
    assert refusal({k: v for k, v in GOOD.items() if k != name}) == f"{name} must be given once, got 0 of them"
    assert refusal(GOOD | {name.title(): GOOD[name]}) == f"{name} must be given once, got 2 of them"
    assert refusal(GOOD | {name: ""})


# Ids and timestamps


@pytest.mark.parametrize(
    "message_id", ["", "msg.1", "msg_1 ", "msg_1\n", "a" * 65, "é", "\u0661", "a/b", "../x", "\ud800", "x" * 10**5]
)
def test_an_id_is_refused_at_both_ends(message_id: str) -> None:
    """Even when the signature is right. The error message is short whatever the id is."""
    with pytest.raises(SignatureError, match="^webhook-id must be 1 to 64 of"):
        sign(SECRET, message_id, NOW, BODY)
    content = f"{message_id}.{NOW}.".encode("utf-8", "surrogatepass") + BODY
    digest = base64.b64encode(hmac_sha256(key(SECRET), content)).decode()
    reason = refusal(GOOD | {"webhook-id": message_id, "webhook-signature": f"v1,{digest}"})
    assert reason.startswith("webhook-id must be 1 to 64 of") and len(reason) < 120


def test_one_signature_cannot_fit_two_messages_by_a_dot_in_an_id() -> None:
    """`evt_1.5.7.x` is id `evt_1`, timestamp 5, body `7.x`, and never id `evt_1.5`, timestamp 7, body `x`."""
    signed = headers(SECRET, "evt_1", 5, b"7.x")
    assert verify(SECRET, signed, b"7.x", now=7) == "evt_1"
    confused = signed | {"webhook-id": "evt_1.5", "webhook-timestamp": "7"}
    assert refusal(confused, b"x", now=7).endswith("got 'evt_1.5'")


def test_an_event_may_have_exactly_the_ids_that_can_be_signed() -> None:
    """The webhook-id is the event's id, so both modules have the same rule."""
    for message_id in ("a" * 64, "A-Z_09"):
        assert event.ID.fullmatch(message_id) and sign(SECRET, message_id, NOW, BODY)
    for message_id in ("", "a" * 65, "a.b", "é"):
        assert not event.ID.fullmatch(message_id)


@pytest.mark.parametrize(
    "timestamp",
    ["", "nan", "inf", "123.5", f"{NOW}.0", f"+{NOW}", f"-{NOW}", f" {NOW}", f"{NOW}\n", f"0{NOW}", "1e9"]
    + [f"{NOW:_}", hex(NOW), str(2**70), "9" * 5000, "\u0661700000000", "1\uff1700000000"],
)
def test_a_timestamp_is_whole_seconds_in_ascii_digits(timestamp: str) -> None:
    """Even when the signature is right and Python's int or float would accept the text."""
    content = f"evt_1.{timestamp}.".encode() + BODY
    digest = base64.b64encode(hmac_sha256(key(SECRET), content)).decode()
    reason = refusal(GOOD | {"webhook-timestamp": timestamp, "webhook-signature": f"v1,{digest}"})
    assert reason.startswith("webhook-timestamp must be whole Unix seconds in digits, got '")


@pytest.mark.parametrize("timestamp", [-1, 123.5, 10**12, float("nan"), True])
def test_nothing_else_is_signed_as_a_timestamp(timestamp: int) -> None:
    """`sign` refuses what `verify` would refuse."""
    with pytest.raises(SignatureError, match="^webhook-timestamp must be whole Unix seconds in digits"):
        sign(SECRET, "evt_1", timestamp, BODY)


@pytest.mark.parametrize("now", [NOW - 300, NOW - 299.5, NOW, NOW + 0.9, NOW + 300])
def test_a_message_is_accepted_until_it_is_300_seconds_old_or_ahead(now: float) -> None:
    """The limit itself is included."""
    assert verify(SECRET, GOOD, BODY, now) == "evt_1"


@pytest.mark.parametrize("now", [NOW - 300.5, NOW + 300.5, 0, float("nan"), float("inf")])
def test_an_older_or_newer_message_is_refused(now: float) -> None:
    """The message shows both sides. With a clock that gives NaN every message is refused."""
    assert refusal(GOOD, now=now) == f"webhook-timestamp must be within 300 s of now, {now}, got {NOW}"


def test_timestamp_0_is_refused_as_too_old() -> None:
    """It is well-formed and signed."""
    assert refusal(headers(SECRET, "evt_1", 0, BODY)).endswith(f"within 300 s of now, {NOW}, got 0")


def test_the_tolerance_can_be_chosen() -> None:
    assert verify(SECRET, GOOD, BODY, NOW + 10, tolerance=10) == "evt_1"
    with pytest.raises(SignatureError, match="within 10 s of now"):
        verify(SECRET, GOOD, BODY, NOW + 11, tolerance=10)


# Signatures


@pytest.mark.parametrize("signature", ["abc", "v1,a,b", "v1,abc", "v1,é", "v1,", "v1", "", " ", "v1,====", "v1=x"])
def test_a_junk_signature_is_refused_alone_and_beside_a_good_one(signature: str) -> None:
    """Other libraries raise ValueError, binascii.Error or UnicodeDecodeError here; they accept it after a good one."""
    for listed in (signature, f"{signature} {GOOD['webhook-signature']}", f"{GOOD['webhook-signature']} {signature}"):
        assert "must hold a v1 signature" in refusal(GOOD | {"webhook-signature": listed})


@pytest.mark.parametrize("version", ["v2", "v1a", "v0", "V1", "v11", ""])
def test_the_right_digest_under_another_version_is_not_accepted(version: str) -> None:
    """An unknown version is ignored, alone and beside a good one."""
    listed = GOOD["webhook-signature"].replace("v1", version)
    assert "must hold a v1 signature" in refusal(GOOD | {"webhook-signature": listed})
    beside = GOOD | {"webhook-signature": f"{version},é {GOOD['webhook-signature']}"}
    assert verify(SECRET, beside, BODY, NOW) == "evt_1"
    assert verify(SECRET, GOOD | {"webhook-signature": f"{V1A} {GOOD['webhook-signature']}"}, BODY, NOW)


def test_only_canonical_base64_of_a_signature_is_accepted() -> None:
    """Base64 that is cut, extended or split, or that has its spare bits set, is refused."""
    good = sign(SECRET, "evt_2", NOW, BODY)
    signed = GOOD | {"webhook-id": "evt_2"}
    spare = good[:-2] + chr(ord(good[-2]) + 1) + "="
    assert base64.b64decode(spare[3:]) == base64.b64decode(good[3:])
    for bad in (spare, good[:-1], good + "=", good + "\t", good[:9] + "\n" + good[9:], good + "AAAA", good[:-5]):
        assert "must hold a v1 signature" in refusal(signed | {"webhook-signature": bad})


def test_16_signatures_are_read_and_17_are_refused() -> None:
    """Even when the last one is good: the work is bounded before anything is compared."""
    good, wrong = GOOD["webhook-signature"], sign(OTHER, "evt_1", NOW, BODY)
    listed = " ".join([wrong] * 15 + [good])
    assert verify(SECRET, GOOD | {"webhook-signature": listed}, BODY, NOW) == "evt_1"
    for listed in (" ".join([wrong] * 16 + [good]), " ".join([good] * 1000), good + " " + "x" * 4096):
        reason = refusal(GOOD | {"webhook-signature": listed})
        assert "at most 16 signatures in 4096 characters" in reason and len(reason) < 200


def test_every_candidate_is_compared_with_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """No early exit: 2 secrets and 3 candidates are 6 comparisons, of bytes, although the first one matches."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def counted(ours: bytes, theirs: bytes) -> bool:
        compared.append((ours, theirs))
        return compare(ours, theirs)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    listed = f"{GOOD['webhook-signature']} v1,junk {V1A} {sign(OTHER, 'evt_9', NOW, BODY)}"
    assert verify([SECRET, OTHER], GOOD | {"webhook-signature": listed}, BODY, NOW) == "evt_1"
    assert len(compared) == 6 and all(type(one) is bytes for pair in compared for one in pair)
    compared.clear()
    refusal(GOOD | {"webhook-signature": " ".join([GOOD["webhook-signature"]] * 1000)})
    assert compared == []


# Tampering


@given(st.binary(min_size=1), st.data())
def test_a_body_with_one_byte_changed_is_refused(body: bytes, data: st.DataObject) -> None:
    """Whichever byte and whatever its new value; also with one byte more or less."""
    at = data.draw(st.integers(0, len(body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))
    signed = headers(SECRET, "evt_1", NOW, body)
    for changed in (body[:at] + bytes([byte]) + body[at + 1 :], body[:-1], body + bytes([byte])):
        assert "must hold a v1 signature" in refusal(signed, changed)


def test_a_body_that_was_parsed_and_serialised_again_is_refused() -> None:
    """The same JSON with fewer spaces is another body."""
    again = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(BODY)
    assert "must hold a v1 signature" in refusal(GOOD, again)


@given(ids, st.integers(NOW - 300, NOW + 300))
def test_a_signature_fits_one_id_and_one_timestamp(message_id: str, timestamp: int) -> None:
    assume(message_id != "evt_1" and timestamp != NOW)
    assert "must hold a v1 signature" in refusal(GOOD | {"webhook-id": message_id})
    assert "must hold a v1 signature" in refusal(GOOD | {"webhook-timestamp": str(timestamp)})


def test_another_secret_does_not_verify() -> None:
    """Nor does a signature whose key is the text of the secret."""
    assert "must hold a v1 signature" in refusal(headers(OTHER, "evt_1", NOW, BODY))
    digest = base64.b64encode(hmac_sha256(SECRET.encode(), b"evt_1.%d.%s" % (NOW, BODY))).decode()
    assert "must hold a v1 signature" in refusal(GOOD | {"webhook-signature": f"v1,{digest}"})


anything = st.text(st.characters(), max_size=80)  # lone surrogates too
signatures = st.lists(
    anything | anything.map("v1,{}".format) | st.sampled_from([GOOD["webhook-signature"], V1A]), max_size=20
).map(" ".join)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "Webhook-Id": anything | ids | st.just("evt_1"),
            "webhook-timestamp": anything | st.integers().map(str) | st.floats().map(str) | st.just(str(NOW)),
            "WEBHOOK-SIGNATURE": anything | signatures,
            "webhook-id": anything,
            "Host": anything,
        },
    ),
    st.just(BODY) | st.binary(),
)
def test_whatever_the_headers_contain_verify_returns_or_raises_its_own_error(junk: dict[str, str], body: bytes) -> None:
    """It returns only for the one message that was signed."""
    try:
        message_id = verify(SECRET, junk, body, NOW)
    except SignatureError as refused:
        assert len(str(refused)) < 250
    else:
        assert (message_id, junk["webhook-timestamp"], body) == ("evt_1", str(NOW), BODY)
        assert GOOD["webhook-signature"] in junk["WEBHOOK-SIGNATURE"].split(" ")
