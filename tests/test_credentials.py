"""A source's token: off loopback always, elsewhere if it is given; and files that other users could read."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from attacked import labkit_serve
from flask import Flask

from labkit.cli import main
from labkit.cli.credentials import given_lines, given_token
from labkit.server import serve

TOKEN = "a-known-token-of-this-test"


def get(url: str, *authorization: str, **headers: str) -> httpx.Response:
    given = [*((name, value) for name, value in headers.items()), *(("Authorization", each) for each in authorization)]
    return httpx.get(url, headers=given, trust_env=False, timeout=30)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("",),
        (TOKEN,),
        (f"Basic {TOKEN}",),
        ("Bearer",),
        (f"Bearer  {TOKEN}",),
        (f"Bearer {TOKEN}x",),
        (f"Bearer {TOKEN[:-1]}",),
        (f"Bearer {TOKEN.upper()}",),
        (f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
        ("Bearer \xe9",),
    ],
)
def test_without_the_token_every_path_is_401_and_the_app_is_not_reached(given: tuple[str, ...]) -> None:
    with serve(Flask("empty"), token=TOKEN) as server:
        for path in ("/", "/healthz"):
            sent = [("Authorization", each.encode("latin-1")) for each in given]
            answer = httpx.get(server.url + path, headers=sent, trust_env=False, timeout=30)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="labkit"')
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["detail"] == "this server asks for its token: send Authorization: Bearer TOKEN"
        assert server.requests == 0
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert get(server.url, f"{scheme} {TOKEN}").status_code == 404
        assert TOKEN not in repr(server) + server.errors


def test_another_address_than_loopback_is_not_served_without_a_token() -> None:
    with pytest.raises(ValueError, match=r"^host '0.0.0.0' can be called by other machines: give a token too$"):
        serve(Flask("empty"), host="0.0.0.0")
    with pytest.raises(ValueError, match=r"^host '' can be"):
        serve(Flask("empty"), host="")
    with pytest.raises(
        ValueError, match=r"^a token must be 16 to 200 characters .*, got another text of 5 characters$"
    ):
        serve(Flask("empty"), host="0.0.0.0", token="short")
    with pytest.raises(OSError, match=r"^host must be an IPv4 address of this machine or its name, got 'x.invalid': "):
        serve(Flask("empty"), host="x.invalid", token=TOKEN)
    with pytest.raises(OSError, match=r"^port 0 of 192.0.2.77 is not available \("):
        serve(Flask("empty"), host="192.0.2.77", token=TOKEN)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no 127.0.0.2 on loopback")
def test_the_host_may_be_the_address_that_is_called_and_no_other_name() -> None:
    with serve(Flask("empty"), host="0.0.0.0", token=TOKEN) as server:
        own = f"127.0.0.2:{server.port}"
        hosts = {own: 404, f"evil.example:{server.port}": 400, f"127.0.0.3:{server.port}": 400}
        for host, status in hosts.items():
            assert get(f"http://{own}/", f"Bearer {TOKEN}", Host=host).status_code == status


@pytest.mark.slow
def test_a_source_on_every_address_prints_a_new_token_once_and_the_poller_sends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with labkit_serve("source", "--host", "0.0.0.0") as first, labkit_serve("source", "--host", "0.0.0.0") as second:
        tokens = [each.hello["token"] for each in (first, second)]
        assert len(set(tokens)) == 2 and all(len(token) == 32 for token in tokens)
        url = first.hello["url"]
        assert [get(f"{url}/events", *given).status_code for given in ((), (f"Bearer {tokens[0]}",))] == [401, 200]
        command_line = Path(f"/proc/{first.process.pid}/cmdline")
        assert not command_line.exists() or tokens[0] not in command_line.read_text()
        assert polled(monkeypatch, capsys, url, tokens[0])["status"] == 200
        assert polled(monkeypatch, capsys, url, tokens[1])["status"] == 401
    assert first.printed == second.printed == []


def polled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, token: str) -> dict[str, Any]:
    monkeypatch.setenv("LABKIT_TOKEN", token)
    main(["poll", url, "--count", "1"])
    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    return line


@pytest.mark.slow
def test_a_token_that_is_given_is_asked_for_on_loopback_too_and_is_not_printed(token_file: Path) -> None:
    with (
        labkit_serve("source", "--token-file", str(token_file)) as by_file,
        labkit_serve("source", "--host", "127.0.0.1", LABKIT_TOKEN=TOKEN) as by_environment,
    ):
        for source in (by_file, by_environment):
            assert source.hello.keys() == {"url", "db", "pid"}
            assert get(f"{source.hello['url']}/subscriptions").status_code == 401
            assert get(f"{source.hello['url']}/subscriptions", f"Bearer {TOKEN}").status_code == 200


def test_a_poller_calls_another_machine_only_if_it_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["poll", "http://10.0.0.1:8000", "--allow", "10.0.0.2"])
    assert "10.0.0.1 is 10.0.0.1, which is not loopback" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_file_that_other_users_can_read_or_write_is_refused_with_the_remedy(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(click.UsageError) as refused:
        given_token(str(token_file))
    said = f"--token-file {token_file}: other users can read or write it (mode {mode:04o}): chmod 600 {token_file}"
    assert refused.value.message == said


def test_a_file_that_is_no_text_is_named_and_not_repeated(token_file: Path) -> None:
    token_file.write_bytes(b"sesame\xff\n")
    with pytest.raises(click.UsageError) as refused:
        given_token(str(token_file))
    said = f"--token-file {token_file}: the file must be text in UTF-8, and is not from byte 6 on"
    assert refused.value.message == said


def test_a_pipe_has_no_owner_to_check(tmp_path: Path) -> None:
    """As in `--secret-file <(pass show webhook)`."""
    read, write = os.pipe()
    os.write(write, b"one\r\ntwo\n\n")
    os.close(write)
    path = Path(f"/dev/fd/{read}")
    if path.exists():
        assert given_lines("--secret-file", str(path), "LABKIT_SECRET") == ["one", "two"]
    os.close(read)


@pytest.mark.parametrize("text", ["short", f"{TOKEN} x", f"{TOKEN}\n{TOKEN}", "é" * 16])
def test_what_is_no_token_is_refused_and_not_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_TOKEN", text)
    with pytest.raises(click.UsageError) as refused:
        given_token(None)
    assert refused.value.message.startswith("LABKIT_TOKEN must hold one token, of 16 to 200 characters")
    assert text not in refused.value.message
