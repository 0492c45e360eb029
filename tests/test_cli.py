"""The command line: what a student types, and what it answers."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Literal

import click
import pytest

from labkit import APPROACHES, Delay, Nat, Polling, RateLimit, Scenario, Webhook, compare, earthquakes, poisson, profile
from labkit.approaches import Approach
from labkit.cli import COMMANDS, cli, main
from labkit.cli.named import parse_named
from labkit.cli.table import COLUMNS
from labkit.experiment import RunError
from labkit.lenses import VirtualLens
from labkit.result import Result

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
    """A folder of its own, and no terminal, whatever the tests themselves run on."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(variable, raising=False)


def test_the_help_names_every_command_with_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = capsys.readouterr().out
    for name, (_, sentence) in COMMANDS.items():
        assert f"  {name:<14}{sentence}\n" in shown and sentence.endswith((".", "?"))


def test_every_command_is_where_the_table_says_and_has_the_name_it_is_called_by() -> None:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert {name: command and command.name for name, command in found.items()} == {name: name for name in COMMANDS}


def test_compare_shows_a_table_and_draws_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = labkit(capsys, "compare", *DAY, "--approach", "polling:interval=300", "--approach", "webhook")
    assert (status, err) == (0, "")
    assert "polling interval=300" in out
    assert f"Figure: {Path('out', 'labkit-compare.png')}" in out
    assert Path("out/labkit-compare.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = labkit(capsys, "compare", *DAY, "--approach", "polling:interval=300", "--json", "-")
    document = json.loads(out)
    assert status == 0
    assert set(document) == {"scenario", "results", "seed", "command", "labkit", "python", "platform"}
    assert not Path("out").exists()


def test_the_rows_have_the_table_s_keys(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = labkit(capsys, "compare", *DAY, "--approach", "webhook", "--json", "-")
    (row,) = json.loads(out)["results"]
    assert list(row) == [
        "approach", "params", "lens", "events", "received", "pending", "lost", "duplicates", "recovered", "requests",
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


def test_each_row_is_computed_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """However many of the table, the JSON, the CSV and the picture show it."""
    computed, compute = [], Result._currency

    def counted(result: Result) -> tuple[float, float]:
        computed.append(result.label)
        return compute(result)

    monkeypatch.setattr(Result, "_currency", counted)
    chosen = ["--approach", "polling:interval=600", "--approach", "webhook"]
    labkit(capsys, "compare", *DAY, *chosen, "--csv", "rows", "--json", "r.json")
    assert computed == ["polling interval=600", "webhook"]


def test_a_log_of_one_s_own_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.csv").write_text("when,what\n2026-01-01T00:01:00Z,b\n2026-01-01T00:00:00Z,a\n")
    status, out, _ = labkit(capsys, "compare", "--trace", "mine.csv", "--approach", "webhook")
    assert status == 0
    assert "Note: " in out
    assert "sorted" in out


def test_several_logs_are_one_trace_in_a_form_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("fecha;tipo\n31/01/2026 23:59;alta\n", encoding="utf-8")
    Path("b.csv").write_text("fecha;tipo\n01/02/2026 00:01;baja\n", encoding="utf-8")
    logs = ["--trace", "a.csv", "--trace", "b.csv", "--day-first", "--time-zone", "Europe/Madrid"]
    chosen = ["--type-column", "tipo", "--approach", "webhook:types=baja", "--json", "-"]
    status, out, err = labkit(capsys, "compare", *logs, *chosen)
    assert status == 0, err
    document = json.loads(out)
    assert (document["scenario"]["trace"], document["results"][0]["events"]) == ("a.csv, b.csv", 1)
    assert "b.csv: 1 row had no UTC offset and were read as Europe/Madrid, such as '01/02/2026 00:01'." in err


def test_a_log_comes_in_by_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkit", "compare", "--trace", "-", "--approach", "webhook", "--json", "-"]
    log = '{"time": 1767225600}\n{"time": 1767225660}\n'
    ran = subprocess.run(command, input=log, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert json.loads(ran.stdout)["results"][0]["events"] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--approach", "poling"], "'poling'; there are: polling, feed"),
        (["--approach", "polling:interval=-1"], "interval must be from 1e-06 to 1e+09 seconds, got -1"),
        (["--approach", "polling:intervall=1"], "'intervall=1' is not key=value with a key of: interval"),
        (["--approach", "polling:interval=soon"], "polling:interval=soon"),
        (["--approach", "polling:interval=1,interval=2"], "given twice"),
        (["--approach", "webhook:interval=1"], "with a key of: types"),
        (["--delay", "-1"], "delay must be >= 0"),
        (["--delay", "nan"], "delay must be a finite number"),
        (["--delay", "20"], "got 20"),
        (["--duration", "0"], "duration must be > 0 seconds, got 0"),
        (["--rate", "5"], "--rate 5: a recorded trace has its own rate"),
        (["--trace", "poisson", "--rate", "0"], "got 0"),
        (["--trace", "poisson", "--min-magnitude", "3"], "--min-magnitude 3"),
        (["--trace", "daily", "--time-column", "x"], "--time-column x"),
        (["--trace", "poisson", "--day-first"], "--day-first: it is for a log of your own, not for poisson"),
        (["--trace", "earthquakes", "--trace", "daily"], "or the path of a CSV or JSON lines file, got 'earthquakes'"),
        (["--trace", "nowhere.csv"], "nowhere.csv"),
        (
            ["--trace", "earthquake"],
            "--trace must be earthquakes, poisson, bursty, daily, switching or the path of a CSV",
        ),
        (["--lens", "imaginary"], "--lens must be virtual or real or model, got 'imaginary'"),
        (["--json", "no/such/folder.json"], "no/such"),
        (["--plot", "no/such/plot.png"], "no/such"),
        (["--plot", "plot.txt"], "--plot must end in .png, .svg, .pdf, got plot.txt"),
        (["--approach", "polling:fixed=foo"], "fixed must be delay or rate, got 'foo'"),
        (["--approach", "polling:interval=0.001", "--duration", "6000"], "would send 6,000,000 requests in 6000 s"),
        (["--duration", "1e13"], "before the year 9000"),
        (["--seed", "-1"], "seed must be a whole number >= 0, got -1"),
        (["--csv", __file__], "--csv must be the path of a folder, got"),
        (["--json", "."], "--json must be the path of a file, got '.'"),
        (["--json", ""], "--json must be the path of a file, got ''"),
        (["--trace", ""], "CSV or JSON lines file, got ''"),
        (["--speed", "2"], "--speed 2: the virtual lens has no speed; use --lens real"),
        (["--lens", "real", "--delay", "1"], "delay must be 0 in the real lens"),
        (["--lens", "real", "--duration", "601"], "use speed 2 or more (--speed 2), or a shorter duration"),
        (["--bogus"], "--bogus"),
        (["--seed", "x"], "'x'"),
        (["--fault", "outrage"], "--fault outrage: there is no fault 'outrage'; there are: outage, nat,"),
        (["--rate-limit", "60"], "--rate-limit must be REQUESTS/SECONDS, such as 60/3600, got 60"),
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
    missing = [line.split()[1] for line in out.splitlines() if line.startswith("missing")]
    assert missing in (["nothing"], ["distributed"])  # `make cluster` installs the one, `make test` all others


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A parameter of each kind that the command line can write."""

    name: ClassVar[str] = "fault"
    target: Literal["source", "receiver"]
    start: float = 0.0
    duration: float | None = None
    attempts: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    cut: bool = False

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"start must be >= 0 seconds, got {self.start:g}")


FAULTS: Mapping[str, type[Fault]] = {"outage": Fault}


def test_a_named_object_is_made_as_the_text_says() -> None:
    polling = parse_named("--approach", "polling:interval=30,fixed=rate,limit=5", APPROACHES)
    assert polling == Polling(interval=30, fixed="rate", limit=5)
    assert parse_named("--approach", "webhook", APPROACHES) == Webhook()
    text = "outage:target=source,start=60,duration=1e3,attempts=1+2,types=a.b+c,cut=true"
    made = Fault(target="source", start=60, duration=1000, attempts=(1, 2), types=("a.b", "c"), cut=True)
    assert parse_named("--fault", text, FAULTS) == made
    assert parse_named("--fault", "outage:target=receiver,duration=null", FAULTS) == Fault(target="receiver")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("outrage", "there is no fault 'outrage'; there are: outage"),
        ("outage", "target is missing; add target=…"),
        ("outage:target=moon", "target must be source or receiver, got 'moon'"),
        ("outage:target=source,start=-1", "start must be >= 0 seconds, got -1"),
        ("outage:target=source,start=soon", "start must be a number, got 'soon'"),
        ("outage:target=source,duration=long", "duration must be a number or null, got 'long'"),
        ("outage:target=source,attempts=1+x", "attempts must be a whole number, several joined by +, got '1+x'"),
        ("outage:target=source,cut=yes", "cut must be true or false, got 'yes'"),
        ("outage:target=source,name=x", "'name=x' is not key=value with a key of: target, start, duration, attempts,"),
        ("outage:target", "'target' is not key=value"),
        ("outage:start=1,start=2", "start is given twice"),
    ],
)
def test_a_text_that_names_no_object_is_refused_with_what_it_must_be(text: str, complaint: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse_named("--fault", text, FAULTS)
    assert caught.value.format_message().startswith(f"--fault {text}: {complaint}")


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to one process and pseudo-terminals are POSIX")
def test_ctrl_c_gives_what_is_finished() -> None:
    """It is sent when the progress bar, on a terminal, shows that the webhook is done; polling would take minutes."""
    master, terminal = os.openpty()
    arguments = ["compare", "--approach", "polling:interval=0.2", "--approach", "webhook"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", *arguments],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "100", "LINES": "25", "TERM": "xterm"},
        text=True,
        start_new_session=True,
    )
    os.close(terminal)
    progress = b""
    try:
        while b"1/2" not in progress:
            progress += os.read(master, 65_536)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # with its workers, which would finish their runs
        raise
    finally:
        os.close(master)
    assert process.returncode == 130
    assert "1,707" in out
    assert "1 of 2 approaches were finished" in out


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_finished_is_shown_after_ctrl_c_and_after_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """In the order asked for, whatever finished first."""

    def broken_off(
        scenario: Scenario, approaches: Sequence[Approach], done: Callable[[Result], None], **options: object
    ) -> None:
        results = {number: VirtualLens().run(scenario, approaches[number]) for number in (2, 0)}
        for result in results.values():
            done(result)
        if not fails:
            raise KeyboardInterrupt
        raise RunError({1: ((scenario, approaches[1]), RuntimeError("no luck"))}, results)

    monkeypatch.setattr("labkit.cli.compare.compare", broken_off)
    chosen = [word for name in ("thin", "stream", "webhook") for word in ("--approach", name)]
    status, out, _ = labkit(capsys, "compare", "--duration", "600", *chosen)
    assert status == (1 if fails else 130)
    assert ("stream failed: no luck" if fails else "2 of 3 approaches were finished") in out
    assert out.index("│ thin ") < out.index("│ webhook ")


def test_a_run_that_fails_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A consumer that is behind NAT proves no endpoint."""
    status, out, err = labkit(capsys, "compare", "--duration", "600", "--approach", "webhook", "--fault", "nat")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("labkit: webhook failed: the source refused: http://consumer-1/hook did not accept")


def test_whatever_a_scenario_can_be_has_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    made = Scenario(
        poisson(60, 600, seed=4), delay=0.1, seed=4, consumers=3, retries=profile("github"),
        rate_limit=RateLimit(900), retention=300.0, faults=(Nat(), Delay(mean=0.2)),
    )  # fmt: skip
    assert all(getattr(made, field.name) != getattr(Scenario(made.arrivals), field.name)
               for field in fields(Scenario) if field.name != "arrivals")  # fmt: skip
    options = ["--trace", "poisson", "--rate", "60", "--duration", "600", "--delay", "0.1", "--seed", "4",
               "--consumers", "3", "--retries", "github", "--rate-limit", "900/3600", "--retention", "300",
               "--fault", "nat", "--fault", "delay:mean=0.2"]  # fmt: skip
    status, out, _ = labkit(capsys, "compare", *options, "--approach", "polling:interval=60", "--json", "-")
    expected = json.loads(json.dumps(made.record() | {"lens": "virtual"}))
    assert (status, json.loads(out)["scenario"]) == (0, expected)


def test_a_fault_is_part_of_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each event the first attempt is answered 503, and the second comes 5 s later."""
    fault = "status:kinds=delivery,attempts=1"
    _, out, _ = labkit(capsys, "compare", *DAY, "--approach", "webhook", "--fault", fault, "--json", "-")
    document = json.loads(out)
    (row,) = document["results"]
    assert document["scenario"]["faults"] == [{"name": "status", "kinds": ["delivery"], "attempts": [1]}]
    assert (row["requests"], row["error_requests"]) == (2 * row["events"], row["events"])
    assert row["latency"]["mean"] == pytest.approx(5.06)


def test_a_run_says_its_seed_and_the_command_that_gives_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """In a shell's quotes, and the same in the document; given again, it has the same rows."""
    given = [*DAY, "--seed", "7", "--approach", "webhook", "--fault", "lost_answer:p=0.3", "--json", "my results.json"]
    _, out, _ = labkit(capsys, "compare", *given)
    document = json.loads(Path("my results.json").read_text())
    command = f"labkit compare {' '.join(given[:-1])} 'my results.json'"
    assert f"Seed 7. The same again: {command}\n" in out
    assert document["command"] == command
    labkit(capsys, *shlex.split(command)[1:])
    assert json.loads(Path("my results.json").read_text()) == document


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Let standard output be a terminal of this size."""
    for variable, value in {"TTY_COMPATIBLE": "1", "TERM": "dumb", "COLUMNS": str(columns), "LINES": "25"}.items():
        monkeypatch.setenv(variable, value)


def table_in(out: str) -> list[str]:
    table = [line for line in out.splitlines() if line[:1] in "┏┃┡│└"]
    assert len(table) > 5
    assert "…" not in "".join(table)
    return table


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_fits_the_terminal_and_cuts_no_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    on_terminal(monkeypatch, columns)
    _, out, _ = labkit(capsys, "compare", *DAY, "--approach", "polling:interval=600", "--approach", "webhook")
    table = table_in(out)
    assert max(len(line) for line in table) <= columns
    row = compare(earthquakes(duration=43_200), [Polling(interval=600)])[0].row()
    figures = [f"{row['requests']}", f"{row['empty_share']:.1%}", f"{row['requests_per_event']:.2f}",
               f"{row['latency']['mean']:.3f}", f"{row['latency']['p95']:.3f}", "0"]  # fmt: skip
    assert [cell.strip() for cell in table[4].split("│")] == ["", "polling interval=600", *figures, ""]
    assert "More columns: --wide" in out


def test_every_approach_with_errors_duplicates_and_a_long_label_fits_100_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine columns; the labels fold."""
    on_terminal(monkeypatch, 100)
    long = "polling:interval=600,types=earthquake.detected+explosion.detected,jitter=0.25,seed=5,conditional=true"
    arguments = ["--duration", "7200", "--rate-limit", "30/3600", "--approach", "all", "--approach", long]
    _, out, _ = labkit(capsys, "compare", *arguments)
    table = table_in(out)
    assert max(len(line) for line in table) <= 100
    assert table[0].count("┳") == 8
    assert "conditional_feed " in out


def test_wide_shows_every_column_whatever_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, 80)
    _, out, _ = labkit(capsys, "compare", *DAY, "--approach", "webhook", "--wide")
    table = table_in(out)
    assert table[0].count("┳") == len(COLUMNS)
    assert len({len(line) for line in table}) == 1
    columns = compare(earthquakes(duration=600), [Webhook()]).table().columns
    assert {column.key for column in COLUMNS} == set(columns) - {"approach", "lens"}
