"""Events and their JSON: strict on the way in, exact on the way out."""

import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.event import ID, TYPE, Event, from_json, timestamp, to_json

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refusal(raw: bytes) -> str:
    with pytest.raises(ValueError) as caught:
        from_json(raw)
    return str(caught.value)


@given(documents)
def test_what_is_written_is_read_again(document: object) -> None:
    read = from_json(to_json(document))
    assert read == document
    assert to_json(read) == to_json(document)  # 1 == 1.0 == True, but they are not written alike


@given(documents)
def test_what_is_written_is_json_to_others(document: object) -> None:
    written = to_json(document)
    assert json.loads(written.decode("utf-8")) == document


@given(st.binary() | st.text().map(str.encode) | documents.map(to_json).flatmap(lambda raw: st.just(raw[:-1])))
def test_any_bytes_are_read_or_refused_with_a_value_error(raw: bytes) -> None:
    try:
        document = from_json(raw)
    except ValueError:
        return
    assert from_json(to_json(document)) == document


@given(st.text('{}[]",:\\u0dD8ef1 -.eEnulNaI\n', max_size=40))
def test_almost_json_is_read_as_pythons_own_reader_reads_it_or_refused(text: str) -> None:
    try:
        document = from_json(text.encode())
    except ValueError:
        return
    assert json.loads(text) == document


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"{'a': 1}", "Expecting property name"),
        (b'{"a": 1} x', "Extra data"),
        (b'"\x01"', "Invalid control character"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b'{"a": 1e400}', "the number 1e400 is too large"),
        (b"-1e400", "the number -1e400 is too large"),
        (b'{"a": 1, "b": 2, "a": 1}', "the name 'a' appears twice in one object"),
        (b'[{"a": {"b": 1, "b": 1}}]', "the name 'b' appears twice in one object"),
        (b'{"a": 1, "\\u0061": 2}', "the name 'a' appears twice in one object"),
        (b"\xef\xbb\xbf{}", "the text starts with a byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "the text is not UTF-8: byte 0xff at offset 0"),
        (b'{"a": "\xe9"}', "the text is not UTF-8: byte 0xe9 at offset 7"),
        (b'"\xed\xa0\x80"', "the text is not UTF-8: byte 0xed at offset 1"),
        (b'"\\ud800"', r"\ud800 is half of a surrogate pair"),
        (b'{"a": [{"\\uDFFF": 1}]}', r"\udfff is half of a surrogate pair"),
    ],
)
def test_what_is_no_strict_json_is_refused_and_the_message_says_why(raw: bytes, said: str) -> None:
    assert said in refusal(raw)


def test_utf16_without_a_mark_is_refused() -> None:
    assert refusal('{"a": 1}'.encode("utf-16-le"))


@pytest.mark.parametrize("depth", [101, 102, 2_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_beyond_100_levels_is_refused(depth: int, opening: bytes, closing: bytes) -> None:
    assert refusal(opening * depth + b"1" + closing * depth) == "the nesting is deeper than 100 levels"


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_brackets_that_are_only_opened_are_refused(depth: int) -> None:
    assert refusal(b"[" * depth)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_of_100_levels_is_read(opening: bytes, closing: bytes) -> None:
    document, depth = from_json(opening * 100 + b"1" + closing * 100), 0
    while isinstance(document, list | dict):
        document, depth = document[0] if isinstance(document, list) else document["a"], depth + 1
    assert (document, depth) == (1, 100)


def test_a_whole_pair_of_surrogates_is_one_character() -> None:
    assert from_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_a_very_long_integer_is_read_quickly_and_stays_beyond_64_bits() -> None:
    """Python refuses to read 5,000 digits with an error of its own."""
    number = from_json(b"9" * 60_000)
    assert isinstance(number, int)
    assert number > 2**64
    assert from_json(b"-" + b"9" * 60_000) < -(2**64)  # type: ignore[operator]


def test_a_repeated_name_is_found_in_one_pass() -> None:
    """Counting each name's places anew takes the square of their number: minutes for these."""
    names = [f'"{number}":1' for number in range(100_000)]
    assert "'99999' appears twice" in refusal(("{" + ",".join([*names, names[-1]]) + "}").encode())


@pytest.mark.parametrize("document", [math.nan, [math.inf], {"a": -math.inf}, "\ud800"])
def test_what_json_cannot_carry_is_not_written(document: object) -> None:
    with pytest.raises(ValueError, match=r"not JSON compliant|surrogates not allowed"):
        to_json(document)


def test_json_is_compact_utf_8_in_the_order_given() -> None:
    assert to_json({"b": "é", "a": [1, None, True]}) == '{"b":"é","a":[1,null,true]}'.encode()


# --- timestamps


@given(st.integers(0, 4_102_444_800_000))
def test_a_timestamp_is_the_instant_to_the_millisecond(milliseconds: int) -> None:
    """The oracle counts whole milliseconds in integers, to the year 2100; a float holds microseconds until then."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    written = timestamp(milliseconds / 1000)
    assert datetime.fromisoformat(written) == instant
    assert (len(written), written[-1]) == (len("2018-01-31T01:49:59.650Z"), "Z")


@pytest.mark.parametrize(
    ("unix", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_517_363_399.65, "2018-01-31T01:49:59.650Z"),
        (1_519_862_400, "2018-03-01T00:00:00.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (0.000_001, "1970-01-01T00:00:00.000001Z"),
        (1.999_999_9, "1970-01-01T00:00:02.000Z"),
    ],
)
def test_a_timestamp_is_rfc_3339_in_utc(unix: float, written: str) -> None:
    assert timestamp(unix) == written


# --- events and their ids


def test_an_event_is_frozen_and_compares_by_value() -> None:
    event = Event("evt_1", "door.opened", 1.5, {"door": 7})
    assert event == Event("evt_1", "door.opened", 1.5, {"door": 7})
    with pytest.raises(AttributeError):
        event.id = "evt_2"  # type: ignore[misc]


@pytest.mark.parametrize("id", ["e", "evt_1", "-", "A" * 64])
def test_these_can_be_ids(id: str) -> None:
    assert ID.fullmatch(id)


@pytest.mark.parametrize("id", ["", "a.b", "a b", "A" * 65, "é", "evt_1\n", "１"])
def test_these_cannot_be_ids(id: str) -> None:
    assert not ID.fullmatch(id)


@pytest.mark.parametrize("type", ["a", "_", "door.opened", "Door.Opened", "a.b_c.9", "x" * 128])
def test_these_can_be_types(type: str) -> None:
    assert TYPE.fullmatch(type)


@pytest.mark.parametrize("type", ["", ".", "..", "a..b", ".a", "a.", "a b", "a-b", "é", "a\n", "１", "x" * 129])
def test_these_cannot_be_types(type: str) -> None:
    assert not TYPE.fullmatch(type)


def test_floats_survive_to_the_bit() -> None:
    for number in (0.1, 5e-324, 1.7976931348623157e308, -0.0, 1e22):
        read = from_json(to_json(number))
        assert struct.pack(">d", read) == struct.pack(">d", number)
