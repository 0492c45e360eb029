"""The command line: what a student types, and what it answers."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit import APPROACHES, Polling, Webhook
from labkit.cli import main
from labkit.cli.compare import parse_approach

DAY = ["--duration", "43200"]


def labkit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    status = 0
    try:
        main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_compare_shows_a_table_and_draws_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = labkit(capsys, "compare", *DAY, "--approach", "polling:interval=300", "--approach", "webhook")
    assert (status, err) == (0, "")
    assert "polling interval=300" in out
    assert "Figure: labkit-compare.png" in out
    assert Path("labkit-compare.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = labkit(capsys, "compare", *DAY, "--approach", "polling:interval=300", "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert set(document) == {"scenario", "results", "seed", "command", "labkit", "python", "platform"}
    assert not Path("labkit-compare.png").exists()


def test_the_rows_have_the_table_s_keys(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = labkit(capsys, "compare", *DAY, "--approach", "webhook", "--json", "-")
    (row,) = json.loads(out)["results"]
    assert list(row) == [
        "approach", "params", "lens", "events", "received", "missing", "lost", "duplicates", "recovered", "requests",
        "setup_requests", "empty_requests", "empty_share", "error_requests", "requests_per_event",
        "bytes_out", "bytes_in", "latency", "freshness",
        "staleness", "connections", "connection_seconds",
    ]  # fmt: skip
    assert list(row["latency"]) == ["mean", "p50", "p95", "p99", "max"]
    assert row["latency"]["max"] == 0.02


def test_nothing_received_is_null_and_not_nan(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = labkit(
        capsys, "compare", "--min-magnitude", "9", "--duration", "600", "--approach", "polling", "--json", "-"
    )
    if status == 0:
        assert json.loads(out)["results"][0]["latency"] == dict.fromkeys(["mean", "p50", "p95", "p99", "max"])
    else:
        assert status == 2


def test_csv_holds_every_exchange_and_every_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    labkit(capsys, "compare", *DAY, "--approach", "polling:interval=300", "--csv", "rows", "--json", "r.json")
    row = json.loads(Path("r.json").read_text())["results"][0]
    with open("rows/1-polling-exchanges.csv", newline="") as file:
        exchanges = list(csv.DictReader(file))
    with open("rows/1-polling-receipts.csv", newline="") as file:
        receipts = list(csv.DictReader(file))
    assert sum(exchange["drain"] == "False" for exchange in exchanges) == row["requests"]
    assert len(receipts) == row["events"]
    assert Path("rows/table.csv").exists()


def test_a_log_of_one_s_own_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.csv").write_text("when,what\n2026-01-01T00:01:00Z,b\n2026-01-01T00:00:00Z,a\n")
    status, out, _ = labkit(capsys, "compare", "--trace", "mine.csv", "--approach", "webhook")
    assert status == 0
    assert "Note: " in out
    assert "sorted" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--approach", "poling"], "'poling'; there are: polling, feed"),
        (["--approach", "polling:interval=-1"], "interval must be a number from 1e-06 to 1e+09 seconds, got -1"),
        (["--approach", "polling:intervall=1"], "'intervall=1' is not key=value with a key of: interval"),
        (["--approach", "polling:interval=soon"], "polling:interval=soon"),
        (["--approach", "polling:interval=1,interval=2"], "given twice"),
        (["--approach", "webhook:interval=1"], "with a key of: types"),
        (["--delay", "-1"], "delay must be >= 0"),
        (["--delay", "nan"], "delay must be finite"),
        (["--delay", "20"], "got 20"),
        (["--duration", "0"], "duration must be finite and > 0 seconds, got 0"),
        (["--rate", "5"], "--rate 5: a recorded trace has a rate of its own"),
        (["--trace", "poisson", "--rate", "0"], "got 0"),
        (["--trace", "poisson", "--min-magnitude", "3"], "--min-magnitude 3"),
        (["--trace", "daily", "--time-column", "x"], "--time-column x"),
        (["--trace", "nowhere.csv"], "nowhere.csv"),
        (["--trace", "earthquake"], "--trace earthquake: there are earthquakes"),
        (["--lens", "imaginary"], "imaginary"),
        (["--json", "no/such/folder.json"], "no/such"),
        (["--plot", "no/such/plot.png"], "no/such"),
        (["--plot", "plot.txt"], "plot.txt"),
        (["--approach", "polling:fixed=foo"], "fixed must be delay or rate, got 'foo'"),
        (["--approach", "polling:interval=0.001", "--duration", "6000"], "would poll 6,000,000 times"),
        (["--duration", "1e13"], "before the year 9000"),
        (["--seed", "-1"], "seed must be a whole number >= 0, got -1"),
        (["--csv", __file__], "give the path of a folder"),
        (["--json", "."], "give the path of a file"),
        (["--json", ""], "give the path of a file"),
        (["--trace", ""], "there are earthquakes"),
        (["--speed", "2"], "speed is for the real lens"),
        (["--lens", "real", "--delay", "1"], "delay must be 0 in the real lens"),
        (["--lens", "real", "--duration", "601"], "use --speed"),
        (["--bogus"], "--bogus"),
        (["--seed", "x"], "'x'"),
    ],
)
def test_a_usage_error_is_one_line_with_the_value(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    status, out, err = labkit(capsys, "compare", "--duration", "600", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("labkit: ")
    assert err.count("\n") == 1
    assert named in err


@pytest.mark.parametrize("trace", ["poisson", "bursty", "daily", "switching"])
def test_made_traces_take_a_rate(capsys: pytest.CaptureFixture[str], trace: str) -> None:
    """A rate of 60 an hour for ten days gives about 14,400 events, whatever the rhythm; bursts vary most."""
    _, out, _ = labkit(
        capsys, "compare", "--trace", trace, "--rate", "60", "--duration", "864000", "--approach",
        "polling:interval=9000,limit=1000", "--json", "-",
    )  # fmt: skip
    assert json.loads(out)["scenario"]["events"] == pytest.approx(14_400, rel=0.4)


def test_approaches_lists_each_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = labkit(capsys, "approaches")
    for name in APPROACHES:
        assert name in out
    assert "interval=60.0" in out


def test_doctor_names_sqlite_and_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = labkit(capsys, "doctor")
    assert status == 0
    assert "SQLite" in out
    assert "clock's resolution" in out
    assert "missing             nothing" in out


def test_an_approach_is_read_as_it_is_written() -> None:
    assert parse_approach("polling:interval=30,fixed=rate,limit=5") == Polling(interval=30, fixed="rate", limit=5)
    assert parse_approach("webhook") == Webhook()


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to one process is POSIX")
def test_ctrl_c_gives_what_is_finished() -> None:
    """The webhook is done in a second or two, polling every 0.2 s for a week is not."""
    command = [
        sys.executable,
        "-m",
        "labkit",
        "compare",
        "--approach",
        "webhook",
        "--approach",
        "polling:interval=0.2",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(12)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "1,707" in out
    assert "1 of 2 approaches were finished" in out


@pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")
@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_fits_the_terminal_and_cuts_no_figure(columns: int) -> None:
    """What there is no room for is left out whole, and that is said."""
    import pty

    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "labkit",
            "compare",
            *DAY,
            "--approach",
            "polling:interval=600",
            "--approach",
            "webhook",
        ],
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "dumb"},
    )
    os.close(terminal)
    out = b""
    while True:
        try:
            chunk = os.read(master, 65_536)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    process.wait(timeout=60)
    os.close(master)
    table = [line for line in out.decode().splitlines() if line[:1] in "┏┃┡│└"]
    assert len(table) > 5
    assert max(len(line) for line in table) <= columns
    assert "…" not in "".join(table)
    assert ("A wider terminal" in out.decode()) == (columns < 200)
