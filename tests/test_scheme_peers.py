"""The signature schemes beside the senders' own libraries: well-formed both ways, and malformed differentially."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import slack_sdk.signature
import standardwebhooks
import stripe
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from labkit.signature import SCHEMES, Scheme, SignatureError, key, steps

STANDARD, GITHUB, STRIPE, SLACK = SCHEMES.values()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of every scheme here: Stripe's and Slack's take its text
BODY = b'{"n": 1}'
texts = st.text(st.characters(codec="utf-8"), max_size=40)
secrets = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: text == text.strip() != "")


def stripes(secret: str, headers: Mapping[str, str], body: str | bytes, tolerance: int | None = None) -> bool:
    """Stripe's verifier. Without a tolerance, a message of any age is accepted."""
    return stripe.WebhookSignature.verify_header(body, headers["stripe-signature"], secret, tolerance)


def slacks(secret: str, now: int) -> slack_sdk.signature.SignatureVerifier:
    """Slack's verifier, at an instant."""
    clock = slack_sdk.signature.Clock()
    clock.now = lambda: float(now)  # type: ignore[method-assign]
    return slack_sdk.signature.SignatureVerifier(secret, clock)


@given(secrets, st.integers(0, 4 * 10**9), texts)
def test_stripes_library_and_ours_sign_alike_and_verify_each_other(secret: str, sent: int, text: str) -> None:
    made = STRIPE.headers(secret, "", sent, text.encode())
    assert made == {"stripe-signature": stripe.WebhookSignature.generate_signature_header(text, secret, sent)}
    assert stripes(secret, made, text)
    with pytest.raises(stripe.SignatureVerificationError):
        stripes(secret, made, text + " ")
    rotating = STRIPE.headers(["another", secret], "", sent, text.encode())
    assert stripes(secret, rotating, text) and stripes("another", rotating, text)


@given(secrets, st.integers(0, 10**12 - 1), texts)
def test_slacks_library_and_ours_sign_alike_and_verify_each_other(secret: str, sent: int, text: str) -> None:
    made = SLACK.headers(secret, "", sent, text.encode())
    library = slacks(secret, sent)
    assert made["x-slack-signature"] == library.generate_signature(timestamp=str(sent), body=text)
    assert library.is_valid_request(text, made)
    assert not library.is_valid_request(text + " ", made)


# malformed messages


def instants(now: int) -> list[str]:
    """What is no instant, and other ways to write one, most of which Python's int or float reads."""
    arabic = str(now).translate({48 + digit: 0x660 + digit for digit in range(10)})
    others = ["", "nan", "inf", "1e9", "-1", f"{now}.0", f"{now}.9"]
    return [*others, f" {now}", f"{now} ", f"{now}\n", f"+{now}", f"0{now}", f"{now:_}", arabic]


