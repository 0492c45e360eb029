"""The retry profiles: each attempt's instant, held against plain arithmetic, and the data against the page of docs."""

import math
import random
import re
import tomllib
from itertools import accumulate
from pathlib import Path

import pytest
from click.testing import CliRunner

import labkit
from labkit import (
    Arrivals,
    Event,
    Outage,
    Polling,
    RealLens,
    RetryProfile,
    Scenario,
    Status,
    VirtualLens,
    Webhook,
    poisson,
    profile,
)
from labkit.arrivals import EPOCH
from labkit.cli import cli
from labkit.cli.retries import facts
from labkit.lenses.scaling import scaled
from labkit.policies import SwitchOff
from labkit.retries import PUBLISHABLE, profiles

DELAY = 0.02
MINUTE, HOUR, DAY = 60, 3600, 86_400
PUBLISHED = {
    "standard_webhooks": [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
    "svix": [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR],
    "brevo": [10 * MINUTE, 1 * HOUR, 2 * HOUR, 8 * HOUR],
    "github": [],
    "slack": [0, 1 * MINUTE, 5 * MINUTE],
    "twilio": [0],
    "adyen": [9, 18, 27, *(n * MINUTE for n in (2, 5, 10, 15, 30)), HOUR, 2 * HOUR, 4 * HOUR, *[8 * HOUR] * 88],
    "square": [*(2**n * MINUTE for n in range(6)), *[HOUR] * 70],
    "gitlab": [],
    "convoy": [100] * 10,
    "outpost": [30 * 2**n for n in range(10)],
}
"""The published waits once more, written by hand; Shopify's are assumed: only their number and span are known."""


def happening(instants, duration):
    events = (Event(f"evt_{n}", "tick.happened", at, {}) for n, at in enumerate(instants, start=1))
    return Arrivals("made", tuple(events), duration, EPOCH, {})


def deliveries(result):
    rows = result.exchanges[result.exchanges.kind == "delivery"]
    return [round(at, 6) for at in rows.sent_at]


def ends(result):
    """How each attempt ended: its status or its error."""
    rows = result.exchanges[result.exchanges.kind == "delivery"]
    return [error or status for error, status in zip(rows.error, rows.status, strict=True)]


# the data ---------------------------------------------------------------------------------------


def test_the_file_has_these_waits():
    assert {name: list(each.waits) for name, each in profiles().items() if name != "shopify"} == PUBLISHED
    waits = profile("shopify").waits
    assert len(waits) == 8 and 3.9 * HOUR < sum(waits) <= 4 * HOUR
    assert "waits" in profile("shopify").assumed


def test_each_profile_says_where_it_comes_from_and_what_of_it_is_assumed():
    for name, each in profiles().items():
        assert each.name == name and re.fullmatch("[a-z_]+", name)
        assert each.source.startswith("https://") and re.fullmatch(r"20\d\d-\d\d", each.read)
        assert set(each.assumed) <= set(PUBLISHABLE)
        table = FILE[name]
        assert set(each.assumed) == set(PUBLISHABLE) - set(table) | set(table.get("assumed", ())), name


FILE = tomllib.loads(Path(labkit.__file__).with_name("retries.toml").read_text(encoding="utf-8"))


def test_the_default_is_standard_webhooks():
    assert profile("standard_webhooks") == RetryProfile()


def test_last_until_repeats_the_last_wait_for_as_long_as_it_fits():
    for name, days in (("adyen", 30), ("square", 3)):
        waits = profile(name).waits
        assert sum(waits) <= days * DAY < sum(waits) + waits[-1]


def test_the_page_has_the_table_of_the_data():
    page = Path(__file__).parent.parent.joinpath("docs", "retries.md").read_text(encoding="utf-8")
    for name, each in profiles().items():
        row = f"| [`{name}`]({each.source}) | {' | '.join(facts(each).values())} | {', '.join(each.assumed)} |"
        assert row in page, row
    assert len(re.findall(r"^\| \[`", page, re.MULTILINE)) == len(profiles())


def test_statuses_mean_what_the_profile_says():
    brevo, standard, svix = profile("brevo"), RetryProfile(), profile("svix")
    assert [brevo.verdict(status) for status in (200, 400, 404, 410, 422, 429, 500, 503, 302)] == [
        "delivered", "refused", "refused", "refused", "refused", "failed", "refused", "refused", "failed",
    ]  # fmt: skip
    assert [standard.verdict(status) for status in (299, 300, 404, 410, 422, 503)] == [
        "delivered", "failed", "failed", "gone", "refused", "failed",
    ]  # fmt: skip
    assert {svix.verdict(status) for status in (302, 404, 410, 422, 429, 500)} == {"failed"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ends": ("4x",)}, "a status must be written as '410' or '4xx', got '4x'"),
        ({"ends": ("422",)}, "status 422 must have one meaning"),
        ({"rest": -1}, "rest must be >= 0 seconds, got -1"),
        ({"off": lambda: SwitchOff(success_below=2)}, "success_below must be from 0 to 1 of the attempts, got 2"),
        ({"off": lambda: SwitchOff(failures=-1)}, "failures must be a whole number >= 0 failed attempts, got -1"),
    ],
)
def test_a_profile_that_is_none_is_refused(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        RetryProfile(**{name: value() if callable(value) else value for name, value in wrong.items()})


def test_a_divided_profile_has_every_time_divided_and_every_number_kept():
    given = RetryProfile((60, 120), 0.1, 30, rest=600, off=SwitchOff(4, 432_000, 0.05, 3600, 7, 60, 86_400, 40))
    off = SwitchOff(4, 7200, 0.05, 60, 7, 1, 1440, 40)
    scenario, _ = scaled(Scenario(poisson(60, 3600), delay=0.0, retries=given), Webhook(), 60)
    assert scenario.retries == RetryProfile((1, 2), 0.1, 0.5, longest_retry_after=1440, rest=10, off=off)


# the attempts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PUBLISHED, "shopify"])
def test_an_endpoint_that_is_never_reached_is_attempted_at_these_instants_and_never_again(name):
    waits = PUBLISHED.get(name, profile(name).waits)
    scenario = Scenario(happening([7.0], 60), DELAY, retries=profile(name), faults=(Outage(duration=40 * DAY),))
    result = VirtualLens().run(scenario, Webhook())
    assert deliveries(result) == list(accumulate(waits, initial=7.0))
    assert result.row()["lost"] == 1


def test_an_outage_of_eight_days_is_survived_by_adyen_alone():
    """Its 30 days of retries are drained to the end: nothing is called lost that is pending."""
    lost = {}
    for name in ("adyen", "standard_webhooks"):
        faults = (Outage(start=10, duration=8 * DAY),)
        scenario = Scenario(happening([20, 30], 60), DELAY, retries=profile(name), faults=faults)
        lost[name] = VirtualLens().run(scenario, Webhook()).row()["lost"]
    assert lost == {"adyen": 0, "standard_webhooks": 2}


def test_a_redirect_or_a_plain_answer_does_not_make_brevo_rest_and_a_503_is_discarded():
    for status, attempts in ((503, [10.0]), (404, [10.0]), (429, [10.0, 610.04])):
        fault = Status(status=status, duration=300)
        scenario = Scenario(happening([10.0, 400.0], 500), DELAY, retries=profile("brevo"), faults=(fault,))
        result = VirtualLens().run(scenario, Webhook())
        assert deliveries(result) == sorted([*attempts, 400.0])


# the outage of 20 minutes -----------------------------------------------------------------------

OUTAGE = 1200


def first_attempts(occurred, waits):
    """Each event's first attempt after the outage [0, 1200), by plain arithmetic; None if there is none."""
    return [next((at for at in accumulate(waits, initial=at) if at >= OUTAGE), None) for at in occurred]


@pytest.mark.parametrize(
    ("name", "latency", "lost"),
    [
        ("standard_webhooks", 1646, 0.0),
        ("svix", 1646, 0.0),
        ("slack", None, 0.70),
        ("github", None, 1.0),
        ("convoy", None, 1 / 6),
    ],
)
def test_an_outage_of_20_minutes_is_as_in_theory_and_as_in_arithmetic(name, latency, lost):
    chance = random.Random(name)
    occurred = sorted(round(chance.uniform(0, OUTAGE), 6) for _ in range(120))
    scenario = Scenario(happening(occurred, OUTAGE), DELAY, retries=profile(name), faults=(Outage(duration=OUTAGE),))
    result = VirtualLens().run(scenario, Webhook())
    expected = first_attempts(occurred, PUBLISHED[name])
    received = [None if math.isnan(at) else round(at - DELAY, 6) for at in result.receipts.received_at]
    assert received == [None if at is None else round(at, 6) for at in expected]
    n, share = len(occurred), result.row()["lost"] / len(occurred)
    assert abs(share - lost) <= 4.3 * math.sqrt(lost * (1 - lost) / n)
    if latency:
        waited = result.receipts.latency
        assert abs(waited.mean() - latency) < 4.3 * waited.std() / math.sqrt(n)


def test_brevo_without_its_rest_is_as_in_theory():
    """600 s after the failure if that is after the end, else an hour later: 0.5 × 600 + 0.5 × 4,200 = 2,400 s."""
    occurred = [6.0 + 12 * n for n in range(100)]
    retries = RetryProfile(PUBLISHED["brevo"])
    scenario = Scenario(happening(occurred, OUTAGE), DELAY, retries=retries, faults=(Outage(duration=OUTAGE),))
    result = VirtualLens().run(scenario, Webhook())
    assert result.receipts.latency.mean() == pytest.approx(2400 + DELAY)


def with_rest(occurred, waits, rest):
    """When each event is delivered by a source that rests, by plain arithmetic: a list of dues, the earliest first.

    Refused attempts take no time, so whatever is due when a rest ends is attempted at that same instant.
    """
    due = [(at, number, 0) for number, at in enumerate(occurred)]
    delivered, resting = [None] * len(occurred), 0.0
    while due:
        now = max(min(due)[0], resting)
        ready = [each for each in due if each[0] <= now]
        due = [each for each in due if each[0] > now]
        for _, number, failed in ready:
            if now >= OUTAGE:
                delivered[number] = now
            else:
                resting = now + rest
                if failed < len(waits):
                    due.append((now + waits[failed], number, failed + 1))
    return delivered


@pytest.mark.parametrize("seed", range(5))
def test_brevo_with_its_rest_is_as_in_arithmetic(seed):
    """Only the events that fail before the first rest wait for the hour: the rest protects those that come after."""
    chance = random.Random(seed)
    occurred = sorted(round(chance.uniform(0, OUTAGE), 6) for _ in range(4 + 10 * seed))
    scenario = Scenario(happening(occurred, OUTAGE), DELAY, retries=profile("brevo"), faults=(Outage(duration=OUTAGE),))
    result = VirtualLens().run(scenario, Webhook())
    expected = with_rest(occurred, PUBLISHED["brevo"], 600)
    assert [round(at - DELAY, 6) for at in result.receipts.received_at] == [round(at, 6) for at in expected]
    assert result.receipts.latency.mean() < 2400


def test_polling_has_known_long_before_who_would_have_told():
    occurred = [6.0 + 12 * n for n in range(100)]
    scenario = Scenario(happening(occurred, OUTAGE), DELAY, faults=(Outage(duration=OUTAGE),))
    result = VirtualLens().run(scenario, Polling(interval=60))
    first = next(at for at in accumulate([60.0] * 30, initial=0.0) if at >= OUTAGE)
    assert result.receipts.latency.mean() == pytest.approx(first - 600 + 2 * DELAY, abs=1e-6)


# both clocks ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "retries",
    [RetryProfile((60, 300), rest=240), RetryProfile((60, 300), off=SwitchOff(failures=2, back_after=240))],
    ids=["rest", "off"],
)
def test_the_real_lens_makes_the_same_attempts(retries):
    """The outage is from 90 s to 250 s. At speed 120 the machine must be 0.5 s late before that changes an attempt."""
    scenario = Scenario(happening([20, 100, 300, 500], 600), 0.0, retries=retries,
                        faults=(Outage(start=90, duration=160),))  # fmt: skip
    virtual = VirtualLens().run(scenario, Webhook())
    real = RealLens(speed=120).run(scenario, Webhook())
    for column in ("event_id", "copies"):
        assert real.receipts[column].tolist() == virtual.receipts[column].tolist()
    assert real.receipts.received_at.isna().tolist() == virtual.receipts.received_at.isna().tolist()
    assert ends(real) == ends(virtual)
    gaps = [b * 120 - a for a, b in zip(deliveries(virtual), deliveries(real), strict=True)]
    assert min(gaps) > -1, gaps  # never early; how late is the machine's affair


