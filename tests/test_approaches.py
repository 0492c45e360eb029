"""What approaches declare: one table of every default, and what is refused."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import labkit
from labkit import (
    APPROACHES,
    Approach,
    FakeStream,
    Leased,
    LongPolling,
    OnDemand,
    Polling,
    Scenario,
    VirtualLens,
    Webhook,
    earthquakes,
)  # fmt: skip
from labkit.wire import HEARTBEAT, SHORTEST_LOOK

DEFAULTS = {
    "polling": {
        "interval": 60, "fixed": "delay", "initial_delay": 0, "limit": 100, "types": (), "filtered": "source",
        "jitter": 0, "seed": 0, "conditional": False,
    },
    "feed": {"interval": 60, "last": 100},
    "conditional_feed": {"interval": 60, "last": 100},
    "aimd": {"start": 60, "add": 5, "shortest": 1, "longest": 3600},
    "halve_double": {"start": 60, "shortest": 1, "longest": 3600},
    "long_polling": {"wait": 25, "pause": 0, "limit": 100},
    "stream": {},
    "fake_stream": {"interval": 5},
    "websocket": {},
    "webhook": {"types": ()},
    "thin": {},
    "batched": {"count": 100, "max_wait": 60},
    "hybrid": {"reconcile_interval": 3600},
    "on_demand": {"interval": 600, "ttl": 0, "seed": 0, "act": False},
    "relay": {"interval": 10},
    "doorbell": {"reconcile_interval": 3600},
    "leased": {
        "ttl": 3600, "renew_before": 600, "retry_wait": 60, "forgotten": 0, "reconcile_interval": 0, "seed": 0,
    },
}  # fmt: skip
IDLE = {
    "aimd": 3600, "halve_double": 3600, "long_polling": 25, "hybrid": 3600, "doorbell": 3600, "polling": 60,
    "on_demand": 600, "leased": 3000, "fake_stream": math.inf,
}  # fmt: skip


def test_every_approach_has_these_defaults():
    assert {name: asdict(approach()) for name, approach in APPROACHES.items()} == DEFAULTS


def test_every_approach_is_public_and_described():
    for name, approach in APPROACHES.items():
        assert getattr(labkit, approach.__name__) is approach
        check_described(name)


def check_described(name):
    page = (Path(labkit.__file__).parents[1] / "docs" / "approaches.md").read_text()
    assert f"| `{name}` |" in page, f"describe {name} in docs/approaches.md"


def test_the_pause_between_two_requests_while_nothing_happens_is_that_of_the_parameters():
    for name, approach in APPROACHES.items():
        assert approach().idle_interval == IDLE.get(name, DEFAULTS.get(name, {}).get("interval", float("inf"))), name
    assert LongPolling(wait=20, pause=5).idle_interval == 25
    assert Leased(ttl=700, renew_before=100, reconcile_interval=600).idle_interval == 300


def test_a_fake_stream_sends_one_request_however_often_its_source_looks():
    """So a week of it is no more requests than the limit, and its interval is what the source allows."""
    VirtualLens().check(Scenario(earthquakes()), FakeStream(interval=0.05))
    for interval in (SHORTEST_LOOK, HEARTBEAT):
        assert FakeStream(interval=interval).interval == interval
    with pytest.raises(ValueError, match="interval must be from 0.001 to 15 seconds, got 16"):
        FakeStream(interval=16)


def test_a_label_has_the_interval_and_what_is_set_otherwise_than_by_default():
    assert Polling().label == "polling interval=60"
    assert Polling(fixed="rate", limit=7).label == "polling interval=60 fixed=rate limit=7"
    assert OnDemand(act=True).label == "on_demand interval=600 act=True"
    assert Webhook().label == "webhook"


def test_an_approach_of_ones_own_declares_what_it_needs_and_inherits_the_rest():
    @dataclass(frozen=True)
    class Silent(Approach):
        name: ClassVar[str] = "silent"

    silent = Silent()
    assert (silent.label, silent.types, silent.idle_interval) == ("silent", (), float("inf"))
    assert silent.lenses == ("virtual", "real")
    assert silent.wants("anything")
    assert not Webhook(types=("door.opened",)).wants("door.closed")


@pytest.mark.parametrize("repeat", [0, 3])
def test_a_repeat_has_another_seed_where_there_is_one(repeat):
    assert Polling(jitter=0.1, seed=4).repeated(repeat) == Polling(jitter=0.1, seed=4 + repeat)
    assert Webhook().repeated(repeat) == Webhook()
