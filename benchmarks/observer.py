"""What observing costs: an exchange that is recorded, and a run beside another one, on sockets."""

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
from flask import Flask

from benchmarks.line import Line, seconds, turns
from labkit import Approach, Polling, Scenario, Webhook, poisson
from labkit.clock import RealClock
from labkit.ledger import Ledger
from labkit.lenses import RealLens
from labkit.network.exchange import CLIENT_HEADERS
from labkit.network.sockets import SocketNetwork
from labkit.result import Result
from labkit.server import serve


def ledger(short: bool) -> Iterator[Line]:
    posts, rounds = (20, 1) if short else (300, 9)
    app = Flask("peer")
    app.post("/")(lambda: "")
    with serve(app) as server:
        network = SocketNetwork(RealClock(), Ledger())
        recorded, plain = network.client("bench", "action"), httpx.Client(headers=CLIENT_HEADERS, trust_env=False)

        def milliseconds(client: httpx.Client) -> float:
            return 1000 * statistics.median(
                seconds(lambda: client.post(server.url, content=b"{}")) for _ in range(posts)
            )

        milliseconds(recorded), milliseconds(plain)
        pairs = turns(lambda: milliseconds(recorded), lambda: milliseconds(plain), rounds)
        network.close()
    yield Line("a POST that is recorded", "a POST by httpx alone", "ms", "less", pairs)


def beside(short: bool) -> Iterator[Line]:
    rounds = 1 if short else 3
    arrivals = poisson(per_hour=36_000, duration=0.5 if short else 8.0, seed=1)

    def run(approach: Approach) -> Result:
        return RealLens().run(Scenario(arrivals, delay=0.0), approach)

    def run_together() -> Result:
        with ThreadPoolExecutor() as pool:
            webhook, polling = pool.submit(run, Webhook()), pool.submit(run, Polling(interval=0.1))
            polling.result()
            return webhook.result()

    runs = [(run_together(), run(Webhook()), run(Polling(interval=0.1))) for _ in range(rounds)]
    latencies = [[1000 * each.row()["latency"]["p50"] for each in (together, alone)] for together, alone, _ in runs]
    yield Line("median latency of a webhook beside a poller", "the webhook alone", "ms", "less", latencies)
    busy = [[each.machine.source_cpu for each in (webhook, polling)] for _, webhook, polling in runs]
    yield Line("the source's work: a webhook's 10 events per s", "10 polls per s", "CPU-seconds", "less", busy)
