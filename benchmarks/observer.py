"""What observing costs: the ledger on and off, FULL and NORMAL, approaches alone and together, CPU-seconds."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
from flask import Flask

from labkit import Polling, Scenario, Webhook, poisson
from labkit.clock import RealClock, monotonic
from labkit.ledger import Ledger
from labkit.lenses import RealLens
from labkit.network import CLIENT_HEADERS
from labkit.network.sockets import SocketNetwork
from labkit.result import Result
from labkit.server import serve

POSTS, ROUNDS = 300, 5
SCENARIO = Scenario(poisson(per_hour=36_000, duration=8.0, seed=1), delay=0.0)


def ledger_on_and_off() -> None:
    """The median POST of a plain httpx client, and of one whose exchanges are counted and entered, by turns."""
    app = Flask("peer")
    app.post("/")(lambda: "")
    with serve(app) as server:
        network = SocketNetwork(RealClock(), Ledger())
        off = httpx.Client(headers=CLIENT_HEADERS, trust_env=False)
        on = network.client("bench", "action")
        for client in (off, on):
            median_post(client, server.url)
        ratios = [median_post(on, server.url) / median_post(off, server.url) for _ in range(ROUNDS)]
        network.close()
    spread = f"from {min(ratios):.2f} to {max(ratios):.2f}"
    print(f"ledger on / off, median POST       {statistics.median(ratios):.2f} ({spread})")


def median_post(client: httpx.Client, url: str) -> float:
    taken = []
    for _ in range(POSTS):
        start = monotonic()
        client.post(url, content=b"{}")
        taken.append(monotonic() - start)
    return statistics.median(taken)


def show(name: str, result: Result) -> None:
    row, machine = result.row(), result.machine
    assert machine is not None
    figures = (
        f"median latency {row['latency']['p50'] * 1e3:7.2f} ms",
        f"emit lag {machine.emit_lag_mean * 1e3:5.2f} ms",
        f"CPU-seconds: source {machine.source_cpu:.2f}, consumers {machine.consumer_cpu:.2f}",
    )
    print(f"{name:<34}", "   ".join(figures))


def main() -> None:
    ledger_on_and_off()
    for synchronous in ("NORMAL", "FULL"):
        for approach in (Polling(interval=1), Webhook()):
            show(f"{approach.name} alone, {synchronous}", RealLens(synchronous=synchronous).run(SCENARIO, approach))  # type: ignore[arg-type]
    jobs: list[Callable[[], Result]] = [
        lambda: RealLens().run(SCENARIO, Polling(interval=1)),
        lambda: RealLens().run(SCENARIO, Webhook()),
    ]
    with ThreadPoolExecutor() as pool:
        for name, future in [(name, pool.submit(job)) for name, job in zip(("polling", "webhook"), jobs, strict=True)]:
            show(f"{name} together, FULL", future.result())
    print("CPU-seconds of the consumers are the whole process's: with both together each counts both")


if __name__ == "__main__":
    main()
