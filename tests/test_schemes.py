"""The signature schemes, held against published vectors and RFC 2104 written out; and a receiver of each."""

import base64
import hmac
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_signature import hmac_sha256

from labkit.receiver import Inbox, Receiver, Reply
from labkit.signature import SCHEMES, Headers, Part, Scheme, SignatureError, new_secret, steps

NOW = 1_700_000_000
BODY = b'{"id": "evt_1", "type": "a.b", "created": 1700000000, "data": {"n": 1}}'
STANDARD, GITHUB, STRIPE, SLACK = SCHEMES.values()
SECRETS = {name: f"known-secret-of-{name}-{'x' * 20}" for name in SCHEMES} | {"standard": new_secret(random.Random(1))}
OTHERS = dict.fromkeys(SCHEMES, f"another-secret-{'y' * 20}") | {"standard": new_secret(random.Random(2))}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def signed(scheme: Scheme, body: bytes = BODY, id: str = "evt_1", at: int = NOW) -> dict[str, str]:
    return scheme.headers(SECRETS[scheme.name], id, at, body)


def refusal(scheme: Scheme, headers: Mapping[str, str], body: bytes = BODY, now: float = NOW) -> str:
    """The message with which a message is refused; "" if it is accepted."""
    try:
        scheme.verify(SECRETS[scheme.name], headers, body, now)
    except SignatureError as error:
        assert len(str(error)) < 250
        return str(error)
    return ""


# what is signed


def test_githubs_published_vector() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    made = GITHUB.headers("It's a Secret to Everybody", "72d3162e-cc78-11e3-81ab-4c9367dc0958", 0, b"Hello, World!")
    assert made["x-hub-signature-256"] == published
    assert GITHUB.verify("It's a Secret to Everybody", made, b"Hello, World!", NOW) == made["x-github-delivery"]


def test_slacks_published_vector() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    made = SLACK.headers("8f742231b10e8888abcd99yyyzzz85a5", "", 1531420618, SLACK_BODY)
    assert made == {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    assert SLACK.verify("8f742231b10e8888abcd99yyyzzz85a5", made, SLACK_BODY, 1531420618) == ""


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=16), st.integers(0, 10**12 - 1), st.binary())
def test_a_signature_is_the_hmac_of_what_the_scheme_signs(secret: str, at: int, body: bytes) -> None:
    """As RFC 2104 defines it, for any bytes. The text of the secret is the key."""
    secret = secret.strip() or "x"
    contents = {GITHUB: body, STRIPE: b"%d.%s" % (at, body), SLACK: b"v0:%d:%s" % (at, body)}
    for scheme, content in contents.items():
        made = scheme.headers(secret, "evt_1", at, body)
        assert hmac_sha256(secret.encode(), content).hex() in [*made.values()][-1]
        assert scheme.verify(secret, made, body, at) == ("evt_1" if scheme is GITHUB else "")


@every_scheme
def test_what_a_scheme_declares_unsigned_can_be_changed_and_nothing_else_can(scheme: Scheme) -> None:
    """By the attacks: another body, another id in the headers, another time, the same message a week later."""
    good = signed(scheme) | {"x-github-event": "issues"}
    assert refusal(scheme, good) == ""
    assert refusal(scheme, good, BODY + b" ")
    changed: dict[Part, list[str]] = {
        "id": [refusal(scheme, good | {name: "evt_2"}) for name in good if name in ("webhook-id", "x-github-delivery")],
        "type": [
            refusal(scheme, good | {name: "push"}) for name in good if scheme is GITHUB and name.endswith("event")
        ],
        "time": [refusal(scheme, good, now=NOW + 7 * 86_400)],
    }
    assert tuple(part for part, reasons in changed.items() if "" in reasons) == scheme.unsigned


