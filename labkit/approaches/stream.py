"""Stream: one request, and an answer that does not end: server-sent events (WHATWG HTML, 9.2)."""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from labkit import theory
from labkit.approaches.approach import Approach, Style
from labkit.approaches.consumer import Consumer
from labkit.approaches.page import is_event, oldest, rejected
from labkit.approaches.parameters import seconds
from labkit.wire import HEARTBEAT, SHORTEST_LOOK

LARGEST_BLOCK = 1_048_576
"""The most characters of a line, and of a block's data. Of a source that sends more, nothing more is read."""
_LINE_END = re.compile("\r\n|\n|\r(?=.)", re.DOTALL)


@dataclass(frozen=True)
class Stream(Approach):
    """Keep one answer open, in which the source writes each event as it happens; resume it if it breaks.

    One request, one connection held all the time, and a comment after each 15 s without an event.
    """

    name: ClassVar[str] = "stream"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real", "model")
    phrase: ClassVar[str] = "stream"
    style: ClassVar[Style] = Style("#56B4E9", "p", "..")
    reconnect_pause: ClassVar[float] = 1.0
    """Seconds before it reconnects: the source's `retry`."""

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.Stream(rate, delay)

    @property
    def path(self) -> str:
        return "/stream"

    def run(self, consumer: Consumer) -> None:
        """Read until the run ends; reconnect after `retry` ms, with the last block's id (HTML, 9.2.3)."""
        client, last, retry = consumer.client("poll"), "", 3.0
        while True:
            headers = {b"Accept": b"text/event-stream"} | ({b"Last-Event-ID": last.strip().encode()} if last else {})
            try:
                with client.stream("GET", self.path, headers=headers) as answer:
                    if answer.status_code == 204:
                        return
                    if answer.status_code == 410:
                        answer.read()
                        last = oldest(answer)
                        continue  # at once, or it may expire again
                    answer.raise_for_status()
                    consumer.mark_open_ended(answer)
                    for block in blocks(lines(answer.iter_raw())):
                        if re.fullmatch("[0-9]{1,9}", block.get("retry", "")):
                            retry = int(block["retry"]) / 1000
                        if block.get("id", "").isprintable():  # a header could not send another one
                            last = block.get("id", last)
                        if block.get("data"):
                            consumer.receive(_event(block["data"], answer), answer)
            except httpx.HTTPError:
                pass
            consumer.pause(retry)


@dataclass(frozen=True)
class FakeStream(Stream):
    """A stream that is no push: the same protocol, but the source polls its own store every `interval` seconds.

    Status, headers and number of requests are a stream's. The latency is a poller's: interval / 2 on average.
    """

    name: ClassVar[str] = "fake_stream"
    lenses: ClassVar[tuple[str, ...]] = ("virtual", "real")
    phrase: ClassVar[str] = "fake stream, {interval}"
    style: ClassVar[Style] = Style("#6A51A3", "H", "*")
    interval: float = seconds(5.0, SHORTEST_LOOK, HEARTBEAT)

    def theory(self, rate: float, delay: float) -> theory.ClosedForm:
        return theory.FakeStream(rate, self.interval, delay)

    @property
    def path(self) -> str:
        return f"/fake-stream?interval={round(self.interval, 6):g}"


def _event(data: str, answer: httpx.Response) -> Any:
    """The event in a block's data. Raises httpx.DecodingError, an HTTPError, for what is none."""
    with suppress(ValueError, RecursionError):
        event = json.loads(data)
        if is_event(event):
            return event
    raise rejected(answer, f"a block must hold an event, got {data[:80]!r}")


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines as HTML, 9.2.5 defines them: they end in CR, LF or CRLF only; a byte order mark is dropped.

    Raises httpx.DecodingError for a line of more than LARGEST_BLOCK characters.

    >>> list(lines([b"data: a\\x0cb\\r", b"\\n: c\\n\\n", b"cut off"]))
    ['data: a\\x0cb', ': c', '']
    """
    decoder, text = getincrementaldecoder("utf-8-sig")("replace"), ""
    for chunk in chunks:
        searched = max(0, len(text) - 1)  # a CR at the end may be half of a CRLF
        text += decoder.decode(chunk)
        while end := _LINE_END.search(text, searched):
            yield text[: end.start()]
            text, searched = text[end.end() :], 0
        if len(text) > LARGEST_BLOCK:
            raise httpx.DecodingError(f"a line of a stream must have at most {LARGEST_BLOCK} characters, got more")


def blocks(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Blocks of fields (HTML, 9.2.6): comments are skipped, data lines joined, an unfinished block dropped.

    Raises httpx.DecodingError for data of more than LARGEST_BLOCK characters.

    >>> list(blocks(["id: 7", "data: a", "data: b", "", ": still here", "retry: 1000", "", "data: cut off"]))
    [{'id': '7', 'data': 'a\\nb'}, {'retry': '1000'}]
    """
    block: dict[str, str] = {}
    for line in lines:
        if not line:
            if block:
                yield block
            block = {}
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data" and "data" in block:
            block["data"] += "\n" + value
            if len(block["data"]) > LARGEST_BLOCK:
                raise httpx.DecodingError(f"a block's data must have at most {LARGEST_BLOCK} characters, got more")
        elif field:
            block[field] = value
