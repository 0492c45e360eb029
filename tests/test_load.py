"""The load: what is computed is what the virtual lens sends, and what a loop over consumers and polls counts."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import polled, pushed

from labkit import Outage, compare, poisson, profile, theory
from labkit.approaches import Batched, Leased, Polling, Relay, Stream, Thin, Webhook
from labkit.load import Costs, FanOut
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.waits import QUANTILES

RARE = poisson(per_hour=20, duration=600)


def run(approach, **world) -> Result:
    return compare(Scenario(RARE, **world), [approach])[0]


def quantiles(held: np.ndarray) -> dict[str, float]:
    return {name: float(np.quantile(held, q)) for name, q in QUANTILES.items()}


def walked(fan: FanOut, rng: np.random.Generator, copies: int = 1) -> Iterator[np.ndarray]:
    """The instants of all consumers' first polls, of their second ones, and so on: each copy draws its own pauses."""
    at = np.repeat(np.arange(fan.consumers) * fan.spread / fan.consumers, copies)
    while True:
        yield at
        at = at + fan.interval * rng.uniform(1 - fan.jitter, 1 + fan.jitter, len(at)) + 2 * fan.delay


def test_a_relay_s_polls_are_not_the_source_s():
    result = run(Relay(60.0))
    assert result.load().sum() == result.row()["events"] < result.row()["requests"]


@pytest.mark.parametrize(
    "fan",
    [
        FanOut(200_000, 30, delay=0.02, jitter=0.2),
        FanOut(200_000, 30, delay=0.5, spread=10, jitter=0.1),
        FanOut(200_000, 12, jitter=1.0),
    ],
    ids=lambda fan: f"jitter {fan.jitter}, spread {fan.spread}",
)
def test_with_jitter_it_is_the_mean_of_random_walks(fan):
    """Each count is at most binomial; 200 of them stay within 4.5 standard errors with probability 0.999."""
    sent, expected = np.zeros(200), fan.load(200).to_numpy()
    for at in takewhile(lambda at: (at < 200).any(), walked(fan, np.random.default_rng(0))):
        sent += np.bincount(at[at < 200].astype(int), minlength=200)
    assert sent[expected == 0].sum() == 0
    assert (np.abs(sent - expected) <= 4.5 * np.sqrt(expected)).all()


@pytest.mark.parametrize(
    "fan", [FanOut(1, 30, spread=30, jitter=0.01), FanOut(3, 30, 0.5, spread=20, jitter=0.2)], ids=str
)
def test_with_jitter_few_consumers_have_the_mean_of_random_walks(fan):
    """A consumer's polls per second are at most one, so 20,000 copies of it have a standard error of 0.0036 at most."""
    copies, expected = 20_000, fan.load(100).to_numpy()
    sent = np.zeros(100)
    for at in takewhile(lambda at: (at < 100).any(), walked(fan, np.random.default_rng(0), copies)):
        sent += np.bincount(at[at < 100].astype(int), minlength=100)
    assert sent / copies == pytest.approx(expected, abs=4.5 * 0.0036 * fan.consumers**0.5)


class TestResult:
    def test_counts_what_is_sent_up_to_the_horizon_without_set_up(self):
        assert polled().load(20).to_dict() == {0.0: 1, 20.0: 1, 40.0: 1}
        assert pushed().load(30).to_dict() == {0.0: 3, 30.0: 2}

    def test_the_sum_is_the_row_s_requests(self):
        result = run(Webhook(), consumers=3)
        assert result.load(7).sum() == result.row()["requests"] > 0

    def test_consumers_at_one_phase_are_a_herd_as_computed(self):
        result = run(Polling(60.0), consumers=7)
        assert result.load().tolist() == FanOut(7, 60, delay=0.02).load(600).tolist()

    def test_consumers_at_five_phases_poll_as_computed(self):
        fan = FanOut(5, 60, delay=0.02, spread=60.04)
        runs = [run(Polling(60.0, initial_delay=number * 12.008)) for number in range(5)]
        assert sum(each.load(5) for each in runs).tolist() == fan.load(600, 5).tolist()

    @pytest.mark.parametrize("approach", [Webhook(), Thin(), Batched(5, 30.0), Leased(100.0, 10.0), Stream()], ids=str)
    def test_of_the_model_is_that_of_each_consumer_for_all_of_them(self, approach):
        down = Outage(target="source", start=100, duration=200)
        scenario = Scenario(
            RARE, consumers=3, faults=(down,), retries=replace(profile("standard_webhooks"), jitter=0.0)
        )
        virtual, model = (compare(scenario, [approach], lens=lens)[0] for lens in ("virtual", "model"))
        assert model.load(5).tolist() == virtual.load(5).tolist()
        assert model.load().max() in (3, 6)
        assert model.costs(Costs(0.001)) == virtual.costs(Costs(0.001))

    def test_without_exchanges_it_refuses(self):
        result = compare(RARE, [Polling(60.0)], lens="model")[0]
        alone, load = "polling interval=60 has its row alone", r"FanOut\(consumers, interval\).load\(duration\)"
        with pytest.raises(ValueError, match=f"{alone}: for pollers, use {load}; for others, the virtual lens"):
            result.load()
        with pytest.raises(ValueError, match=f"{alone}: give the peak; for pollers, it is {load}.max()"):
            result.costs(Costs(0.001))
        assert result.costs(Costs(0.001), peak=2)["cores"] == 0.004


