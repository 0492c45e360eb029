"""Known secrets are looked for wherever others could read: answers, output, command lines, files."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from attacked import labkit_serve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="Windows has neither modes nor /proc")]
SUBSCRIBED, ROTATED = "whsec_a25vd24tc2VjcmV0LW9mLXN1YnNjcmliaW5n", "whsec_a25vd24tc2VjcmV0LW9mLXJvdGF0aW9uLg=="
TOKEN = "a-known-token-of-this-test"
KNOWN = (SUBSCRIBED, ROTATED, TOKEN)


def private(file: Path, text: str) -> str:
    file.touch(mode=0o600)
    file.write_text(text)
    return str(file)


def command_lines() -> str:
    """Those of all processes that this user can see."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text(errors="replace"))
        except OSError:  # it has ended
            continue
    return "".join(found)


def test_a_known_secret_is_in_its_own_answer_and_in_private_files_and_nowhere_else(tmp_path: Path) -> None:
    token, secret = private(tmp_path / "token", TOKEN), private(tmp_path / "secret", SUBSCRIBED)
    said, its_own = list[str](), list[str]()
    with (
        labkit_serve("source", "--db", str(tmp_path / "source.db"), "--token-file", token) as source,
        labkit_serve("receiver", "--db", str(tmp_path / "receiver.db"), "--secret-file", secret) as receiver,
        httpx.Client(base_url=source.hello["url"], trust_env=False, timeout=30) as client,
    ):

        def call(method: str, path: str, document: object = None, **headers: str) -> Any:
            given = {"Authorization": f"Bearer {TOKEN}", **headers}
            answer = client.request(method, path, json=document, headers=given)
            said.append(f"{answer.headers} {answer.text}")
            return answer

        url = receiver.hello["hook"]
        made = call("POST", "/subscriptions", {"url": url, "secret": SUBSCRIBED}).json()
        its_own.append(said.pop())
        one = f"/subscriptions/{made['id']}"
        assert call("POST", f"{one}/verify").status_code == 200
        assert call("POST", "/events", {"type": "door.opened", "data": {}}).status_code == 201
        call("POST", f"{one}/rotate", {"secret": ROTATED})
        its_own.append(said.pop())
        call("POST", f"{one}/test")
        for path in ("/subscriptions", one, f"{one}/attempts", "/events", "/feed", "/openapi.json", "/healthz", "/no"):
            call("GET", path)
        for document in (
            {"url": url, "secret": SUBSCRIBED},  # the same subscription again
            {"url": f"{url}2", "secret": f" {SUBSCRIBED}"},
            {"url": f"{url}2", "secret": [SUBSCRIBED]},
            {"url": f"{url}2", "secret": {"whsec": ROTATED}, "extra": 1},
        ):
            call("POST", "/subscriptions", document)
        for document in ({"secret": SUBSCRIBED}, {"secret": ROTATED}, {"secret": ROTATED, "grace": -1}):
            assert call("POST", f"{one}/rotate", document).status_code == 422
        assert call("GET", "/events", Authorization=f"Bearer {TOKEN}x").status_code == 401
        refused = httpx.post(url, json={}, headers={"webhook-signature": SUBSCRIBED}, trust_env=False, timeout=30)
        said += [f"{refused.headers} {refused.text}", command_lines()]
        assert sys.platform != "linux" or "--token-file" in said[-1]
        until = time.monotonic() + 20
        while not receiver.printed and time.monotonic() < until:
            time.sleep(0.05)
        files = {file.name: (file.stat().st_mode & 0o777, file.read_bytes()) for file in tmp_path.iterdir()}
    assert receiver.printed and "door.opened" in receiver.printed[0]
    said += [*source.printed, *receiver.printed, json.dumps([source.hello, receiver.hello])]
    for known in KNOWN:
        assert known not in "".join(said)
    assert [SUBSCRIBED in its_own[0], ROTATED in its_own[1]] == [True, True]
    holding = {name for name, (mode, content) in files.items() if any(known.encode() in content for known in KNOWN)}
    assert {"token", "secret"} < holding <= {"token", "secret", "source.db", "source.db-wal"}
    assert {name: mode for name, (mode, _) in files.items() if mode & 0o077} == {}
