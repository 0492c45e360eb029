"""Speed and memory of the virtual lens, each as a ratio against a floor measured in the same run."""

import random
import subprocess
import sys
import time
import tracemalloc

import httpx

from labkit import Polling, Scenario, poisson
from labkit.clock import VirtualClock
from labkit.ledger import Ledger
from labkit.lenses import VirtualLens
from labkit.network.memory import MemoryNetwork
from labkit.source import EventSource

POLLS, ROUNDS = 4000, 5


def bare_loop(polls: int) -> float:
    """Polls per CPU-second of an httpx client on its own WSGI transport: no clock, no network, no ledger."""
    clock = VirtualClock()
    source = EventSource(clock, MemoryNetwork(clock, Ledger()), random.Random(0))
    client, cursor = httpx.Client(transport=httpx.WSGITransport(source.app)), ""
    start = time.process_time()
    for _ in range(polls):
        answer = client.get(f"http://source/events?limit=100&after={cursor}").raise_for_status()
        cursor = answer.json()["next"]
    return polls / (time.process_time() - start)


def virtual_lens(polls: int) -> float:
    """The same polls of the same view, as a run of the virtual lens makes them."""
    scenario = quiet(polls)
    start = time.process_time()
    VirtualLens().run(scenario, Polling(interval=60))
    return polls / (time.process_time() - start)


def quiet(polls: int) -> Scenario:
    return Scenario(poisson(per_hour=0.001, duration=polls * 60.04))


def memory(polls: int) -> int:
    """Bytes that a finished run holds."""
    scenario = quiet(polls)
    tracemalloc.start()
    result = VirtualLens().run(scenario, Polling(interval=60))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result.exchanges) >= polls
    return held


def import_seconds(statement: str) -> float:
    """The least of five times, in a new process each."""
    program = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return min(float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(5))


def main() -> None:
    bare_loop(200), virtual_lens(200)
    rounds = [(bare_loop(POLLS), virtual_lens(POLLS)) for _ in range(ROUNDS)]
    floor, lens = sorted(rounds, key=lambda pair: pair[1] / pair[0])[ROUNDS // 2]
    print(f"exchanges per CPU-second   bare loop {floor:,.0f}   virtual lens {lens:,.0f}   ratio {lens / floor:.2f}")
    small, large = memory(2000), memory(6000)
    print(f"memory of a run            {large / 6000:,.0f} B an exchange", end="; ")
    print(f"one exchange more: {(large - small) / 4000:,.0f} B")
    print(f"import labkit              {import_seconds('import labkit') * 1000:,.0f} ms", end="   ")
    print(f"of it flask and httpx {import_seconds('import flask, httpx') * 1000:,.0f} ms", end="   ")
    loaded = "import labkit, sys; assert not {'pandas', 'matplotlib', 'numpy'} & set(sys.modules)"
    print(f"without pandas, numpy, matplotlib: {subprocess.run([sys.executable, '-c', loaded]).returncode == 0}")


if __name__ == "__main__":
    main()