class TestFanOut:
    def test_latencies_of_five_phases_are_those_of_the_virtual_lens(self):
        fan = FanOut(5, 60, delay=0.02, spread=60.04)
        runs = [run(Polling(60.0, initial_delay=number * 12.008)) for number in range(5)]
        held = np.concatenate([each.receipts.latency for each in runs])
        figures = fan.latency([event.occurred_at for event in RARE.events])
        assert figures == pytest.approx({"mean": held.mean(), **quantiles(held), "max": held.max()}, abs=1.5e-9)

    def test_a_herd_has_the_model_lens_latencies(self):
        """Without a spread all consumers are one."""
        row = compare(Scenario(RARE, consumers=10_000_000), [Polling(60.0)], lens="model")[0].row()
        fan = FanOut(10_000_000, 60, delay=0.02)
        assert fan.latency([event.occurred_at for event in RARE.events]) == pytest.approx(row["latency"], abs=1.5e-9)

    @pytest.mark.parametrize(
        "fan",
        [
            FanOut(20_000, 30, delay=0.5, jitter=0.5),
            FanOut(20_000, 30, delay=0.02, spread=10, jitter=0.1),
            FanOut(20_000, 12, jitter=1.0),
        ],
        ids=lambda fan: f"jitter {fan.jitter}, spread {fan.spread}",
    )
    def test_with_jitter_latencies_are_those_of_random_walks(self, fan):
        """The share of a walker's latencies up to a quantile is a mean of independent walkers: 4 standard errors."""
        rng = np.random.default_rng(0)
        occurred = np.sort(rng.uniform(0, 300, 30))
        held = np.full((len(occurred), fan.consumers), np.nan)
        for at in walked(fan, rng):
            found = np.isnan(held) & (at >= occurred[:, None] - fan.delay)
            held = np.where(found, at + 2 * fan.delay - occurred[:, None], held)
            if not np.isnan(held).any():
                break
        figures = fan.latency(occurred.tolist())
        each = held.mean(axis=0)
        assert abs(each.mean() - figures["mean"]) <= 4 * each.std() / fan.consumers**0.5
        for name, q in QUANTILES.items():
            share = (held <= figures[name]).mean(axis=0)
            assert abs(share.mean() - q) <= 4 * share.std() / fan.consumers**0.5
        assert held.max() <= figures["max"] <= held.max() + 0.05 * fan.interval

    @pytest.mark.parametrize("consumers", [1, 2, 3, 50, 10_000_000])
    def test_jitter_delays_no_first_poll(self, consumers):
        """Before the first pause has passed, the mean latency is that without jitter."""
        fan = FanOut(consumers, 30, spread=30, jitter=0.01)
        expected = replace(fan, jitter=0.0).latency([0.0])["mean"]
        assert expected == pytest.approx(15 * (1 - 1 / consumers), abs=1e-6)
        assert fan.latency([0.0])["mean"] == pytest.approx(expected, abs=0.01 * fan.interval)

    @pytest.mark.parametrize("jitter", [0.01, 0.1, 0.5])
    @pytest.mark.parametrize("consumers", [1, 2, 7])
    def test_with_jitter_few_consumers_latencies_are_those_of_random_walks(self, consumers, jitter):
        """The mean within a hundredth of the interval, as documented, and four standard errors of it."""
        fan, occurred, copies = FanOut(consumers, 30, 0.5, spread=25, jitter=jitter), np.array([7.0, 44.0, 100.0]), 2000
        held = np.full((3, consumers * copies), np.nan)
        for at in walked(fan, np.random.default_rng(0), copies):
            found = np.isnan(held) & (at >= occurred[:, None] - fan.delay)
            held = np.where(found, at + 2 * fan.delay - occurred[:, None], held)
            if not np.isnan(held).any():
                break
        error = 4 * held.mean(axis=0).std() / held.shape[1] ** 0.5
        assert fan.latency(occurred.tolist())["mean"] == pytest.approx(held.mean(), abs=0.01 * fan.interval + error)

    def test_the_latency_of_nothing_is_refused(self):
        for none in ([], [-1.0]):
            with pytest.raises(ValueError, match="occurred must be instants >= 0 seconds, at least one, got"):
                FanOut(2, 30).latency(none)

    @given(consumers=st.integers(1, 9), interval=st.integers(1, 50), spread=st.floats(0, 1), seconds=st.integers(1, 9))
    def test_counts_each_poll_of_each_consumer(self, consumers, interval, spread, seconds):
        fan = FanOut(consumers, interval / 10, delay=0.25, spread=round(spread * (interval / 10 + 0.5), 2))
        nano, ends = 10**9, -(-20 // seconds) * seconds
        counts = [0] * (ends // seconds)
        for number in range(consumers):
            at = -(-number * round(fan.spread * nano) // consumers)
            while at < ends * nano:
                counts[at // (seconds * nano)] += 1
                at += round(fan.period * nano)
        assert fan.load(20, seconds).tolist() == counts

    def test_a_jitter_so_small_that_it_takes_minutes_is_refused(self):
        fan, needs = FanOut(10, 30, jitter=0.001), r"needs 5\d,\d{3},\d{3} steps of 0.0015 s, at most 10,000,000"
        for act in (lambda: fan.load(86_400), lambda: fan.latency([86_400.0])):
            with pytest.raises(ValueError, match=f"jitter=0.001 over 86,40\\d s {needs}: compute fewer seconds"):
                act()

    def test_jitter_flattens_a_herd_to_the_mean(self):
        load = FanOut(1_000_000, 30, jitter=0.2).load(1800)
        assert load.iloc[0] == 1_000_000
        assert load.iloc[1:24].sum() == 0
        assert load.iloc[24:36].sum() == pytest.approx(1_000_000)
        assert load.iloc[-60:].to_numpy() == pytest.approx(1_000_000 / 30, rel=0.01)

    def test_ten_million_poll_as_often_as_one(self):
        polls = theory.Polling(1, 30, 0.02).polls(86_400)
        assert FanOut(10_000_000, 30, delay=0.02).load(86_400, 60).sum() == 10_000_000 * polls
        assert set(FanOut(10_000_000, 30, spread=30).load(120)) == {333_333, 333_334}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"consumers": 0}, "consumers must be a whole number >= 1, got 0"),
            ({"interval": 0}, "interval must be > 0 seconds, got 0"),
            ({"delay": -1}, "delay must be >= 0 seconds each way, got -1"),
            ({"spread": 31}, "spread must be from 0 to 30 seconds, the period, got 31"),
            ({"jitter": 1.5}, "jitter must be from 0 to 1 of the interval, got 1.5"),
        ],
    )
    def test_refuses(self, change, message):
        with pytest.raises(ValueError) as caught:
            replace(FanOut(10, 30), **change)
        assert str(caught.value) == message

    def test_refuses_intervals_of_no_length(self):
        with pytest.raises(ValueError, match="seconds must be >= 1e-06 seconds per interval, got 0"):
            FanOut(10, 30).load(60, 0)
        with pytest.raises(ValueError, match="duration must be > 0 seconds, got 0"):
            FanOut(10, 30).load(0)


