"""Reading on demand: an action is repeated until it is answered, and its failure does not end a run."""

import httpx
import pytest
from flask import Flask, Response

from labkit.approaches import Consumer, OnDemand
from labkit.approaches.on_demand import acknowledge
from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork


class Source:
    """A source with one event, whose answers to an action are scripted: a status, or 0 for none in time."""

    def __init__(self, answers: list[int]) -> None:
        self.clock, self.ledger, self.answers = VirtualClock(), Ledger(), answers
        self.network, app = MemoryNetwork(self.clock, self.ledger), Flask("source")
        page = {"events": [{"id": "evt_1", "type": "a.b"}], "next": "c", "has_more": False}
        app.get("/events")(lambda: page)
        app.post("/events/<id>/acknowledge")(self.answer)
        self.url = self.network.host("source", app)

    def answer(self, id: str) -> Response:
        status = self.answers.pop(0)
        if not status:
            self.clock.sleep(31)
        return Response(status=status or 200)

    def actions(self) -> list[tuple[int, str]]:
        rows = zip(self.ledger.kind, self.ledger.status, self.ledger.error, strict=True)
        return [(status, error) for kind, status, error in rows if kind == "action"]


TIMEOUT = (0, "ReadTimeout")


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        ([200], [(200, "")]),
        ([503, 200], [(503, ""), (200, "")]),
        ([500, 429, 200], [(500, ""), (429, ""), (200, "")]),
        ([0, 200], [TIMEOUT, (200, "")]),
        ([0, 503, 0], [TIMEOUT, (503, ""), TIMEOUT]),
    ],
)
def test_an_action_without_a_good_answer_is_repeated_up_to_three_times(
    answers: list[int], seen: list[tuple[int, str]]
) -> None:
    source = Source(answers)
    with source.clock:
        client: httpx.Client = source.network.client("me", "action", source.url)
        source.clock.spawn(acknowledge, client, "evt_1")
        source.clock.run()
    assert (source.actions(), source.answers) == (seen, [])


def test_an_action_that_fails_three_times_does_not_end_a_run() -> None:
    source = Source([503, 0, 503] * 100)
    source.ledger.add_consumer("me")
    source.ledger.happened("evt_1", 0.0)
    consumer = Consumer("me", source.url, source.clock, source.network, source.ledger)
    with source.clock:
        source.clock.spawn(OnDemand(interval=60, act=True).run, consumer)
        source.clock.run(until=3600)  # raises what the task raised
    assert source.ledger.kind.count("poll") > 20
    assert source.actions()[:4] == [(503, ""), TIMEOUT, (503, ""), (503, "")]
