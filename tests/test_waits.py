"""Figures of many waits, against all waits written out, one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.waits import QUANTILES, spread_waits

whole = st.integers(1, 50)


@given(
    consumers=st.integers(1, 7),
    period=whole,
    share=st.floats(0, 1),
    since=st.lists(st.integers(-9, 200), min_size=1, max_size=5),
    unit=st.sampled_from([1, 10**16]),
)
def test_the_figures_are_those_of_all_waits(consumers, period, share, since, unit):
    """Also where the products do not fit in 64 bits. The mean is that of instants that are not rounded."""
    period, spread, waits = period * unit, int(share * period) * unit, []
    for instant in (each * unit for each in since):
        for number in range(consumers):
            at = number * spread // consumers
            waits.append(at - instant if at >= instant else (at - instant) % period)
    figures = spread_waits(np.array(since) * unit, consumers, spread, period)
    assert figures["mean"] == pytest.approx(np.mean(waits), abs=1, rel=1e-12)
    for name, q in QUANTILES.items():
        assert figures[name] == pytest.approx(np.quantile(waits, q), abs=1e-9, rel=1e-12)
    assert figures["max"] == float(max(waits))