class TestCosts:
    FIGURES = Costs(0.001, memory_per_connection=50_000, utilization=0.5, core_hour=0.1, gigabyte=0.2)

    def test_are_the_peak_s_cores_and_the_sum_s_bytes(self):
        row = {"requests": 7200, "bytes_out": 10**9, "bytes_in": 2 * 10**9, "connection_seconds": 72_000.0}
        assert self.FIGURES.of(row, duration=7200, peak=10) == {
            "requests_per_second": 1.0, "peak_per_second": 10.0, "cores": 0.02, "connections": 10.0,
            "memory": 500_000.0, "bytes": 3e9, "price": pytest.approx(0.02 * 2 * 0.1 + 3 * 0.2),
        }  # fmt: skip

    def test_take_the_peak_from_the_load(self):
        result = run(Polling(60.0), consumers=7)
        assert result.costs(Costs(0.001, utilization=0.7))["cores"] == pytest.approx(0.01)

    def test_refuse_a_row_without_bytes_and_a_core_that_is_over_busy(self):
        row = {"requests": 1, "bytes_out": None, "bytes_in": None, "connection_seconds": None}
        with pytest.raises(ValueError, match="a lens that counts bytes and connections is needed, got no bytes_out"):
            self.FIGURES.of(row, 60, 1)
        with pytest.raises(ValueError, match="utilization must be > 0 and <= 1 of a core, got 2"):
            Costs(0.001, utilization=2)
