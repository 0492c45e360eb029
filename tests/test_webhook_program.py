"""Debian's `webhook` program as a receiver of calls that are signed by GitHub's scheme."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from test_scheme_peers import BODY, SECRET, github_rows

from labkit.signature import SCHEMES, SignatureError

GITHUB = SCHEMES["github"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("webhook"), reason="webhook is missing: apt-get install webhook"),
]


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a hook that is run for calls with a signature by SECRET."""
    signed = {"source": "header", "name": "X-Hub-Signature-256"}
    document = {
        "id": "github",
        "execute-command": shutil.which("true"),
        "response-message": "taken",
        "trigger-rule": {"match": {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": signed}},
    }
    file: Path = tmp_path_factory.mktemp("webhook") / "hooks.json"
    file.write_text(json.dumps([document]))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = ["webhook", "-hooks", str(file), "-ip", "127.0.0.1", "-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            url, until = f"http://127.0.0.1:{port}/hooks/github", time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    accepts(url, {})
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield url
        finally:
            program.terminate()


def accepts(url: str, headers: dict[str, str], body: bytes = BODY) -> bool:
    """Whether it runs its command. Otherwise it answers 500, or 200 with another text where there is no signature."""
    sent = [(name, value.encode()) for name, value in {"Content-Type": "application/json", **headers}.items()]
    return httpx.post(url, content=body, headers=sent, trust_env=False, timeout=30).text == "taken"


def test_it_accepts_what_our_scheme_signs(hook: str) -> None:
    for body in (b"{}", BODY, '{"name": "\u2028\N{GRINNING FACE}"}'.encode()):
        assert accepts(hook, GITHUB.headers(SECRET, "evt_1", int(time.time()), body), body)


def test_it_refuses_another_secret_and_another_body(hook: str) -> None:
    now = int(time.time())
    assert not accepts(hook, GITHUB.headers("another secret", "evt_1", now, BODY))
    assert not accepts(hook, GITHUB.headers(SECRET, "evt_1", now, BODY), BODY + b" ")
    assert not accepts(hook, {})


def test_ours_refuses_each_malformed_message_whatever_it_does(hook: str) -> None:
    """It accepts a signature without `sha256=`, for example."""
    now, accepted = int(time.time()), 0
    for headers in github_rows(now):
        try:
            accepted += accepts(hook, headers)
        except httpx.LocalProtocolError:  # a header that no client sends
            continue
        with pytest.raises(SignatureError):
            GITHUB.verify(SECRET, headers, BODY, now)
    assert accepted
