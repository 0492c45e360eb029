"""The virtual lens, held against lives receipt by receipt, and its rows against the closed forms.

A life and the lens live through the same events: the figures of many lives tell by how much one run may differ from
theory, and a run's own instants must be its life's.
"""

import math
import random
from dataclasses import dataclass
from functools import cache, partial

import httpx
import numpy as np
import pytest
import sample_paths
from scipy import stats

from labkit import (
    Aimd,
    Batched,
    ConditionalFeed,
    FakeStream,
    Feed,
    HalveDouble,
    Hybrid,
    LongPolling,
    OnDemand,
    Polling,
    Relay,
    Scenario,
    Stream,
    Thin,
    poisson,
    theory,
)
from labkit.lenses import VirtualLens
from labkit.policies import RetryProfile

SEEDS = range(3)
BOUND = stats.norm.isf(sample_paths.ALPHA / 2)  # 4.7
LOSS = 0.4
WAITS = (5.0, 40.0)
"""Seconds that the source waits after a failed attempt."""


def lost(seed, event, attempt):
    return random.Random(f"{seed}/{event}/{attempt}").random() < LOSS


@dataclass(frozen=True)
class Lossy(Hybrid):
    """A webhook that fails as `lost` says; `data.number` is the event's place, from 1."""

    seed: int = 0

    def subscribe(self, consumer):
        receive, attempts = consumer.receive, {}

        def sometimes(event, carrier):
            if not isinstance(carrier, httpx.Response):
                attempt = attempts.setdefault(event["id"], 0)
                attempts[event["id"]] += 1
                if lost(self.seed, event["data"]["number"] - 1, attempt):
                    raise RuntimeError("lost")
            receive(event, carrier)

        consumer.receive = sometimes
        super().subscribe(consumer)


def again(pause):
    """A life that asks, from the pauses of a seed and whether the first look comes after one."""

    def lived(occurred, horizon, delay, seed, **more):
        return sample_paths.asking(occurred, horizon, delay, pause(random.Random(f"{seed}/consumer-1")), **more)

    return lived


def looking(occurred, horizon, delay, seed):
    chance = random.Random(f"{seed}/consumer-1")
    first, pause = sample_paths.looks(chance, 6.0)(), sample_paths.looks(chance, 6.0, 4.0)
    return sample_paths.asking(occurred, horizon, delay, pause, first=first)


def halving(chance):
    return sample_paths.adapting(4.0, lambda at, hit: at / 2 if hit else at * 2, 1.0, 64.0)


def adding(chance):
    return sample_paths.adapting(4.0, lambda at, hit: at / 2 if hit else at + 2, 1.0, 30.0)


def fetched(occurred, horizon, delay, seed):
    sent, empty = np.concatenate([occurred, occurred + delay]), np.repeat([True, False], len(occurred))
    return sample_paths.sample_path(occurred, occurred + 3 * delay, sent, empty, horizon)


def streamed(occurred, horizon, delay, seed):
    return sample_paths.sample_path(occurred, np.maximum(occurred, delay) + delay, [0.0], [False], horizon)


def swept(retries):
    def lived(occurred, horizon, delay, seed):
        return sample_paths.hybrid(occurred, horizon, delay, 60.0, retries, partial(lost, seed))

    return lived