# the command line -------------------------------------------------------------------------------


def test_compare_names_the_source_and_what_is_assumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ["compare", "--trace", "poisson", "--duration", "3600", "--approach", "webhook"]
    said = CliRunner().invoke(cli, [*asked, "--retries", "brevo", "--json", "a.json"]).output
    written = Path("a.json").read_text(encoding="utf-8")
    own = CliRunner().invoke(cli, [*asked, "--retries", "5,300.5", "--json", "-"]).output
    assert "https://developers.brevo.com/docs/retry-mechanism, read in 2026-11" in said
    assert "assumed: jitter 0, timeout 30, success 2xx" in said
    assert '"name": "brevo"' in written and '"assumed": [' in written
    assert '"waits": [\n        5.0,\n        300.5\n      ]' in own


def test_a_name_that_is_none_is_refused_with_those_that_are():
    for wrong in ("Svix", "5;300", "", "-5"):
        said = CliRunner().invoke(cli, ["compare", f"--retries={wrong}"])
        assert said.exit_code == 2
        assert (
            f"--retries {wrong}: there is no retry profile {wrong!r}; there are: standard_webhooks, svix" in said.output
        )


def test_labkit_retries_lists_them_all():
    said = CliRunner().invoke(cli, ["retries"]).output
    for name, each in profiles().items():
        assert f"{name}  {each.source} ({each.read})" in said
        assert f"assumed: {each.assumptions()}" in said
