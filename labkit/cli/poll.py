"""`labkit poll`: a polling client to use by hand, beside `labkit serve`."""

import signal
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import click
import flask
import httpx

from labkit.approaches import Consumer, Polling
from labkit.cli.credentials import given_token, token_file_option
from labkit.cli.output import print_json_line
from labkit.clock import RealClock, Stopped
from labkit.event import timestamp
from labkit.ledger import Kind, Ledger
from labkit.network.egress import Egress
from labkit.network.sockets import SocketNetwork


@click.command("poll")
@click.argument("url", metavar="URL")
@click.option(
    "--interval", type=float, default=10.0, show_default=True, metavar="SECONDS", help="Pause after each answer."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after N polls. [default: poll until Ctrl-C]")
@token_file_option
@click.option("--allow", metavar="HOST", multiple=True, help="Poll this host too, which is not on this machine.")
def poll_command(url: str, interval: float, count: int | None, token_file: str | None, allow: tuple[str, ...]) -> None:
    """Poll the source at URL, from its first event on, and print each poll and each event as a line of JSON.

    The pause is longer where the source says so: Retry-After, X-Poll-Interval. A poll that fails is printed, and
    polling goes on. Ends on Ctrl-C or SIGTERM.
    """
    egress, token = Egress(hosts=tuple(host.lower() for host in allow)), given_token(token_file)
    url, polling = _checked(url, egress), Polling(interval=interval)
    clock, ledger = RealClock(), Ledger()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt, Stopped), closing(SocketNetwork(clock, ledger, egress=egress)) as network:
        try:
            polling.run(_Printer("consumer", url, clock, network, ledger, left=count, token=token))
        except (KeyError, TypeError, ValueError) as error:
            raise click.UsageError(f"{url}: GET /events gave no page of events; is this a source?") from error


def _checked(url: str, egress: Egress) -> str:
    """A source's URL. Raises click.UsageError for another, and OSError for a host that may not be called."""
    expected = f"URL must be a source's, such as http://127.0.0.1:8000 (without /events), got {url!r}"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise click.UsageError(f"{expected}: {error}") from None
    if parsed.scheme != "http" or not parsed.host or parsed.query or parsed.path.rstrip("/").endswith("/events"):
        raise click.UsageError(expected)
    egress.resolve(parsed.host, parsed.port or 80)
    return url


@dataclass
class _Printer(Consumer):
    """A consumer that prints what the ledger holds of each poll, and the events that it brought."""

    left: int | None = None
    """Polls until it stops."""
    token: str = field(default="", repr=False)
    printed: int = 0
    events: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def client(self, kind: Kind) -> httpx.Client:
        """A client that sends the source's token, if it has one (RFC 6750)."""
        client = super().client(kind)
        if self.token:
            client.headers["Authorization"] = f"Bearer {self.token}"
        return client

    def receive(self, event: Mapping[str, Any], carrier: httpx.Response | flask.Request) -> None:
        assert isinstance(carrier, httpx.Response)
        self.events.setdefault(carrier.extensions["labkit.exchange"], []).append(event)

    def pause(self, seconds: float) -> None:
        """Print the poll, and the pages that it followed; then sleep, as every consumer does, or stop."""
        pause = max(seconds, self.not_before - self.clock.now())
        made = len(self.ledger.status)
        for exchange in range(self.printed, made):
            events = self.events.pop(exchange, [])
            at = timestamp(round(self.clock.epoch + self.ledger.sent_at[exchange], 3))
            status, error = self.ledger.status[exchange] or None, self.ledger.error[exchange] or None
            if exchange == 0 and error == "DecodingError":  # of a source that has answered before, it is a failed poll
                raise ValueError("the first answer is no JSON")
            after = round(pause, 3) if exchange == made - 1 else 0.0
            poll = {"poll": exchange + 1, "at": at, "status": status, "error": error}
            for line in (poll | {"events": len(events), "pause": after}, *events):
                print_json_line(line)
        self.printed = made
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise Stopped
        super().pause(seconds)