def standard_rows(now: int) -> Iterator[dict[str, str]]:
    good = STANDARD.headers(SECRET, "evt_1", now, BODY)
    v1 = good["webhook-signature"]
    alone = ["", "abc", "v1", "v1,", "v1,a,b", "v1,abc", "v1,é", f"v1 {v1[3:]}", f"V1,{v1[3:]}", f"v2,{v1[3:]}"]
    changed = [v1[:-1], v1 + "=", v1 + "AAAA", v1 + "\n", f"{v1[:9]}\n{v1[9:]}", f"{v1[:9]}!{v1[9:]}", f"v1, {v1[3:]}"]
    beside = [f"abc {v1}", f"{v1} abc", f"v1,abc {v1}", f"{v1} v1,é", f" {v1}", f"{v1},{v1}", " ".join([v1] * 17)]
    for listed in (*alone, *changed, *beside):
        yield good | {"webhook-signature": listed}
    for instant in instants(now):
        yield good | {"webhook-timestamp": instant}
    for id in ("", "evt.1", "é", "a" * 65):
        digest = steps.hmac_sha256(key(SECRET), f"{id}.{now}.".encode() + BODY)
        yield good | {"webhook-id": id, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def stripe_rows(now: int) -> Iterator[dict[str, str]]:
    t, v1 = STRIPE.headers(SECRET, "", now, BODY)["stripe-signature"].split(",")
    digest = v1[3:]
    no_time = [v1, f"{t},{t},{v1}", f"{t},t=1,{v1}", f"t=1,{t},{v1}", f"T={now},{v1}", f"{t}=x,{v1}"]
    no_list = ["", t, f"{t};{v1}", f"{t}, {v1}", ",".join([t, *[v1] * 16])]
    no_digest = ["v1=", "v1=é", "v1=abc", f"v1= {digest}", f"v1={digest.upper()}", f"{v1}0", f"{v1}=x", f"v0={digest}"]
    beside = [f"{t},v1=é,{v1}", f"{t},v1=abc,{v1}"]
    ahead = STRIPE.headers(SECRET, "", now + 3600, BODY)["stripe-signature"]
    for listed in (*no_time, *no_list, *(f"{t},{each}" for each in no_digest), *beside, ahead):
        yield {"stripe-signature": listed}
    for instant in instants(now):
        yield {"stripe-signature": f"t={instant},{v1}"}


def slack_rows(now: int) -> Iterator[dict[str, str]]:
    good = SLACK.headers(SECRET, "", now, BODY)
    v0 = good["x-slack-signature"]
    digest = v0[3:]
    changed = [v0.upper(), f"v0={digest.upper()}", f"v1={digest}", digest, v0[:-1], v0 + "0", f" {v0}", f"{v0},{v0}"]
    for text in ("", "abc", "v0=", "v0=é", *changed):
        yield good | {"x-slack-signature": text}
    for instant in (*instants(now), str(now - 301), str(now + 301), "9" * 5000):
        signature = steps.hmac_sha256(SECRET.encode(), f"v0:{instant}:".encode() + BODY).hex()
        yield {"x-slack-request-timestamp": instant, "x-slack-signature": f"v0={signature}"}


def github_rows(now: int) -> Iterator[dict[str, str]]:
    good = GITHUB.headers(SECRET, "evt_1", now, BODY)
    sha256 = good["x-hub-signature-256"]
    digest = sha256.removeprefix("sha256=")
    others = [digest, f"sha1={digest}", f"sha256={digest.upper()}", sha256.upper(), f" {sha256}", f"{sha256},{sha256}"]
    for text in ("", "abc", "sha256=", "sha256=é", sha256[:-1], sha256 + "0", *others):
        yield good | {"x-hub-signature-256": text}


Verifier = Callable[[dict[str, str], int], object]
TABLE: list[tuple[Scheme, Callable[[int], Iterator[dict[str, str]]], Verifier]] = [
    (STANDARD, standard_rows, lambda headers, now: standardwebhooks.Webhook(SECRET).verify(BODY, headers)),
    (STANDARD, standard_rows, lambda headers, now: svix.webhooks.Webhook(SECRET).verify(BODY, headers)),
    (STRIPE, stripe_rows, lambda headers, now: stripes(SECRET, headers, BODY, 300)),
    (SLACK, slack_rows, lambda headers, now: slacks(SECRET, now).is_valid_request(BODY, headers)),
]
every_library = pytest.mark.parametrize(
    ("scheme", "rows", "library"), TABLE, ids=["standardwebhooks", "svix", "stripe", "slack_sdk"]
)


@every_library
def test_ours_refuses_each_malformed_message_with_its_one_error_whatever_the_library_does(
    scheme: Scheme, rows: Callable[[int], Iterator[dict[str, str]]], library: Verifier
) -> None:
    """Each library accepts some of them, and raises errors that are not its own at others."""
    now = int(time.time())  # which three of the libraries read, and allow 300 s
    good = scheme.headers(SECRET, "evt_1", now, BODY)
    assert scheme.verify(SECRET, good, BODY, now) in ("evt_1", "")
    assert library(good, now) is not False
    accepted, foreign = [], set()
    for headers in rows(now):
        with pytest.raises(SignatureError):
            scheme.verify(SECRET, headers, BODY, now)
        try:
            accepted += [headers] if library(headers, now) is not False else []
        except (standardwebhooks.WebhookVerificationError, stripe.SignatureVerificationError):
            pass
        except Exception as error:
            foreign.add(type(error).__name__)
    assert accepted and foreign


EDITS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 90), st.sampled_from(" ,;=.-_+/0123456789abcdefABCtvV\t\né")),
    min_size=1,
    max_size=3,
)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """A text after some edits: each inserts, replaces or deletes a character."""
    for kind, at, character in edits:
        at = min(at, len(text))
        text = text[:at] + ("" if kind == 2 else character) + text[at + (kind != 0) :]
    return text