RATE, DELAY = 0.1, 1.5
RETRIES = tuple(sum(2 * DELAY + wait for wait in WAITS[:made]) for made in (1, 2))
PLAIN = ("mean_latency", "requests_per_event", "empty_share", "freshness", "staleness")
CASES = {
    # name: (approach of a seed, life of a seed, closed form, names that it has)
    "jittered": (
        lambda seed: Polling(6, jitter=0.5, seed=seed),
        again(lambda chance: lambda found: 6 * chance.uniform(0.5, 1.5)),
        theory.jittered(RATE, 6, DELAY, 0.5),
        PLAIN,
    ),
    "on demand": (
        lambda seed: OnDemand(interval=6, ttl=4, seed=seed),
        looking,
        theory.on_demand(RATE, 6, DELAY, 4),
        PLAIN,
    ),
    "halve_double": (
        lambda seed: HalveDouble(4, 1, 64),
        again(halving),
        theory.halve_double(RATE, DELAY, 1, 64),
        PLAIN,
    ),
    "aimd": (lambda seed: Aimd(4, 2, 1, 30), again(adding), theory.aimd(RATE, DELAY, 2, 1, 30), PLAIN),
    "long polling": (
        lambda seed: LongPolling(wait=10, pause=1),
        lambda occurred, horizon, delay, seed: sample_paths.long_polling(occurred, horizon, delay, 10, 1),
        theory.long_polling(RATE, DELAY, 10, 1),
        PLAIN,
    ),
    "stream": (lambda seed: Stream(), streamed, theory.stream(RATE, DELAY), ("mean_latency", *PLAIN[2:])),
    "fake stream": (
        lambda seed: FakeStream(interval=6),
        lambda occurred, horizon, delay, seed: sample_paths.fake_stream(occurred, horizon, delay, 6),
        theory.fake_stream(RATE, 6, DELAY),
        ("mean_latency", *PLAIN[2:]),
    ),
    "thin": (lambda seed: Thin(), fetched, theory.thin(RATE, DELAY), PLAIN),
    "batched": (
        lambda seed: Batched(count=3, max_wait=20),
        lambda occurred, horizon, delay, seed: sample_paths.batched(occurred, horizon, delay, 20, 3),
        theory.batched(RATE, 20, DELAY, 3),
        PLAIN,
    ),
    "relay": (
        lambda seed: Relay(interval=6),
        lambda occurred, horizon, delay, seed: sample_paths.relay(occurred, horizon, delay, 6),
        theory.relay(RATE, 6, DELAY),
        PLAIN,
    ),
    "feed": (
        lambda seed: Feed(interval=8, last=2),
        lambda *lived: again(lambda chance: lambda found: 8)(*lived, newest=2),
        theory.feed(RATE, 8, DELAY, 2),
        PLAIN[:3],
    ),
    "conditional feed": (
        lambda seed: ConditionalFeed(interval=8, last=2),
        lambda *lived: again(lambda chance: lambda found: 8)(*lived, newest=2),
        theory.feed(RATE, 8, DELAY, 2),
        PLAIN[:3],
    ),
    "hybrid": (
        lambda seed: Lossy(reconcile_interval=60, seed=seed),
        swept(RETRIES),
        theory.hybrid(RATE, DELAY, 60, LOSS, RETRIES),
        PLAIN[:4],
    ),
    "hybrid without retries": (
        lambda seed: Lossy(reconcile_interval=60, seed=seed),
        swept(()),
        theory.hybrid(RATE, DELAY, 60, LOSS),
        PLAIN[:4],
    ),
}
EVENTS = 450
HORIZON = EVENTS / RATE


@cache
def run(name, seed):
    approach, lived, *_ = CASES[name]
    waits = WAITS if name == "hybrid" else ()
    scenario = Scenario(poisson(3600 * RATE, HORIZON, seed), DELAY, retries=RetryProfile(waits=waits))
    result = VirtualLens().run(scenario, approach(seed))
    occurred = np.array([event.occurred_at for event in scenario.arrivals.events])
    return result, lived(occurred, HORIZON, DELAY, seed)


def row_figures(result):
    """A row by the names of the closed forms."""
    row = result.row()
    return row | {"mean_latency": row["latency"]["mean"], "staleness": row["staleness"]["mean"]}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_each_receipt_and_request_is_that_of_an_independent_life(name, seed):
    """To a microsecond, and every figure of the row with them."""
    result, lived = run(name, seed)
    received = result.receipts.received_at.to_numpy()
    assert received == pytest.approx(lived.received, abs=1e-6, rel=0, nan_ok=True)
    counted = result.counted
    sent = np.sort(lived.sent[lived.sent < HORIZON])
    assert np.sort(counted.sent_at) == pytest.approx(sent, abs=1e-6, rel=0)
    figures, row = lived.figures(), row_figures(result)
    for figure in CASES[name][3]:
        assert row[figure] == pytest.approx(figures[figure], rel=1e-6), figure


@cache
def many_lives(name):
    """The figures of 150 lives as long as a run."""
    lived, names = CASES[name][1], CASES[name][3]
    found = [
        lived(sample_paths.poisson_arrivals(1000 + seed, RATE, HORIZON), HORIZON, DELAY, 1000 + seed).figures()
        for seed in range(150)
    ]
    return {figure: np.array([each[figure] for each in found]) for figure in names}


@pytest.mark.parametrize("name", CASES)
def test_the_rows_figures_are_theorys(name):
    """Within what lives as long as these runs differ by: a rough check, where the receipts above are exact."""
    closed = CASES[name][2]
    rows = [row_figures(run(name, seed)[0]) for seed in SEEDS]
    for figure, spread in many_lives(name).items():
        expected = getattr(closed, figure)
        error = spread.std(ddof=1) / math.sqrt(len(rows))
        assert error <= 0.08 * max(expected, 0.1), figure
        measured = np.mean([row[figure] for row in rows])
        assert abs(measured - expected) <= BOUND * error + 1e-9, (figure, measured, expected, error)
