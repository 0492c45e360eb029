"""Scenarios and approaches for which the model lens is held against the virtual lens, and how."""

import re

import pytest
from hypothesis import strategies as st

from labkit import (
    Aimd,
    Arrivals,
    Batched,
    ConditionalFeed,
    Doorbell,
    Event,
    Feed,
    HalveDouble,
    Hybrid,
    Leased,
    LongPolling,
    Outage,
    Polling,
    Relay,
    RetryProfile,
    Scenario,
    Stream,
    Thin,
    Webhook,
    profile,
)
from labkit.arrivals import EPOCH
from labkit.lenses import ModelLens, VirtualLens
from labkit.lenses.model.history import Given
from labkit.lenses.model.schedules import SCHEDULES

UNEVEN = RetryProfile(waits=(5, 30, 60), jitter=0.3, timeout=10)
DOWN = Outage(duration=15, error="timeout")
AT_ONCE = RetryProfile(waits=(0,), rest=9)
RESTING = RetryProfile(waits=(5, 7), rest=10, timeout=20)
PROFILES = [*map(profile, ("standard_webhooks", "svix", "brevo", "slack", "github", "shopify", "twilio")), UNEVEN]


def happening(instants, duration, types=("tick",), width=3):
    events = (
        Event(f"evt_{n:0{width}}", types[n % len(types)], at, {"n": n, "text": "é" * (n % 7)})
        for n, at in enumerate(instants)
    )
    return Arrivals("made", tuple(events), duration, EPOCH, {})


def is_refused(scenario, approach):
    try:
        ModelLens().check(scenario, approach)
    except ValueError as error:
        assert str(error).endswith("use the virtual lens")
        return True
    return False


def check_same_or_refused(scenario, approach):
    """As `check_same`, unless the model refuses it. Of a run that is never settled the error must be the same."""
    try:
        if is_refused(scenario, approach):
            return
        history_of(scenario, approach)
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=f"^{re.escape(str(error))}$"):
            VirtualLens().run(scenario, approach)
    else:
        check_same(scenario, approach)


def history_of(scenario, approach):
    """A consumer's run by the model, with each instant; without a check of what it refuses."""
    return SCHEDULES[type(approach)].history(Given(scenario, approach))


def check_same(scenario, approach):
    """Every figure of the row, each receipt to the nanosecond, and the load, which the model has without polls."""
    virtual = VirtualLens().run(scenario, approach)
    found = history_of(scenario, approach)
    alone = virtual.receipts[virtual.receipts.consumer == "consumer-1"]
    assert found.received_at.tolist() == pytest.approx(alone.received_at.tolist(), abs=0, nan_ok=True)
    model = ModelLens().run(scenario, approach)
    assert model.row() == virtual.row() | {"lens": "model"}
    if model.sent_at is not None:
        assert model.load(0.1).tolist() == virtual.load(0.1).tolist()


instants = st.lists(st.integers(0, 19_999), max_size=14)
pollings = st.builds(
    Polling,
    interval=st.sampled_from([0.5, 1.0, 2.0, 4.98, 5.0, 7.0, 1 / 3]),
    fixed=st.sampled_from(["delay", "rate"]),
    initial_delay=st.sampled_from([0.0, 0.5, 1.234, 25.0]),
    limit=st.sampled_from([1, 2, 100]),
    types=st.sampled_from([(), ("a",), ("a", "c")]),
    filtered=st.sampled_from(["source", "client"]),
    conditional=st.booleans(),
)
pushes = st.one_of(
    st.sampled_from([Webhook(), Webhook(types=("a",)), Thin()]),
    st.builds(Batched, st.sampled_from([2, 3, 100]), st.sampled_from([0.0, 0.5, 2.0])),
    st.builds(Hybrid, st.sampled_from([0.5, 1.0, 4.0, 7.0])),
)
lists = st.one_of(
    st.builds(Relay, st.sampled_from([0.5, 1.0, 4.0, 7.0])),
    st.builds(Feed, st.sampled_from([0.5, 1.0, 4.0, 7.0]), st.sampled_from([1, 2, 10, 100])),
    st.builds(ConditionalFeed, st.sampled_from([0.5, 1.0, 4.0, 7.0]), st.sampled_from([1, 2, 10, 100])),
)

adaptives = st.one_of(
    st.builds(Aimd, start=st.sampled_from([0.5, 4.0, 30.0]), add=st.sampled_from([0.5, 5.0]), shortest=st.just(0.5)),
    st.builds(HalveDouble, start=st.sampled_from([0.5, 4.0, 30.0]), shortest=st.just(0.5)),
)
long_polls = st.one_of(
    st.builds(
        LongPolling,
        wait=st.sampled_from([0.1, 0.5, 4.0, 25.0]),
        pause=st.sampled_from([0.1, 0.5, 6.0]),
        limit=st.sampled_from([1, 2, 100]),
    ),
    st.builds(LongPolling, wait=st.sampled_from([0.5, 4.0, 12.345678]), limit=st.sampled_from([1, 100])),
)
others = st.one_of(
    st.just(Stream()),
    st.builds(Doorbell, st.sampled_from([0.0, 0.5, 4.0, 7.0])),
    st.builds(
        Leased,
        st.sampled_from([4.0, 10.1]),
        st.sampled_from([0.1, 2.0]),
        reconcile_interval=st.sampled_from([0.0, 3.0]),
    ),
)


def scenario_of(ms, ties, delay, duration):
    times = sorted(at - at % 500 if ties else at for at in ms)
    return Scenario(happening([at / 1000 for at in times if at < duration * 1000], duration, ("a", "b", "c")), delay)


scenarios = st.builds(
    scenario_of, instants, st.booleans(), st.sampled_from([0.0, 0.001, 0.02, 0.25, 0.5, 1.5]), st.integers(1, 20)
)
