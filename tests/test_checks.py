"""The vocabulary of checks: what passes is returned, and a refusal shows the name, the rule and the value."""

import math
import operator
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.checks import event_types, number, one_of, share, whole

finite = st.floats(allow_nan=False, allow_infinity=False)
small = st.integers(-3, 3)
LIMITS = {"above": operator.gt, "least": operator.ge, "below": operator.lt, "most": operator.le}
NO_NUMBERS = [True, False, None, "1", b"1", [1], 1j, Decimal(1), math.nan, math.inf, -math.inf, 10**400]


def refuses(check, *given, **limits):
    try:
        check("x", *given, **limits)
    except ValueError as error:
        assert str(error).startswith("x must be ")
        assert str(error).endswith(f", got {given[0]!r}")
        return True
    return False


@given(value=st.floats() | small, limits=st.dictionaries(st.sampled_from(list(LIMITS)), finite | small))
def test_a_number_is_refused_unless_it_is_finite_and_meets_every_limit(value, limits):
    fits = math.isfinite(value) and all(LIMITS[name](value, limit) for name, limit in limits.items())
    assert refuses(number, value, **limits) == (not fits)
    if fits:
        assert number("x", value, **limits) == value


@given(value=st.floats() | small)
def test_a_share_is_a_number_from_0_to_1(value):
    assert refuses(share, value) == (not 0 <= value <= 1)


@given(value=st.integers(), least=small, most=small | st.just(math.inf))
def test_a_whole_number_is_refused_outside_its_limits(value, least, most):
    assert refuses(whole, value, least, most) == (not least <= value <= most)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_these_are_no_numbers(value):
    """A bool is none: `limit=True` would otherwise be a limit of 1."""
    assert refuses(number, value)
    assert refuses(whole, value, 0, 1000)


@pytest.mark.parametrize("value", [1.0, np.float64(1), 0.5], ids=lambda value: type(value).__name__ + str(value))
def test_a_float_is_no_whole_number(value):
    assert refuses(whole, value, 0)


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2), np.float32(2), np.float64(2)])
def test_numpys_numbers_are_numbers_and_come_back_as_pythons(value):
    assert type(number("x", value)) is float
    if isinstance(value, int | np.integer):
        assert type(whole("x", value, 0)) is int


@pytest.mark.parametrize(("value", "choices"), [(1, (True, False)), (True, (1, 2)), ("rates", ("rate",)), (None, ())])
def test_a_choice_is_equal_to_one_and_of_its_type(value, choices):
    with pytest.raises(ValueError, match="^x must be "):
        one_of("x", value, choices)
    one_of("x", value, (*choices, value))


@pytest.mark.parametrize("types", ["door", None, ["door"], ("",), ("door", 1), ("..",), ("x" * 129,)])
def test_event_types_are_a_tuple_of_types(types):
    with pytest.raises(ValueError, match="^types must be a tuple of event types"):
        event_types(types)
    event_types(())
    event_types(("Door.Opened", "x" * 128))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: number("rate", math.nan), "rate must be a finite number, got nan"),
        (lambda: number("interval", -1, "seconds", above=0), "interval must be > 0 seconds, got -1"),
        (
            lambda: number("interval", math.inf, "seconds", above=0),
            "interval must be a finite number > 0 seconds, got inf",
        ),
        (lambda: number("delay", 15, "seconds", least=0, below=15), "delay must be >= 0 and < 15 seconds, got 15"),
        (lambda: number("wait", 61, "seconds", least=1e-6, most=60), "wait must be from 1e-06 to 60 seconds, got 61"),
        (lambda: share("q", 1.1), "q must be from 0 to 1, got 1.1"),
        (
            lambda: share("jitter", "x", "of the interval"),
            "jitter must be a finite number from 0 to 1 of the interval, got 'x'",
        ),
        (lambda: whole("seed", -1, 0), "seed must be a whole number >= 0, got -1"),
        (
            lambda: whole("limit", 0, 1, 1000, "events per page"),
            "limit must be a whole number from 1 to 1000 events per page, got 0",
        ),
        (lambda: one_of("fixed", "speed", ("delay", "rate")), "fixed must be 'delay' or 'rate', got 'speed'"),
        (
            lambda: event_types(["door"]),
            "types must be a tuple of event types such as 'earthquake.detected', got ['door']",
        ),
    ],
)
def test_all_messages_have_one_grammar(check, message):
    with pytest.raises(ValueError) as refused:
        check()
    assert str(refused.value) == message
