"""`labkit faults`: what it prints, writes and refuses, and its exit status."""

import json

import pytest
from test_cli import labkit

from labkit.verdicts import CASES, expected


@pytest.fixture
def two_cases(monkeypatch):
    """The matrix with two cases, for speed."""
    for case in set(CASES) - {"outage:target=receiver", "nat"}:
        monkeypatch.delitem(CASES, case)
    monkeypatch.setattr("labkit.verdicts.measured.check_known", lambda names, senders: None)


def test_a_loss_by_nature_is_shown_as_its_share_with_the_reason(capsys, tmp_path, two_cases):
    written = tmp_path / "faults.json"
    picture = tmp_path / "survival.png"
    status, out, _ = labkit(
        capsys, "faults", "--retries", "slack", "--approach", "webhook", "--approach", "polling",
        "--json", str(written), "--plot", str(picture),
    )  # fmt: skip
    rows = {(row["approach"], row["case"]): row for row in json.loads(written.read_text())["results"]}
    webhook = rows["webhook", "outage:target=receiver"]
    assert status == 0
    assert (webhook["verdict"], webhook["profile"], rows["polling", "nat"]["verdict"]) == ("cannot", "slack", "holds")
    assert f"{webhook['lost'] / webhook['events']:.0%}│100%" in out.replace(" ", "")
    assert "Cannot in 2: webhook: a consumer behind NAT cannot be called, however often the source tries." in out
    assert "2 holds, 2 cannot, 0 fails" in out
    assert "Seed 0. The same again: labkit faults --retries slack --approach webhook --approach polling" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_verdict_that_is_not_the_expected_one_fails_with_status_1(capsys, monkeypatch, two_cases):
    monkeypatch.setattr(expected, "CANNOT", ())
    status, out, _ = labkit(capsys, "faults", "--retries", "github", "--approach", "webhook", "--json", "-")
    assert status == 1
    assert {row["verdict"] for row in json.loads(out)["results"]} == {"fails"}


def test_json_on_standard_output_is_all_that_stands_there(capsys, two_cases):
    status, out, err = labkit(capsys, "faults", "--retries", "svix", "--approach", "relay", "--json", "-")
    document = json.loads(out)
    assert status == 0 and err == ""
    assert document["seed"] == 0 and document["command"].startswith("labkit faults --retries svix")
    assert list(document["faults"]) == [row["case"] for row in document["results"]] == list(CASES)


def test_an_approach_for_another_lens_is_not_in_this_lens(capsys, tmp_path, two_cases):
    given = ["--retries", "svix", "--approach", "websocket", "--plot", str(tmp_path / "a.svg")]
    status, out, _ = labkit(capsys, "faults", *given)
    assert status == 0
    assert "│websocket│–│–│" in out.replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--retries", "pigeon"], "--retries pigeon: "),
        (
            ["--retries", "5,300"],
            "no expected verdicts for the retries '5,300'; there are for: standard_webhooks, svix",
        ),
        (["--approach", "pigeon"], "--approach pigeon: there is no approach 'pigeon'; there are: polling"),
        (["--approach", "polling", "--approach", "polling:interval=10"], "--approach polling: given twice"),
        (["--plot", "a.gif"], "--plot must end in .png, .svg, .pdf, got a.gif"),
        (["--json", "/no/such/folder/a.json"], "there is no folder"),
    ],
)
def test_bad_input_is_named_before_anything_runs(capsys, arguments, message):
    status, out, err = labkit(capsys, "faults", *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_ctrl_c_shows_what_is_finished(capsys, monkeypatch, two_cases):
    def stops(*given):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("labkit.cli.faults.matrix", stops)
    status, out, _ = labkit(capsys, "faults", "--approach", "polling", "--plot", "never.png")
    assert status == 130
    assert "Interrupted: 0 of 2 verdicts were finished." in out
