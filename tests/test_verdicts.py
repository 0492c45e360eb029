"""The verdicts: what is measured is held against the table of expected verdicts, in both directions."""

import sqlite3
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from labkit import APPROACHES, FAULTS, Batched, Hybrid, Polling, Relay, Webhook, profile
from labkit.receiver import Inbox
from labkit.retries import profiles
from labkit.verdicts import CASES, expected, matrix, prepared
from labkit.verdicts.expected import CANNOT, check_known

OUTAGE = ("outage:target=receiver",)


def only(approach, name, cases=OUTAGE):
    (row,) = matrix([approach], {name: profile(name)}, cases=cases)
    return row


def test_a_schedule_that_outlasts_the_outage_holds_and_says_how_late_and_by_what():
    row = only(Webhook(), "svix")
    assert (row.verdict, row.lost, row.doubled, row.recovered_by) == ("holds", 0, 0, "retry")
    assert row.affected > 0
    assert row.latency_mean is not None and 0 < row.latency_mean <= row.latency_max <= 2105.1


def test_a_loss_by_nature_is_cannot_with_its_reason_and_dead_letters():
    row = only(Webhook(), "github")
    assert (row.verdict, row.latency_mean) == ("cannot", None)
    assert row.lost == row.affected > 0
    assert "retries end before" in row.reason
    assert f"{row.lost} dead letters" in row.noticed


def test_a_loss_where_none_is_expected_fails(monkeypatch):
    monkeypatch.setattr(expected, "CANNOT", ())
    row = only(Webhook(), "github")
    assert (row.verdict, row.reason) == ("fails", f"expected to lose nothing, and lost {row.lost}")


def test_no_loss_where_one_is_expected_fails(monkeypatch):
    rule = replace(CANNOT[0], approaches=("webhook",), profiles=("svix",))
    monkeypatch.setattr(expected, "CANNOT", (rule,))
    row = only(Webhook(), "svix")
    assert (row.verdict, row.reason) == ("fails", f"expected to lose, and lost nothing: {rule.reason}")


@pytest.mark.parametrize("approach", [Webhook(), Batched(), Relay(), Hybrid(reconcile_interval=600)])
def test_a_receiver_without_deduplication_fails(monkeypatch, approach):
    def record(self: Inbox, id: str, body: bytes, effect=None) -> bool:
        with sqlite3.connect(":memory:") as sql:
            effect(sql)
        return True

    monkeypatch.setattr(Inbox, "record", record)
    row = only(approach, "svix", ("lost_answer",))
    assert (row.verdict, row.lost) == ("fails", 0)
    assert row.reason == f"{row.doubled} events had their effect more than once"
    assert row.doubled > 0


def test_an_approach_that_drops_events_fails(monkeypatch):
    @dataclass(frozen=True)
    class Forgetful(Polling):
        name: ClassVar[str] = "forgetful"

        def run(self, consumer):
            keep = type(consumer).receive
            monkeypatch.setattr(
                type(consumer),
                "receive",
                lambda self, event, by: None if event["id"] == "evt_000007" else keep(self, event, by),
            )
            super().run(consumer)

    monkeypatch.setitem(expected.RECOVERS, "forgetful", {"poll": "next poll"})
    row = only(Forgetful(interval=60), "svix")
    assert (row.verdict, row.profile, row.lost) == ("fails", "", 1)


def test_an_approach_for_another_lens_is_not_in_this_lens():
    row = only(APPROACHES["websocket"](), "svix")
    assert (row.verdict, row.reason) == ("not in this lens", "it is for the real lens")


def test_every_built_in_approach_fault_and_sender_is_in_the_table():
    check_known(APPROACHES, FAULTS, profiles())


def test_what_the_table_lacks_is_named_with_the_place_to_add_it():
    with pytest.raises(ValueError, match=r"approach 'pigeon': in labkit/verdicts/expected.py, add .* to RECOVERS"):
        check_known(("pigeon",))
    with pytest.raises(ValueError, match=r"fault 'flood': in labkit/verdicts/expected.py, add an instance .* to CASES"):
        check_known((), ("flood",))
    with pytest.raises(
        ValueError, match=r"the retries '5,300'; there are for: standard_webhooks, .* LONG or TOO_SHORT"
    ):
        check_known((), (), ("5,300",))


@pytest.mark.parametrize(
    ("sender", "case", "reason"),
    [
        ("twilio", "outage:target=receiver", "retries end before the 20 minutes do"),
        ("twilio", "status:every=5", ""),
        ("shopify", "slow_answer", "after 3 h 58 min without a success the endpoint is off"),
    ],
)
def test_other_senders_have_their_own_verdicts(sender, case, reason):
    row = only(Webhook(), sender, (case,))
    assert row.verdict == ("cannot" if reason else "holds")
    assert reason in row.reason


@pytest.mark.slow
@pytest.mark.parametrize("approach", APPROACHES.values(), ids=APPROACHES)
def test_under_the_retries_of_slack_every_verdict_is_the_expected_one(approach, monkeypatch):
    """One profile of the matrix; `labkit faults` runs it with six. No workers: the tests have their own."""
    monkeypatch.setattr("labkit.experiment.FEW_EXCHANGES", 10**9)
    rows = list(matrix([prepared(approach)], {"slack": profile("slack")}))
    assert [row.case for row in rows if row.verdict == "fails"] == []
    assert {row.case for row in rows} == set(CASES)
