"""A source on a virtual clock with endpoints that answer by script, for several test modules."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, request

from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.network.memory import MemoryNetwork
from labkit.policies import RetryProfile
from labkit.source import EventSource
from labkit.sqlite import Database

EPOCH = 1_700_000_000
Answer = Callable[[str, int], Response]


class World:
    """A source on a virtual clock, and endpoints that answer by script."""

    def __init__(
        self,
        waits: tuple[float, ...] = (1, 1),
        delay: float = 0.0,
        seed: int = 0,
        db: Database | None = None,
        retention: float | None = None,
        **more: Any,
    ) -> None:
        self.clock, self.ledger = VirtualClock(epoch=EPOCH), Ledger()
        self.network = MemoryNetwork(self.clock, self.ledger, delay)
        profile = RetryProfile(waits=waits, **more)
        self.source = EventSource(
            self.clock, self.network, random.Random(seed), db=db, retries=profile, retention=retention
        )
        self.source.app.config["PROPAGATE_EXCEPTIONS"] = True
        self.url = self.network.host("source", self.source.app)
        self.http = self.network.client("me", "setup", self.url)

    def endpoint(
        self, name: str, answer: Answer = lambda event, nth: Response(), types: tuple[str, ...] = (), **options: Any
    ) -> Any:
        """An active endpoint; `options` go into its subscription.

        `answer` is told the event's id and which attempt of it this is. `got`: (at, id).
        """
        app, got, times = Flask(name), [], Counter[str]()

        @app.post("/hook")
        def hook() -> Response:
            message = request.get_json()
            if message["type"] == "endpoint.verify":
                return Response(json.dumps(message["data"]))
            got.append((self.clock.now(), message["id"]))
            times[message["id"]] += 1
            return answer(message["id"], times[message["id"]])

        self.network.host(name, app)
        made = self.http.post(
            "/subscriptions", json={"url": f"http://{name}/hook", "types": list(types), **options}
        ).json()
        self.verify(made["id"])
        return SimpleNamespace(name=name, got=got, id=made["id"])

    def verify(self, id: str) -> None:
        assert self.http.post(f"/subscriptions/{id}/verify").json()["status"] == "active"

    def emit(self, id: str = "", type: str = "a", **data: object) -> str:
        emitted: str = json.loads(self.source.emit(type, data, id))["id"]
        return emitted

    def attempts(self, endpoint: Any) -> list[tuple[str, int, int]]:
        """Event, number and status of each attempt on record."""
        listed = self.http.get(f"/subscriptions/{endpoint.id}/attempts").json()["attempts"]
        return [(each["event"], each["number"], each["status"]) for each in listed]

    def status(self, endpoint: Any) -> str:
        status: str = self.http.get(f"/subscriptions/{endpoint.id}").json()["status"]
        return status

    def redeliver(self, endpoint: Any, since: str = "") -> Any:
        return self.http.post(f"/subscriptions/{endpoint.id}/redeliver", json={"since": since})

    def deliveries(self) -> Counter[str]:
        """How many of the ledger's deliveries went to each host."""
        return Counter(
            host for kind, host in zip(self.ledger.kind, self.ledger.host, strict=True) if kind == "delivery"
        )

    def counts(self) -> tuple[int, int, int]:
        """Pending, delivered, dead."""
        found = self.source.outbox.counts()
        return found["pending"], found["delivered"], found["dead"]

    def close(self) -> None:
        self.clock.close()
        self.source.db.close()


@contextmanager
def world(*args: Any, **kwargs: Any) -> Iterator[World]:
    with closing(World(*args, **kwargs)) as made:
        yield made
