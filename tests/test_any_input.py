"""Whatever comes in, each parser returns or raises the one error that it declares, and takes a bounded time.

The same is tested in test_schemes.py for the verifiers, test_wire.py for `Retry-After`, test_receiver.py for receivers.
"""

import itertools
import socket
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from time import thread_time

import httpx
import pytest
from flask import Flask, Response, request
from hypothesis import example, given
from hypothesis import strategies as st

from labkit import wire
from labkit.approaches import Aimd, Approach, ConditionalFeed, Consumer, Feed, LongPolling, OnDemand, Polling, Stream
from labkit.approaches.page import note_tag
from labkit.approaches.stream import LARGEST_BLOCK, blocks, lines
from labkit.clock import VirtualClock, monotonic
from labkit.ledger import Ledger
from labkit.log.read import read_log
from labkit.network.memory import MemoryNetwork
from labkit.server import RequestLimits
from labkit.server.reader import Reader, RefusedError
from labkit.server.request import Request as Reading
from labkit.source.store import Store

STREAM = [b"data: {}", b"data:", b"id: 7", b"retry: 1000", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\xc3", b":", b"\0"]
HTTP = [
    b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.0\r\n", b"Host: x\r\n", b"Content-Length: 5\r\n", b"Content-Length: 5, 5",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"\r\n", b"\n", b"5\r\nhello\r\n", b"0\r\n",
    b"hello", b"ffffffff\r\n", b" \t", b"X:", b"\0", b"\xff",
]  # fmt: skip
LOG = [
    "id,type,occurred_at\n", "occurred_at\n", '{"time": ', "}\n", "2026-01-31T12:00:00Z", "1700000000", ",",
    "31/01/2026 12:00", ";", "\t", '"', "\n", "\r", "\0", "\ufeff", "é", "[", "1e400", "NaN", "-1", "9" * 400, "24:00",
    "2026-02-30",
]  # fmt: skip


LISTENER = Stream()


def pieces(known: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Bytes of any kind, between pieces that the parser knows."""
    return st.lists(st.sampled_from(known) | st.binary(max_size=20), max_size=20)


@contextmanager
def reader_of(sent: bytes) -> Iterator[Reader]:
    """A reader of what a client sends before it leaves."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # macOS has 8,192 bytes
            ours.setsockopt(socket.SOL_SOCKET, option, 262_144)
            theirs.setsockopt(socket.SOL_SOCKET, option, 262_144)
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        reader = Reader(ours)
        reader.deadline = monotonic() + 30
        yield reader


def test_a_reader_of_streams_stops_at_a_line_or_a_block_that_does_not_end() -> None:
    """No more of it is read, although it comes byte by byte."""
    read, rows = itertools.count(), itertools.count()
    with pytest.raises(httpx.DecodingError, match="a line of a stream must have at most 1048576 characters, got more"):
        list(lines(b"x" for _ in read))
    with pytest.raises(httpx.DecodingError, match="a block's data must have at most 1048576 characters, got more"):
        list(blocks("data: " + "x" * 1000 for _ in rows))
    assert (next(read), next(rows)) == (LARGEST_BLOCK + 1, LARGEST_BLOCK // 1001 + 1)  # a line end joins two rows
    assert list(lines([b"x" * LARGEST_BLOCK, b"\n"])) == ["x" * LARGEST_BLOCK]


def listen(view: Callable[[], Response], approach: Approach = LISTENER) -> Ledger:
    """What is on record of a consumer that has read this stream, or this answer, again and again for 4 s."""
    app, clock, ledger = Flask("source"), VirtualClock(), Ledger()
    app.add_url_rule("/<path>", view_func=lambda path: view())
    network = MemoryNetwork(clock, ledger)
    consumer = Consumer("me", network.host("source", app), clock, network, ledger)
    ledger.add_consumer("me")
    ledger.happened("evt_1", 0.0)
    with clock:
        clock.spawn(approach.run, consumer)
        clock.run(until=4.0)
    return ledger


@pytest.mark.parametrize("junk", ["<html>", "[]", "{}", '{"id": 7}', "[" * 10_000])
def test_a_block_that_holds_no_event_is_an_error_and_the_stream_is_opened_again(junk: str) -> None:
    """From the last place before it: nothing is lost, and the consumer goes on."""
    resumed, good = list[str | None](), 'id: 1\ndata: {"id": "evt_1", "type": "a.b"}\n\n'

    def stream() -> Response:
        resumed.append(request.headers.get("Last-Event-ID"))
        return Response(f"{good}data: {junk}\n\n" if len(resumed) == 1 else "id: 2\ndata: {}\n\n")

    ledger = listen(stream)
    assert resumed[:2] == [None, "1"]
    assert ledger.error[0] == "DecodingError"
    assert ledger.received == 1


@pytest.mark.parametrize("retry", ["9" * 5000, "9" * 400, "1e3", "-1", "\u0661"])
def test_a_streams_retry_is_kept_to_a_number_that_can_be_waited_for(retry: str) -> None:
    ledger = listen(lambda: Response(f"retry: {retry}\n\n"))
    assert len(ledger.sent_at) == 2  # 3 s after the first


OTHER_SHAPES = [
    "[]", "null", "5", '{"events": {}}', '{"events": [5]}', '{"events": [{"id": "../a b", "type": "a.b"}]}',
    '{"events": [{"id": "evt_1"}]}', '{"events": [], "next": 5, "has_more": false, "oldest": null}',
    '{"events": [{"id": 7}], "next": "a\\u0000", "has_more": false, "oldest": "a\\n"}', "[" * 900 + "]" * 900,
]  # fmt: skip
READERS = [
    Polling(interval=1), LongPolling(wait=1), Feed(interval=1), ConditionalFeed(interval=1), OnDemand(interval=0.5),
    Aimd(start=1, shortest=1, longest=1), Stream(),
]  # fmt: skip


@pytest.mark.parametrize("approach", READERS, ids=lambda approach: approach.name)
@pytest.mark.parametrize("code", [200, 410])
@pytest.mark.parametrize("shape", OTHER_SHAPES, ids=lambda shape: shape[:40])
def test_json_of_another_shape_is_an_error_on_record_and_the_consumer_goes_on(
    approach: Approach, code: int, shape: str
) -> None:
    ledger = listen(lambda: Response(shape, code, mimetype="application/json"), approach)
    assert len(ledger.sent_at) > 1 and ledger.received == 0
    if isinstance(approach, Feed):
        junk = code == 200 and '"events": []' not in shape  # a feed has no cursor, which could be junk or expire
        assert set(ledger.error) == ({"DecodingError"} if junk else {""})
    elif not (isinstance(approach, Stream) and code == 200):  # there, it is a field without a meaning
        assert set(ledger.error) == {"DecodingError"}


@pytest.mark.parametrize("cursor", ["a\\u0000", "a b", "\\u00e9", "x" * 100_000])
def test_a_cursor_that_no_url_can_hold_is_an_error_on_record(cursor: str) -> None:
    page = f'{{"events":[],"next":"{cursor}","has_more":true}}'
    ledger = listen(lambda: Response(page, mimetype="application/json"), Polling(interval=1))
    assert len(ledger.sent_at) > 1 and set(ledger.error) == {"DecodingError"}


@pytest.mark.parametrize("tag", [None, ""])
@pytest.mark.parametrize("approach", [Polling(interval=1, conditional=True), ConditionalFeed(interval=1)])
def test_a_tag_that_is_missing_is_not_sent(approach: Approach, tag: str | None) -> None:
    sent = list[str | None]()

    def page() -> Response:
        sent.append(request.headers.get("If-None-Match"))
        answer = Response('{"events":[],"next":"~#\\"","has_more":false}', mimetype="application/json")
        if tag is not None:
            answer.headers["ETag"] = tag
        return answer

    ledger = listen(page, approach)
    assert len(sent) > 1 and set(sent) == {None} and set(ledger.error) == {""}


def test_a_tag_that_no_header_can_repeat_is_not_kept() -> None:
    known = dict[str, str]()
    note_tag(httpx.Response(200, headers=[(b"ETag", b"\xe9")]), known)
    assert known == {}
    note_tag(httpx.Response(200, headers=[(b"ETag", b'W/"a"')]), known)
    assert known == {"If-None-Match": 'W/"a"'}


@pytest.mark.parametrize(("id", "resumed"), [("é", "Ã©"), (" 7 ", "7"), ("a\x01b", None), ("a\x7f", None)])
def test_a_streams_id_is_sent_back_only_if_a_header_can_hold_it(id: str, resumed: str | None) -> None:
    """The browsers' way: in UTF-8, which the server's side reads as Latin-1."""
    sent = list[str | None]()

    def stream() -> Response:
        sent.append(request.headers.get("Last-Event-ID"))
        return Response(f"id: {id}\n\n")

    listen(stream)
    assert sent == [None, resumed]


def bounded(test: Callable[..., None]) -> Callable[..., None]:
    """The test, which must take less than 20 MB (an import may be a part of it) and 2 s of processor time per input."""

    @wraps(test)
    def measured(**inputs: object) -> None:
        began = thread_time()
        tracemalloc.start()
        try:
            test(**inputs)
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()
        assert thread_time() - began < 2

    return measured


@given(pieces(STREAM))
@bounded
def test_any_bytes_are_a_stream_however_they_are_cut(chunks: list[bytes]) -> None:
    whole = list(blocks(lines([b"".join(chunks)])))
    assert list(blocks(lines(chunks))) == whole
    assert all(isinstance(value, str) for block in whole for value in block.values())


@given(pieces(HTTP))
@example([b"GET / HTTP/1.1\r\n", b"X:" + b" " * 16_000 + b"\0\r\n"])
@bounded
def test_any_bytes_are_a_request_or_are_refused_with_a_4xx(sent: list[bytes]) -> None:
    with reader_of(b"".join(sent)) as reader:
        reading = Reading(reader, RequestLimits(body=1000))
        try:
            reading.read_head()
            reading.read_body(lambda data: None)
        except RefusedError as refused:
            assert 400 <= refused.status < 500
            return
    assert reading.method and len(reading.body) <= 1000


@given(st.lists(st.sampled_from(LOG) | st.text(max_size=10), max_size=25), st.binary(max_size=5))
@bounded
def test_any_file_is_a_log_or_a_value_error_that_names_it(text: list[str], more: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "any.csv")
        file.write_bytes("".join(text).encode("utf-8", "surrogatepass") + more)
        try:
            log = read_log(file)
        except ValueError as error:
            assert "any.csv" in str(error)
        else:
            assert (log.at[1:] >= log.at[:-1]).all()


@given(st.text(st.characters(), max_size=40) | st.text("ABab01-_=", min_size=16, max_size=16))
@bounded
def test_any_text_is_refused_as_a_cursor(text: str) -> None:
    store = Store(b"k" * 16)
    with suppress(ValueError):
        assert store.place(text) == 0 and text == ""


@pytest.mark.parametrize("piece", ["9", "Thu, ", "(", '"', "\\", " ", "01 Jan 1970 ", "00:", "+"])
def test_of_a_long_retry_after_only_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch, piece: str) -> None:
    read, parse = list[str](), wire.parsedate_to_datetime
    monkeypatch.setattr(wire, "parsedate_to_datetime", lambda text: read.append(text) or parse(text))  # type: ignore[func-returns-value]
    assert 0 <= wire.retry_after(piece * 20_000, 0.0, 3600.0) <= 3600
    assert all(len(text) <= 100 for text in read) and bool(read) == (piece != "9")


def test_a_long_line_of_a_request_is_refused_before_its_end() -> None:
    with reader_of(b"GET /" + b"x" * 100_000) as reader, pytest.raises(RefusedError) as refused:
        Reading(reader, RequestLimits()).read_head()
    assert refused.value.status == 414