@every_scheme
@given(at=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_a_body_with_one_byte_changed_is_refused(scheme: Scheme, at: int, flip: int) -> None:
    changed = BODY[:at] + bytes([BODY[at] ^ flip]) + BODY[at + 1 :]
    assert "by a known secret" in refusal(scheme, signed(scheme), changed)
    assert json.loads(BODY) and "by a known secret" in refusal(
        scheme, signed(scheme), json.dumps(BODY.decode()).encode()
    )


@pytest.mark.parametrize("scheme", [STANDARD, STRIPE, SLACK], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize(("age", "accepted"), [(-301, 0), (-300, 1), (300, 1), (300.001, 0), (float("nan"), 0)])
def test_a_signed_time_is_good_for_300_s_before_and_after(scheme: Scheme, age: float, accepted: bool) -> None:
    assert (refusal(scheme, signed(scheme), now=NOW + age) == "") == accepted


# keys


@pytest.mark.parametrize("scheme", [STANDARD, STRIPE], ids=lambda scheme: scheme.name)
def test_while_keys_rotate_a_message_is_signed_with_both(scheme: Scheme) -> None:
    old, new, third = SECRETS[scheme.name], OTHERS[scheme.name], new_secret(random.Random(3))
    both = scheme.headers([new, old], "evt_1", NOW, BODY)
    for known in (old, new, [third, old]):
        scheme.verify(known, both, BODY, NOW)
    with pytest.raises(SignatureError, match="by a known secret"):
        scheme.verify(third, both, BODY, NOW)


@pytest.mark.parametrize("scheme", [GITHUB, SLACK], ids=lambda scheme: scheme.name)
def test_a_scheme_with_one_signature_does_not_sign_with_two_keys(scheme: Scheme) -> None:
    """And its receiver still knows both while the sender's key is changed."""
    old, new = SECRETS[scheme.name], OTHERS[scheme.name]
    with pytest.raises(SignatureError, match="^secrets must be 1, got 2$"):
        scheme.headers([new, old], "evt_1", NOW, BODY)
    for secret in (old, new):
        scheme.verify([new, old], scheme.headers(secret, "evt_1", NOW, BODY), BODY, NOW)


def test_stripe_signs_with_15_keys_at_the_most_and_verifies_them() -> None:
    fifteen = [f"secret-{n}" for n in range(15)]
    assert STRIPE.verify(fifteen[-1], STRIPE.headers(fifteen, "", NOW, BODY), BODY, NOW) == ""
    with pytest.raises(SignatureError, match="^secrets must be 1 to 15, got 16$"):
        STRIPE.headers([*fifteen, "secret-15"], "", NOW, BODY)


@every_scheme
@pytest.mark.parametrize("secret", ["", " known-secret", "known-secret\n", "known-secret \ud800"])
def test_a_secret_that_is_none_is_refused_and_never_shown(scheme: Scheme, secret: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: scheme.check(secret),
        lambda: scheme.headers(secret, "evt_1", NOW, BODY),
        lambda: scheme.verify([SECRETS[scheme.name], secret], signed(scheme), BODY, NOW),
    ]
    for call in calls:
        with pytest.raises(SignatureError, match="^secret must be ") as caught:
            call()
        assert "known" not in str(caught.value) and caught.value.__context__ is None


@every_scheme
def test_every_candidate_is_compared_with_every_key(scheme: Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    """No early exit: with two known keys, each signature in the message is compared twice, as bytes."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda ours, theirs: compared.append((ours, theirs)) or compare(ours, theirs)
    )
    scheme.verify([SECRETS[scheme.name], OTHERS[scheme.name]], signed(scheme), BODY, NOW)
    assert [type(one) for pair in compared for one in pair] == [bytes] * 4


DIGEST = signed(GITHUB)["x-hub-signature-256"].removeprefix("sha256=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        DIGEST,
        f"sha1={DIGEST}",
        f"sha256={DIGEST.upper()}",
        f"sha256={DIGEST}0",
        f"sha256= {DIGEST}",
        "sha256=é",
    ],
)
def test_githubs_signature_is_written_in_one_way(text: str) -> None:
    assert "by a known secret" in refusal(GITHUB, signed(GITHUB) | {"x-hub-signature-256": text})


@pytest.mark.parametrize("id", ["", "evt.1", "é", "a" * 65, "../x"])
def test_an_id_that_no_event_can_have_is_refused_at_both_ends(id: str) -> None:
    assert refusal(GITHUB, signed(GITHUB) | {"x-github-delivery": id}).startswith(
        "x-github-delivery must be 1 to 64 of"
    )
    with pytest.raises(SignatureError, match="^x-github-delivery must be 1 to 64 of"):
        signed(GITHUB, id=id)


# one exception, whatever comes in

anything = st.text(st.characters(), max_size=60)  # lone surrogates too
GOOD = {name.lower(): value for scheme in SCHEMES.values() for name, value in signed(scheme).items()}
junk_headers = st.fixed_dictionaries(
    {},
    optional={
        name: anything
        | st.sampled_from(
            [value, value.upper(), f" {value}", f"{value},{value}", f"{value} {value}", value[:-1], value + "0"]
        )
        | anything.map(lambda text, value=value: value.partition("=")[0] + "=" + text)
        | anything.map(lambda text, value=value: f"{value},t={text}")
        for name, value in GOOD.items()
    }
    | {"X-Hub-Signature-256": anything, "HOST": anything},
)


@every_scheme
@given(headers=junk_headers, body=st.just(BODY) | st.binary())
def test_whatever_comes_in_verify_returns_or_raises_its_own_error(
    scheme: Scheme, headers: dict[str, str], body: bytes
) -> None:
    """It returns only for the body that was signed, at its time."""
    if refusal(scheme, headers, body) == "":
        assert body == BODY
        assert all(value in headers[name] for name, value in signed(scheme).items() if "delivery" not in name)


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("url_verification")
)
documents = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "created", "action", "event", "event_id", "event_time"]), inner
        )
    ),
    max_leaves=8,
)


@every_scheme
@given(document=documents, type=anything)
def test_whatever_a_signed_document_holds_it_is_an_event_or_a_value_error(
    scheme: Scheme, document: object, type: str
) -> None:
    try:
        id, event = scheme.event("evt_1", {"X-GitHub-Event": type}, document, NOW)
    except ValueError:
        return
    assert scheme is STANDARD or isinstance(event, dict)
    assert id in ("evt_1", "url_verification") or id == event["id"]  # type: ignore[index]


# the receiver


def provider(scheme: Scheme, document: object, id: str = "7f1e-1", at: int = NOW) -> tuple[dict[str, str], bytes]:
    """A message as its provider sends it."""
    body = json.dumps(document).encode()
    made = {"Content-Type": "application/json", "X-GitHub-Event": "issues", **signed(scheme, body, id, at)}
    return made, body


MESSAGES: dict[Scheme, tuple[dict[str, object], dict[str, object]]] = {
    GITHUB: (
        {"action": "opened", "issue": {"number": 7}},
        {"id": "7f1e-1", "type": "issues.opened", "timestamp": "2023-11-14T22:13:21.500Z"},  # of the arrival
    ),
    STRIPE: (
        {"id": "evt_1Nx", "object": "event", "type": "charge.succeeded", "created": NOW - 2, "data": {"object": {}}},
        {"id": "evt_1Nx", "type": "charge.succeeded", "timestamp": "2023-11-14T22:13:18.000Z"},
    ),
    SLACK: (
        {"type": "event_callback", "event_id": "Ev0PV5", "event_time": NOW - 1, "event": {"type": "reaction_added"}},
        {"id": "Ev0PV5", "type": "reaction_added", "timestamp": "2023-11-14T22:13:19.000Z"},
    ),
}
every_provider = pytest.mark.parametrize("scheme", MESSAGES, ids=lambda scheme: scheme.name)


def receiving(scheme: Scheme, arrived: list[dict[str, Any]], inbox: Inbox) -> Receiver:
    secrets = [SECRETS[scheme.name]]
    return Receiver(secrets, inbox, on_arrival=arrived.append, scheme=scheme, unsigned=scheme.unsigned)


@every_provider
def test_a_receiver_takes_a_providers_message_as_an_event_and_its_repeat_without_an_effect(scheme: Scheme) -> None:
    document, expected = MESSAGES[scheme]
    arrived: list[dict[str, Any]] = []
    with closing(Inbox()) as inbox:
        receiver = receiving(scheme, arrived, inbox)
        assert [receiver.handle(*provider(scheme, document), NOW + 1.5) for _ in range(2)] == [Reply(200)] * 2
        assert arrived == [expected | {"data": document}] * 2
        assert inbox.effects() == 1
        forged = provider(scheme, {**document, "n": 2})[0], json.dumps(document).encode()
        assert receiver.handle(*forged, NOW).status == 401


@every_provider
@pytest.mark.parametrize("document", [None, [], {}, {"id": 5, "event_id": "é"}, "x"], ids=str)
def test_signed_nonsense_is_422_and_kept_aside_once(scheme: Scheme, document: object) -> None:
    with closing(Inbox()) as inbox:
        receiver = receiving(scheme, [], inbox)
        headers, body = provider(scheme, document)
        headers["X-GitHub-Event"] = "endpoint.test"
        assert [receiver.handle(headers, body, NOW).status for _ in range(2)] == [422] * 2
        assert inbox._db.read("SELECT body FROM quarantine") == [(body,)]
        another = provider(scheme, [document], id="7f1e-2")
        assert receiver.handle(*another, NOW).status == 422
        assert inbox._db.read("SELECT body FROM quarantine") == [(body,), (another[1],)]


@every_provider
def test_no_providers_message_is_taken_for_a_batch(scheme: Scheme) -> None:
    """GitHub's type is a header that is not signed: one event must not become several by it."""
    members = {"events": [{"id": "a", "type": "t", "timestamp": "t", "data": {}}], "type": "batch"}
    document = {
        "id": "evt_1",
        "created": NOW,
        "event_id": "Ev1",
        "event_time": NOW,
        "event": {"type": "batch"},
        **members,
    }
    headers, body = provider(scheme, document)
    with closing(Inbox()) as inbox:
        reply = receiving(scheme, [], inbox).handle(headers | {"X-GitHub-Event": "batch"}, body, NOW)
        assert (reply.status, inbox.effects()) == (422, 0)
        assert b"a message's type must not be reserved" in reply.body


def test_slacks_challenge_is_answered_once_it_is_verified() -> None:
    with closing(Inbox()) as inbox:
        receiver = receiving(SLACK, [], inbox)
        headers, body = provider(SLACK, {"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"})
        assert receiver.handle(headers, body, NOW).body == b'{"challenge":"3eZbrw1a"}'
        assert receiver.handle({**headers, "x-slack-signature": "v0="}, body, NOW).status == 401
        headers, body = provider(SLACK, {"type": "url_verification", "challenge": 5})
        assert receiver.handle(headers, body, NOW).status == 422


def test_a_receiver_does_not_promise_what_its_scheme_does_not_sign() -> None:
    """GitHub's messages are taken only by somebody who has accepted what they leave open."""
    with closing(Inbox()) as inbox:
        with pytest.raises(ValueError, match=r"^unsigned must be \('id', 'type', 'time'\) for the .* got \(\): "):
            Receiver([], inbox, scheme=GITHUB)
        with pytest.raises(ValueError, match=r"^unsigned must be \(\) for the scheme 'slack', got \('time',\): "):
            Receiver([], inbox, scheme=SLACK, unsigned=("time",))


@pytest.mark.parametrize(
    ("scheme", "effects"), [(GITHUB, 2), (STRIPE, 1), (SLACK, 1)], ids=["github", "stripe", "slack"]
)
def test_a_replay_under_another_id_a_week_later_has_a_second_effect_with_githubs_scheme_alone(
    scheme: Scheme, effects: int
) -> None:
    """This is what `unsigned` says."""
    headers, body = provider(scheme, MESSAGES[scheme][0])
    with closing(Inbox()) as inbox:
        receiver = receiving(scheme, [], inbox)
        assert receiver.handle(headers, body, NOW).status == 200
        receiver.handle(headers | {"x-github-delivery": "another"}, body, NOW + 7 * 86_400)
        assert inbox.effects() == effects


@every_scheme
def test_a_secret_does_not_show(scheme: Scheme) -> None:
    """Neither in the repr of what holds it, nor in an answer."""
    with closing(Inbox()) as inbox:
        receiver = receiving(scheme, [], inbox)
        shown = (
            repr(receiver)
            + repr(scheme)
            + receiver.handle({"Content-Type": "application/json"}, b"{}", NOW).body.decode()
        )
        assert SECRETS[scheme.name] not in shown


# a scheme of one's own


@dataclass(frozen=True)
class Shopify:
    """The body alone is signed, in base64 (Shopify's documentation). https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""

    name: ClassVar[str] = "shopify"
    unsigned: ClassVar[tuple[Part, ...]] = ("id", "type", "time")

    check = staticmethod(steps.text_key)

    def headers(self, secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        (secret,) = steps.several(secrets, most=1)
        signature = base64.b64encode(steps.hmac_sha256(steps.text_key(secret), body)).decode()
        return {"x-shopify-event-id": message_id, "x-shopify-hmac-sha256": signature}

    def verify(self, secrets: Any, headers: Headers, body: bytes, now: float, tolerance: float = 300) -> str:
        given = steps.header(headers, "x-shopify-hmac-sha256")
        expected = [self.headers(secret, "", 0, body)["x-shopify-hmac-sha256"] for secret in steps.several(secrets)]
        if given not in expected:
            raise SignatureError("x-shopify-hmac-sha256 must be the signature of this body")
        return steps.header(headers, "x-shopify-event-id")

    def event(self, message_id: str, headers: Headers, document: object, now: float) -> tuple[str, object]:
        return steps.as_event(message_id, steps.header(headers, "x-shopify-topic"), now, document)


def test_a_scheme_of_your_own_is_one_class_that_a_receiver_is_given() -> None:
    own: Scheme = Shopify()
    made = own.headers("hush", "sh_1", 0, b'{"n": 1}') | {
        "content-type": "application/json",
        "x-shopify-topic": "orders",
    }
    with closing(Inbox()) as inbox:
        receiver = Receiver(["hush"], inbox, scheme=own, unsigned=own.unsigned)
        assert receiver.handle(made, b'{"n": 1}', NOW) == Reply(200)
        assert receiver.handle(made, b'{"n": 2}', NOW).status == 401
