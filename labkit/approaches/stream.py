"""Stream: ask once, and be answered for ever: server-sent events (WHATWG HTML, 9.2)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import httpx

from labkit.approaches.consumer import Consumer, between, seconds


@dataclass(frozen=True)
class Stream:
    """Keep one answer open, in which the source writes each event as it happens; one that breaks is resumed.

    One request, one connection held all the time, and a comment every 15 s of silence.
    """

    name: ClassVar[str] = "stream"

    @property
    def path(self) -> str:
        return "/stream"

    def subscribe(self, consumer: Consumer) -> None:
        """Nothing to arrange."""

    def run(self, consumer: Consumer) -> None:
        """Read until ended; reconnect after `retry` milliseconds with the id of the last block (HTML, 9.2.3)."""
        client, headers, retry = consumer.client("poll"), {"Accept": "text/event-stream"}, 3.0
        while True:
            try:
                with client.stream("GET", self.path, headers=headers) as answer:
                    if answer.status_code == 204:
                        return
                    answer.raise_for_status()
                    consumer.stands(answer)
                    for block in blocks(answer.iter_lines()):
                        if "retry" in block and block["retry"].isdecimal():
                            retry = int(block["retry"]) / 1000
                        if "id" in block:
                            headers["Last-Event-ID"] = block["id"]
                        if "data" in block:
                            consumer.receive(json.loads(block["data"]), answer)
            except httpx.HTTPError:
                pass
            consumer.rest(retry)


@dataclass(frozen=True)
class FakeStream(Stream):
    """A push that is none: the same protocol, but behind it the source looks for news every `every` seconds.

    Nothing on the wire tells the two apart, except the latency: every / 2 late on average, as a poller is.
    """

    name: ClassVar[str] = "fake_stream"
    every: float = seconds(5.0)

    def __post_init__(self) -> None:
        between("every", self.every, 0.01, 60)

    @property
    def path(self) -> str:
        return f"/fake-stream?every={round(self.every, 6):g}"


def blocks(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Blocks of fields (HTML, 9.2.6): comments are passed over, lines of data are joined, an unended block is dropped.

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
        elif field:
            block[field] = value
