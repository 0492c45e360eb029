"""How long this machine last kept a thread from running: what a test of the real clock supposes to be short.

Such a test compares instants that several threads and processes took. Where the machine stood still between two of
them, it says nothing about labkit, so it is run again (`REAL_CLOCK` in conftest.py); a fault of labkit fails each time.
"""

import threading
import time

import pytest

LONGEST = 0.05
"""A wake-up that comes later than this, in seconds, is a stall."""


class Gauge:
    """Sleeps 5 ms, again and again, and keeps by how much the latest wake-up was late, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        threading.Thread(target=self._measure, name="stalls", daemon=True).start()

    def _measure(self) -> None:
        while True:
            due = time.perf_counter() + 0.005
            time.sleep(0.005)
            self.longest = max(self.longest, time.perf_counter() - due)


class RunAgain:
    """Marks the modules of the real clock, and forgets what their tests have kept before one of them is run again."""

    def __init__(self, modules: set[str]) -> None:
        self._modules, self._module, self._gauge = modules, None, Gauge()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.path.stem in self._modules:
                item.add_marker(pytest.mark.flaky(reruns=3, condition=lambda: self._gauge.longest > LONGEST))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.path.stem not in self._modules:
            return
        again = getattr(item, "execution_count", 1) > 1
        if again:
            for kept in vars(item.module).values():
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()
        if again or item.module is not self._module:
            self._module, self._gauge.longest = item.module, 0.0