@every_library
@given(chosen=st.integers(0, 2), edits=EDITS)
def test_whatever_is_edited_in_a_header_ours_accepts_nothing_that_the_library_refuses(
    scheme: Scheme, rows: object, library: Verifier, chosen: int, edits: list[tuple[int, int, str]]
) -> None:
    now = int(time.time())
    headers = scheme.headers(SECRET, "evt_1", now, BODY)
    name = list(headers)[chosen % len(headers)]
    headers[name] = edited(headers[name], edits)
    try:
        scheme.verify(SECRET, headers, BODY, now)
    except SignatureError:
        return
    assert library(headers, now) is not False


# npm's libraries

HERE = Path(__file__).parent
needs_npm = pytest.mark.skipif(
    not shutil.which("node") or not (HERE / "node_modules" / "@octokit").exists(),
    reason="npm's libraries are missing: apt-get install nodejs npm; npm install --prefix tests",
)


def npm(asked: list[dict[str, Any]]) -> list[Any]:
    """What npm's libraries answer: a signature, whether they accept, or an error's name."""
    lines = "".join(json.dumps({"secret": SECRET, "body": BODY.decode(), **each}) + "\n" for each in asked)
    command = ["node", str(HERE / "npm_verifiers.mjs")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_npm
@pytest.mark.slow
def test_npms_libraries_and_ours_sign_alike_and_verify_each_other() -> None:
    now, asked, ours = int(time.time()), list[dict[str, Any]](), []
    for body in ("{}", '{"n": 1}', '{"name": "é\u2028\N{GRINNING FACE}"}'):
        standard = STANDARD.headers(SECRET, "evt_1", now, body.encode())
        github = GITHUB.headers(SECRET, "evt_1", now, body.encode())
        ours += [standard["webhook-signature"], github["x-hub-signature-256"], True, True]
        asked += [{"method": "standard.sign", "body": body, "id": "evt_1", "at": now}]
        asked += [{"method": "github.sign", "body": body}]
        asked += [{"method": "standard.verify", "body": body, "headers": standard}]
        asked += [{"method": "github.verify", "body": body, "headers": github}]
    assert npm(asked) == ours


@needs_npm
@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "rows"), [(STANDARD, standard_rows), (GITHUB, github_rows)], ids=["standard", "github"]
)
def test_ours_refuses_each_malformed_message_whatever_npms_library_does(
    scheme: Scheme, rows: Callable[[int], Iterator[dict[str, str]]]
) -> None:
    now = int(time.time())
    good = scheme.headers(SECRET, "evt_1", now, BODY)
    malformed = list(rows(now))
    answers = npm([{"method": f"{scheme.name}.verify", "headers": headers} for headers in (good, *malformed)])
    assert answers[0] is True and set(answers[1:]) - {True}
    for headers in malformed:
        with pytest.raises(SignatureError):
            scheme.verify(SECRET, headers, BODY, now)
