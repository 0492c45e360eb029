"""`labkit describe`: what it prints, writes and draws, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import elsewhere, labkit

__all__ = ["elsewhere"]

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
HOSTILE = ["<img src=x onerror=alert(1)>", "\x1b[31mred\x1b]0;title\x07", "$x$ [bold]y[/]", "a\u202eb"]


def test_the_earthquake_week_is_described_in_sentences_and_a_picture(capsys):
    status, out, err = labkit(capsys, "describe", str(ROOT / "data" / "earthquakes.csv"), "--type-column", "kind")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["Note: The instants are those of column 'occurred_at'.", "earthquakes.csv"]
    assert "The rate is 10.2 per hour: one every 5 min 54 s." in lines
    assert "The events have 3 types: earthquake 98.4%, explosion 0.9% and quarry blast 0.8%." in lines
    assert lines[-1] == f"Figure: {Path('out', 'labkit-describe.png')}"
    assert Path("out/labkit-describe.png").read_bytes().startswith(b"\x89PNG")


def test_the_week_that_labkit_has_is_described_by_its_name(capsys):
    status, out, _ = labkit(capsys, "describe", "earthquakes", "--json", "-")
    document = json.loads(out)
    assert (status, document["events"], document["types"]["explosion.detected"]) == (0, 1707, 15)
    assert document["command"] == "labkit describe earthquakes --json -"
    assert not Path("out").exists()


def test_the_documentation_shows_what_is_printed(capsys):
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    shown = page.split("$ labkit describe earthquakes\n")[1].split("```")[0]
    _, out, _ = labkit(capsys, "describe", "earthquakes")
    assert out.replace("\\", "/") == shown


def test_a_spanish_log_with_the_day_first(capsys):
    rows = [f"{1 + n // 24:02}/02/2026 {n % 24}:00;{'alta' if n % 3 else 'modificación'}" for n in range(96)]
    Path("registro.csv").write_text("fecha;tipo\n" + "\n".join(rows) + "\n", encoding="utf-8")
    status, _, err = labkit(capsys, "describe", "registro.csv")
    assert status == 2
    assert "no column holds instants" in err
    assert "if the day comes first, use --day-first" in err
    options = ["--day-first", "--time-zone", "Europe/Madrid", "--type-column", "tipo"]
    status, out, _ = labkit(capsys, "describe", "registro.csv", *options)
    assert status == 0
    assert "96 events in 3 days 23 h, from Sun 1 Feb 2026, 00:00 CET to Wed 4 Feb 2026, 23:00 CET." in out
    assert "The events have 2 types: alta 66.7% and modificación 33.3%." in out


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_stands_in_a_log_cannot_change_the_terminal_the_picture_or_the_document(capsys, ending):
    rows = [{"time": 1_767_225_600 + 60 * n, "type": HOSTILE[n % 4]} for n in range(100)]
    lines = [json.dumps(row) for row in rows] if ending == "jsonl" else ["time,type"]
    lines += [f"{row['time']},{row['type']}" for row in rows] if ending == "csv" else []
    Path(f"log.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _, out, err = labkit(capsys, "describe", f"log.{ending}", "--plot", "log.svg", "--json", "log.json")
    assert err == ""
    assert all(line.isprintable() for line in out.splitlines())
    assert "<img src=x onerror=alert(1)> 25.0%, \\x1b[31mred\\x1b]0;title\\x07 25.0%" in out
    assert "$x$ [bold]y[/] 25.0% and a\\u202eb 25.0%" in out
    picture = Path("log.svg").read_text(encoding="utf-8")
    assert "<img" not in picture
    assert not {"\x1b", "\x07", "\u202e"} & set(picture)
    document = Path("log.json").read_text(encoding="utf-8")
    assert document.replace("\n", "").isprintable()
    assert json.loads(document)["types"] == dict.fromkeys(HOSTILE, 25)


def test_standard_input_and_files_in_order(tmp_path):
    Path("first.csv").write_text("when\n2026-01-01T00:00:00Z\n", encoding="utf-8")
    command = [sys.executable, "-m", "labkit", "describe", "first.csv", "-", "--json", "-"]
    log = '{"when": "2026-01-01T00:00:30Z"}\n{"when": "2026-01-01T00:01:00Z"}\n'
    ran = subprocess.run(command, input=log, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    document = json.loads(ran.stdout)
    assert (document["log"], document["rate_per_hour"]) == ("first.csv, standard input", 120)
    assert "Note: first.csv: The instants are those of column 'when'." in ran.stderr


def test_it_loads_no_http():
    check = (
        "import sys; from labkit.cli import main; main(['describe', 'earthquakes', '--json', '-', '--plot', 'x.png'])\n"
        "assert not {'flask', 'werkzeug', 'httpx', 'pandas', 'loky'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "labkit: Missing argument 'LOG…'."),
        (["none.csv"], "labkit: none.csv: no such file"),
        (["."], "labkit: .: is a directory, not a log"),
        (["earthquakes", "--day-first"], "labkit: --day-first: it is for a log of your own, not for earthquakes"),
        (["log.csv", "--day-first", "--time-format", "s"], "labkit: give time_format or day_first, not both"),
        (["log.csv", "--time-zone", "Mars"], "labkit: time_zone must be UTC or the name of a zone such as"),
        (["log.csv"], "labkit: log.csv: row 3: time must be Unix seconds as in other rows, got 'soon'"),
        (["log.csv", "--plot", "x.gif"], "labkit: --plot must end in .png, .svg, .pdf, got x.gif"),
        (["log.csv", "--json", "no/such.json"], "labkit: --json no/such.json: there is no folder"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_value(capsys, arguments, message):
    Path("log.csv").write_text("time\n1\nsoon\n", encoding="utf-8")
    status, out, err = labkit(capsys, "describe", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(message)
