"""`labkit advise`: what it prints and writes, and what it refuses."""

import json
from pathlib import Path

import pytest
from test_cli import elsewhere, labkit, on_terminal, table_in

__all__ = ["elsewhere"]

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent


def test_the_documentation_shows_what_is_printed(capsys):
    page = (ROOT / "docs" / "advise.md").read_text(encoding="utf-8")
    command, shown = page.split("```console\n$ ")[1].split("```")[0].split("\n", 1)
    status, out, _ = labkit(capsys, *command.split()[1:])
    assert (status, out) == (0, shown)


def test_the_commands_of_the_readme_go_from_a_log_to_pages_to_hand_on(capsys):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line.partition("#")[0].split()[2:] for line in page.splitlines() if line.startswith("$ labkit")]
    assert [command[0] for command in commands] == ["describe", "advise", "compare"]
    rows = "\n".join(f"2026-02-01T{n:02}:{7 * n % 60:02}:00Z,paid" for n in range(24))
    Path("mine.csv").write_text(f"time,type\n{rows}\n", encoding="utf-8")
    assert [labkit(capsys, *command)[0] for command in commands] == [0, 0, 0]
    assert Path("advice.html").exists() and Path("compare.html").exists()


def test_a_log_is_advised_on_and_the_answer_is_json(capsys):
    rows = "\n".join(f"2026-02-01T{n % 24:02}:{7 * n % 60:02}:00Z" for n in range(48))
    Path("mine.csv").write_text(f"created_at\n{rows}\n", encoding="utf-8")
    options = ["--deadline", "20min", "--outage", "1h", "--may-lose", "48",
               "--price-per-million", "2", "--without", "batched"]  # fmt: skip
    status, out, err = labkit(capsys, "advise", "mine.csv", *options, "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert "Note: The instants are those of column 'created_at'." in err
    assert document["need"]["deadline"] == 1200
    assert document["need"]["outage"] == 3600
    assert document["recommendation"]["approach"] == "webhook"
    assert document["expected"]["cost_per_month"] == pytest.approx(48 / 23.98 * 720 * 2 / 1e6, rel=0.05)
    assert {"approach", "params", "reason"} <= set(document["runners_up"][0])


def test_the_table_fits_the_terminal_and_cuts_no_reason(capsys, monkeypatch):
    on_terminal(monkeypatch, 80)
    _, out, _ = labkit(capsys, "advise", "--rate", "12", "--deadline", "60", "--without", "batched")
    table = table_in(out)
    assert max(len(line) for line in table) <= 80
    reasons = " ".join(line.split("│")[-2].strip() for line in table if line.startswith("│"))
    assert "57.57 requests per hour, against 12 the source does not offer it it holds a connection open" in reasons


def test_a_need_that_nothing_meets_says_what_to_relax_and_ends_with_status_1(capsys):
    options = ["--rate", "20", "--deadline", "1", "--rate-limit", "30/3600", "--unreachable", "--without", "relay"]
    status, out, _ = labkit(capsys, "advise", *options)
    lines = out.splitlines()
    assert status == 1
    assert lines[:2] == ["Nothing that was tried meets the need.", "It is enough to relax one requirement:"]
    assert "- a connection may stay open: stream" in lines


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "10"], "labkit: Missing option '--deadline'."),
        (["--deadline", "9"], "labkit: give a LOG or --rate EVENTS_PER_HOUR, got neither"),
        (["earthquakes", "--rate", "1", "--deadline", "9"], "labkit: give a LOG or --rate EVENTS_PER_HOUR, got both"),
        (["--rate", "1", "--deadline", "soon"], "it must be a time such as 90, 20min, 5h or 4d, got 'soon'"),
        (["--rate", "1", "--deadline", "0"], "labkit: deadline must be > 0 seconds, got 0.0"),
        (["--rate", "-1", "--deadline", "9"], "labkit: events must be > 0 per hour, got -1.0"),
        (["--rate", "1", "--deadline", "9", "--day-first"], "labkit: --day-first: it is for a log of your own"),
        (["--rate", "1", "--deadline", "9", "--retries", "acme"], "labkit: --retries acme: "),
    ],
)
def test_bad_options_are_refused(capsys, options, message):
    status, out, err = labkit(capsys, "advise", *options)
    assert (status, out) == (2, "")
    assert message in err
