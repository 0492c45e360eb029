"""`labkit serve receiver` takes a real sender's calls, and writes them as a log; the secret shows nowhere."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import httpx
import pytest

from labkit import RealClock, from_log
from labkit.cli import main
from labkit.cli.record import COLUMNS, Recorder, find
from labkit.clock import VirtualClock
from labkit.receiver import Inbox, Receiver
from labkit.signature import SCHEMES

SECRET, OLD = "the-known-secret-of-this-test", "the-old-secret-of-this-test"
TUNNEL = "abc-123.example.com"
HEADER = ",".join(COLUMNS)


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[SimpleNamespace]:
    """A `labkit serve receiver` of its own; `hello` is its first line, and `said` all that it wrote, once it ended."""
    kept = {name: value for name, value in os.environ.items() if name not in ("JUPYTERHUB_USER", "LABKIT_SECRET")}
    command = [sys.executable, "-m", "labkit", "serve", "receiver", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kept | environment,
    ) as process:
        assert process.stdout
        try:
            hello = json.loads(process.stdout.readline())
            running = SimpleNamespace(hello=hello, said="", pid=process.pid)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            running.out, running.err = process.communicate(timeout=20)
            running.said = json.dumps(hello) + running.out + running.err


def call(url: str, scheme: str, document: object, id: str = "7f1e-1", secret: str = SECRET, **headers: str) -> int:
    body = json.dumps(document).encode()
    signed = SCHEMES[scheme].headers(secret, id, int(time.time()), body)
    sent = {
        "Content-Type": "application/json",
        **signed,
        **{name.replace("_", "-"): each for name, each in headers.items()},
    }
    return httpx.post(url, content=body, headers=sent, trust_env=False, timeout=30).status_code


@pytest.mark.slow
def test_githubs_calls_come_through_a_tunnel_and_are_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, log = tmp_path / "secret", tmp_path / "log.csv"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    options = ("--scheme", "github", "--secret-file", str(secret), "--record", str(log))
    with served(*options, "--time-pointer", "/issue/created_at", "--allow-host", TUNNEL.upper()) as receiver:
        hook = receiver.hello["hook"]
        issue = {"action": "opened", "issue": {"created_at": "2026-11-28T23:00:00Z"}}
        assert call(hook, "github", issue, X_GitHub_Event="issues", Host=TUNNEL) == 200
        assert call(hook, "github", issue, X_GitHub_Event="issues", Host=f"{TUNNEL}:443") == 200
        assert call(hook, "github", issue, X_GitHub_Event="issues", Host=f"evil.{TUNNEL}") == 400
        assert call(hook, "github", issue, X_GitHub_Event="issues", secret=OLD) == 401
        assert call(hook, "github", {"zen": "Design for failure."}, id="7f1e-2", X_GitHub_Event="ping") == 200
        issue["issue"] = {"created_at": "2026-11-28T23:00:20Z"}
        assert call(hook, "github", issue, id="7f1e-3", X_GitHub_Event="=cmd()") == 200
        command_line = Path(f"/proc/{receiver.pid}/cmdline")
        assert not command_line.exists() or SECRET not in command_line.read_text()
    assert receiver.hello.keys() == {"url", "hook", "pid"}
    assert "github does not sign id, type, time: a recorded call can be sent again." in receiver.err
    assert "7f1e-2 (ping) is not recorded: /issue/created_at: an event's instant must be" in receiver.err
    printed = [json.loads(line) for line in receiver.out.splitlines()]
    assert [event["id"] for event in printed] == ["7f1e-1", "7f1e-1", "7f1e-2", "7f1e-3"]
    assert SECRET not in receiver.said + log.read_text()
    rows = [line.rsplit(",", 1)[0] for line in log.read_text().splitlines()]
    assert rows == [
        HEADER.rsplit(",", 1)[0],
        "7f1e-1,issues.opened,2026-11-28T23:00:00.000Z",
        "7f1e-3,_cmd__.opened,2026-11-28T23:00:20.000Z",
    ]
    assert [(event.id, event.occurred_at) for event in from_log(log).events] == [("7f1e-1", 0.0), ("7f1e-3", 20.0)]
    monkeypatch.chdir(tmp_path)
    main(["describe", str(log)])
    assert "2 events in 20 s, from Sat 28 Nov 2026, 23:00 UTC" in capsys.readouterr().out


@pytest.mark.slow
def test_stripes_calls_are_taken_with_either_secret_and_a_log_is_continued(tmp_path: Path) -> None:
    secrets, log = tmp_path / "secret", tmp_path / "log.csv"
    secrets.write_text(f"{SECRET}\r\n{OLD}\r\n")
    secrets.chmod(0o600)
    for number, secret in enumerate((SECRET, OLD)):
        with served("--scheme", "stripe", "--secret-file", str(secrets), "--record", str(log)) as receiver:
            charge = {"id": f"evt_{number}", "type": "charge.succeeded", "created": 1_700_000_000 + number}
            assert call(receiver.hello["hook"], "stripe", charge, secret=secret) == 200
        assert SECRET not in receiver.said and OLD not in receiver.said
    assert [line.rsplit(",", 1)[0] for line in log.read_text().splitlines()[1:]] == [
        "evt_0,charge.succeeded,2023-11-14T22:13:20.000Z",
        "evt_1,charge.succeeded,2023-11-14T22:13:21.000Z",
    ]


@pytest.mark.slow
def test_without_a_secret_a_new_one_is_made_and_printed_and_the_environments_is_not() -> None:
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    event = {"id": "7f1e-1", "type": "a", "timestamp": "", "data": {}}
    with served() as receiver:
        assert call(receiver.hello["hook"], "standard", event, secret=receiver.hello["secret"]) == 200
    with served(LABKIT_SECRET=own) as receiver:
        assert call(receiver.hello["hook"], "standard", event, secret=own) == 200
    assert own not in receiver.said


# what is refused before anything is served


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a secret's file that is empty, one that has white space in it, and a file that is no log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABKIT_SECRET", raising=False)
    for name, text in {"empty": "\n\n", "spaced": f" {SECRET} \n"}.items():
        Path(name).touch(mode=0o600)
        Path(name).write_text(text)
    Path("notes.txt").write_text("remember\n")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "receiver", *arguments])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert SECRET not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--secret", SECRET), "No such option '--secret'"),
        (("--scheme", "github"), "--scheme github: give the sender's secret by --secret-file FILE or LABKIT_SECRET"),
        (("--scheme", "shopify"), "'shopify' is not one of 'standard', 'github', 'stripe', 'slack'"),
        (("--secret-file", "nothing"), "nothing"),
        (("--secret-file", "empty"), "--secret-file empty: the file is empty; write the secret into it"),
        (("--secret-file", "spaced"), "secret must be whsec_ and the base64 of 24 to 64 bytes"),
        (("--scheme", "slack", "--secret-file", "spaced"), "secret must be a text without white space around it"),
        (("--time-pointer", "/created"), "--time-pointer is for --record FILE"),
        (("--record", "log.csv", "--time-pointer", "created"), "a JSON pointer such as /created, got 'created'"),
        (("--record", "notes.txt"), f"its header must be {HEADER}, got 'remember'"),
        (("--record", "no/log.csv"), "create it first"),
        (("--allow-host", "https://abc.example.com"), "--allow-host must be a host name such as abc.example.com"),
        (("--allow-host", "*"), "got '*'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_served_is_refused_in_one_line_and_no_secret_is_repeated(
    arguments: tuple[str, ...], said: str, in_a_folder: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *arguments)


# the log


def event(id: str = "evt_1", **members: Any) -> dict[str, Any]:
    return {"id": id, "type": "a.b", "timestamp": "2023-11-14T22:13:20Z", "data": {}, **members}


def test_a_row_has_the_events_instant_and_that_of_its_arrival(tmp_path: Path) -> None:
    clock = VirtualClock(epoch=1_700_000_100)
    recorder = Recorder(str(tmp_path / "log.csv"), "/at/0", clock)  # type: ignore[arg-type]
    recorder.record(event(data={"at": [1_700_000_000.5]}))
    recorder.record(event("evt_2", data={"at": ["2023-11-15T00:00:00+01:00"]}, type="v2.account[x],\n=1"))
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        HEADER,
        "evt_1,a.b,2023-11-14T22:13:20.500Z,2023-11-14T22:15:00.000Z",
        "evt_2,v2.account_x____1,2023-11-14T23:00:00.000Z,2023-11-14T22:15:00.000Z",
    ]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_a_new_log_can_be_read_by_its_owner_only_and_one_that_stands_keeps_its_mode(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    Recorder(str(log), None, RealClock()).record(event())
    assert log.stat().st_mode & 0o777 == 0o600
    log.chmod(0o644)
    Recorder(str(log), None, RealClock()).record(event("evt_2"))
    assert (log.stat().st_mode & 0o777, len(log.read_text().splitlines())) == (0o644, 3)


@pytest.mark.parametrize("at", [None, True, "soon", "2023-11-14T22:13:20", -1, 1e300, [], {}])
def test_an_event_without_an_instant_is_received_and_named_on_standard_error(
    at: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(str(tmp_path / "log.csv"), "/at", RealClock())
    recorder.record(event(data={"at": at}))
    assert (tmp_path / "log.csv").read_text() == f"{HEADER}\n"
    assert "evt_1 (a.b) is not recorded: /at: an event's instant must be " in capsys.readouterr().err


def test_what_cannot_be_written_is_not_acknowledged(tmp_path: Path) -> None:
    """The sender is asked to come again; then the event takes effect."""
    log = tmp_path / "log.csv"
    recorder = Recorder(str(log), None, RealClock())
    log.rename(tmp_path / "kept.csv")
    log.mkdir()
    body = json.dumps(event()).encode()
    own = SCHEMES["standard"]
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {"Content-Type": "application/json", **own.headers(secret, "evt_1", 1_700_000_000, body)}
    with closing(Inbox()) as inbox:
        receiver = Receiver([secret], inbox, on_event=lambda event, sql: recorder.record(event))
        reply = receiver.handle(headers, body, 1_700_000_000)
        assert (reply.status, reply.headers["Retry-After"], inbox.effects()) == (503, "1", 0)
        log.rmdir()
        (tmp_path / "kept.csv").rename(log)
        assert (receiver.handle(headers, body, 1_700_000_000).status, inbox.effects()) == (200, 1)
    assert len(log.read_text().splitlines()) == 2


def test_a_json_pointer_is_that_of_rfc_6901() -> None:
    """The examples of its section 5."""
    document = json.loads('{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, " ": 7}')
    found = {"": document, "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2, "/m~0n": 8, "/ ": 7}
    assert {pointer: find(document, pointer) for pointer in found} == found
    for missing in ("/x", "/foo/2", "/foo/01", "/foo/-", "/foo/bar", "/foo/0/x", "/m~n"[:2]):
        assert find(document, missing) is None
    for bad in ("foo", "/m~n", "~", "/~2"):
        with pytest.raises(click.UsageError, match="must be a JSON pointer such as /created, got"):
            find(document, bad)
