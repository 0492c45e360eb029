"""`--report`: the page that `compare`, `sweep`, `faults` and `advise` write, whatever the log holds."""

import base64
import json
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from rich.table import Table
from test_cli import elsewhere, labkit
from test_cli_faults import two_cases

from labkit.cli.output import terminal
from labkit.cli.report import Section, write_report
from labkit.lenses import VirtualLens
from labkit.plots.figure import Figure, canvas

__all__ = ["elsewhere", "two_cases"]

HOSTILE = "<img src=x onerror=alert(1)>", "</style><script>alert(2)</script>", '"><svg onload=alert(3)>', "&lt;b&gt;"
TEXT = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "table", "thead", "tbody", "tr", "th",
        "td", "figure", "img", "figcaption", "pre"}  # fmt: skip
VOID = {"meta", "img"}
HOUR = "--trace", "poisson", "--rate", "12", "--duration", "3600"


class Page(HTMLParser):
    """A page's elements with their attributes, its text, and the tags that were opened and not yet closed."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.elements, self.open, self.text = list[tuple[str, dict[str, str | None]]](), list[str](), ""
        self.feed(Path(path).read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def pictures(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == "img"]


def check_harmless(page: Page) -> None:
    """Nothing in the page runs, leads or loads from elsewhere, and each picture is a PNG that says what it shows."""
    assert {tag for tag, _ in page.elements} <= TEXT
    allowed = {"alt", "charset", "class", "content", "http-equiv", "lang", "name", "scope", "src", "tabindex"}
    assert {name for _, attributes in page.elements for name in attributes} <= allowed
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in page.elements
    for picture in page.pictures():
        kind, _, data = (picture["src"] or "").partition(",")
        assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")
        assert picture["alt"]


@pytest.mark.slow
def test_the_page_of_compare_has_results_pictures_assumptions_and_the_command_that_makes_it_again(capsys):
    given = ["compare", *HOUR, "--seed", "3", "--approach", "polling:interval=60", "--approach", "webhook",
             "--fault", "outage:start=600,duration=60", "--retries", "svix", "--rate-limit", "900/3600"]  # fmt: skip
    status, out, err = labkit(capsys, *given, "--report", "page.html", "--json", "results.json")
    assert (status, err) == (0, "") and "Report: page.html" in out
    page, document = Page("page.html"), json.loads(Path("results.json").read_text(encoding="utf-8"))
    check_harmless(page)
    polling, webhook = document["results"]
    assert f"{polling['requests']}" in page.text and f"{polling['latency']['mean']:.3f}" in page.text
    assert f"Fewest requests: webhook ({webhook['requests']})." in page.text
    assert "Lost events: none." in page.text
    first, second = page.pictures()
    assert str(first["alt"]).startswith("By requests per hour and mean latency: poll every 60 s: ")
    assert f"poisson: {document['scenario']['events']} events in " in str(second["alt"])
    for said in (
        "(per_hour=12, seed=3). Faults: outage:start=600,duration=60. Consumers: 1.",
        "Retries of svix: https://docs.svix.com/retries",
        "The source's rate limit: requests=900, seconds=3600, poll_interval=0.",
        "polling (interval=60, fixed=delay, ",
        "Lens: virtual.",
        document["command"],
        f"Seed 3. labkit {document['labkit']}, Python {document['python']}, {document['platform']}.",
    ):
        assert said in page.text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such file name")
def test_a_logs_name_and_types_stand_escaped(capsys):
    log = "<img src=x onerror=alert(1)>.csv"
    rows = [f"2026-01-01T00:{n:02}:00Z,{HOSTILE[1]}" for n in range(60)]
    Path(log).write_text("\n".join(["time,type", *rows]) + "\n", encoding="utf-8")
    status, _, _ = labkit(capsys, "compare", "--trace", log, "--approach", "webhook", "--report", "page.html")
    page = Page("page.html")
    assert status == 0
    check_harmless(page)
    assert page.text.count(f"{log}: 60 events in") == 3  # the title, the heading and the assumptions
    assert f"Column 'type' has '{HOSTILE[1]}'" in page.text
    assert f"labkit compare --trace '{log}'" in page.text
    assert log in str(page.pictures()[1]["alt"])


@pytest.mark.parametrize("payload", HOSTILE)
def test_in_every_place_of_a_page_a_text_stands_escaped(payload):
    table = Table(payload)
    table.add_row(payload)
    section = Section(payload, [payload], table, Figure(canvas(1, 1), lambda: payload, payload))
    with click.Context(click.Command("x"), obj=payload):
        write_report("page.html", payload, [section], terminal())
    page = Page("page.html")
    check_harmless(page)
    assert page.text.count(payload) == 8  # title and its heading, heading, sentence, column, cell, caption, command
    assert page.pictures()[0]["alt"] == payload


def test_the_page_of_a_sweep_has_its_table_and_each_scenario_once(capsys):
    given = ["sweep", "--trace", "poisson", "--rate", "12,60", "--duration", "600", "--approach", "webhook"]
    status, out, _ = labkit(capsys, *given, "--repeats", "2", "--report", "page.html")
    page = Page("page.html")
    assert status == 0 and "Report: page.html" in out
    check_harmless(page)
    assert "All 4 runs finished." in page.text and "±" in page.text
    (picture,) = page.pictures()
    assert (
        str(picture["alt"]).startswith("By scenario: webhook: ") and " requests at per_hour 12 and " in picture["alt"]
    )
    assert page.text.count("(per_hour=12, seed=0)") == page.text.count("(per_hour=60, seed=0)") == 1
    assert page.text.count("The source keeps events for ever.") == 1
    assert f"labkit {' '.join(given)} --repeats 2 --report page.html" in page.text


@pytest.mark.slow
def test_the_page_of_faults_has_verdicts_cases_reasons_and_the_picture(capsys, two_cases):
    given = ["faults", "--retries", "slack", "--approach", "webhook", "--approach", "polling", "--report", "page.html"]
    status, out, _ = labkit(capsys, *given)
    page = Page("page.html")
    assert status == 0 and "Report: page.html" in out
    check_harmless(page)
    assert "2 holds, 2 cannot, 0 fails." in page.text
    assert "Cannot in 2: webhook: a consumer behind NAT cannot be called" in page.text
    assert "Retries of slack" in page.text and "1 outage: target=receiver" in page.text
    assert ["webhook, retries of Slack: less than half received" in str(each["alt"]) for each in page.pictures()] == [
        True
    ]
    assert " ".join(["labkit", *given]) in page.text


@pytest.mark.slow
def test_the_page_of_advise_has_the_recommendation_the_others_and_what_was_assumed(capsys):
    given = ["advise", "--rate", "12", "--deadline", "60", "--report", "page.html"]
    status, out, _ = labkit(capsys, *given)
    page = Page("page.html")
    assert status == 0 and "Report: page.html" in out
    check_harmless(page)
    recommended = next(line for line in out.splitlines() if line.startswith("Recommended: "))
    assumed = [line.removeprefix("- ") for line in out.splitlines() if line.startswith("- ")]
    assert len(assumed) > 3 and all(line in page.text for line in [recommended, *assumed])
    assert "why not" in page.text and f"labkit {' '.join(given)}" in page.text
    (picture,) = page.pictures()
    assert str(picture["alt"]).startswith("By requests per hour and mean latency: ") and "above 60 s" in picture["alt"]


@pytest.mark.slow
def test_a_run_that_failed_stands_in_the_page(capsys, monkeypatch):
    run = VirtualLens.run

    def fails(lens, scenario, approach):
        if approach.name == "webhook":
            raise RuntimeError("<b>broken</b>")
        return run(lens, scenario, approach)

    monkeypatch.setattr(VirtualLens, "run", fails)
    given = ["--approach", "polling:interval=60", "--approach", "webhook", "--report", "page.html"]
    status, _, _ = labkit(capsys, "compare", *HOUR, *given)
    page = Page("page.html")
    assert status == 1
    check_harmless(page)
    assert "webhook failed: <b>broken</b>" in page.text


@pytest.mark.slow
def test_the_page_of_a_faster_run_has_the_parameters_that_were_given(capsys):
    given = ["--lens", "real", "--speed", "30", "--trace", "poisson", "--rate", "600", "--duration", "60"]
    status, _, _ = labkit(capsys, "compare", *given, "--approach", "polling:interval=30", "--report", "page.html")
    page = Page("page.html")
    assert status == 0
    assert "polling (interval=30, " in page.text
    assert "Lens: real, with all times divided by 30." in page.text


def test_a_name_that_is_no_unicode_is_written_as_it_is_escaped(capsys):
    with click.Context(click.Command("x"), obj="labkit compare --trace \udcff.csv"):
        write_report("page.html", "\udcff", [Section("Found", ["half \ud800"])], terminal())
    page = Page("page.html")
    assert "half \\ud800" in page.text and "--trace \\udcff.csv" in page.text


@pytest.mark.parametrize("command", ["advise", "compare", "faults", "sweep"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("page.pdf", "--report must end in .html, got page.pdf"),
        ("-", "--report must end in .html, got -"),
        ("/no/such/page.html", "there is no folder"),
    ],
)
def test_a_path_that_cannot_be_written_to_is_refused_before_anything_runs(capsys, command, path, message):
    needed = ["--rate", "12", "--deadline", "60"] if command == "advise" else []
    status, out, err = labkit(capsys, command, *needed, "--report", path)
    assert (status, out) == (2, "")
    assert message in err


def test_the_template_is_in_the_package():
    project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert "report.html" in project["tool"]["setuptools"]["package-data"]["labkit.cli"]
