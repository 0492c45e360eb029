"""Settings that every test shares, nbval's included, whatever the working directory."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("labkit", deadline=None)  # machines are noisy: speed is measured in benchmarks, never here
settings.load_profile("labkit")

REAL_CLOCK = {
    "test_bad_input", "test_benchmarks", "test_class", "test_cli", "test_cli_poll", "test_cli_sweep", "test_clock",
    "test_connection", "test_connections", "test_contest", "test_crash", "test_credentials", "test_designed",
    "test_dispatcher", "test_each_fault", "test_egress", "test_exercises", "test_experiment", "test_faults",
    "test_foreign_peers", "test_https", "test_inbox", "test_limits", "test_many_streams", "test_notebook_cell",
    "test_openapi", "test_outbox", "test_process", "test_real_clock", "test_real_lens", "test_receiver",
    "test_receiver_app", "test_retention", "test_retries", "test_rotation", "test_secrets", "test_serve_receiver",
    "test_server", "test_shared_suite", "test_sockets", "test_sqlite", "test_store", "test_stream_loop",
    "test_sweep_file", "test_waiting_body", "test_webhook_program", "test_websocket", "test_workers",
}  # fmt: skip
"""Modules with tests of the real clock or of processes. A machine that stalls can make one fail, so it is run up to
three times more; a defect fails each time. The summary counts the reruns."""
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")


def pytest_configure(config: pytest.Config) -> None:
    """Compare every notebook strictly: in this environment, with a time limit, and with the one sanitize rule."""
    config.addinivalue_line("markers", "slow: left out of `make quick`")
    config.addinivalue_line("markers", "soak: runs when LABKIT_SOAK is set, as `make soak` does")
    config.addinivalue_line("markers", "browser: runs when LABKIT_BROWSER is set, as `make browser` does")
    config.addinivalue_line("markers", "lessons: runs when LABKIT_LESSONS is set, as `make lessons` does")
    config.addinivalue_line("markers", "cluster: runs when LABKIT_CLUSTER is set, as `make cluster` does")
    config.addinivalue_line("markers", "flaky(reruns): run again if it fails, by pytest-rerunfailures")
    if config.getoption("nbval", False):
        config.option.nbval_current_env = True
        config.option.nbval_cell_timeout = 60.0
        config.option.nbval_sanitize_with = str(SANITIZE)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """On CI's Linux everything can be had, so a test that skipped has hidden something."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and sys.platform == "linux" and reporter and reporter.stats.get("skipped"):
        session.exitstatus = exitstatus or 1


RUN_APART = {"lesson_90_minutes", "session_1_of_2", "session_2_of_2"}
"""Lessons that `make test` does not run, and `make lessons` does: 75 s of processor time, for cells that the
walkthroughs have, too. `test_lessons.py` compares what they print with what the walkthroughs print."""
LONG = {
    "test_advise", "test_arrivals", "test_between", "test_catalogue", "test_cli", "test_cli_advise", "test_cli_faults",
    "test_cli_sweep", "test_connection", "test_contest", "test_description", "test_designed", "test_dispatcher",
    "test_each_fault", "test_egress", "test_event", "test_exercises", "test_experiment", "test_faults",
    "test_handouts", "test_knobs", "test_lessons", "test_model_lens", "test_notebook_cell", "test_notebooks",
    "test_outbox", "test_plots", "test_plots_frontier", "test_plots_lanes", "test_plots_means", "test_plots_options",
    "test_plots_rate", "test_plots_survival", "test_plots_waits", "test_process", "test_readme", "test_real_lens",
    "test_report", "test_request", "test_result", "test_retention", "test_retries", "test_source", "test_store",
    "test_theory_adaptive", "test_theory_batched", "test_theory_budget", "test_theory_hybrid", "test_theory_leased",
    "test_theory_lens", "test_theory_long_polling", "test_theory_renewal", "test_verdicts", "test_virtual_lens",
    "test_websocket",
}  # fmt: skip
"""Modules that `make quick` leaves out, so that it ends within a minute: they run many approaches, or draw."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.suffix == ".ipynb" and item.path.stem in RUN_APART:
            item.add_marker(pytest.mark.lessons)
    for mark in ("soak", "browser", "cluster", "lessons"):  # each has a `make` of its own
        if not os.environ.get(f"LABKIT_{mark.upper()}"):
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(mark)])
            items[:] = [item for item in items if not item.get_closest_marker(mark)]
    for item in items:
        if item.path.suffix == ".ipynb" or item.path.stem in LONG:
            item.add_marker(pytest.mark.slow)
        if item.path.stem in REAL_CLOCK:
            item.add_marker(pytest.mark.flaky(reruns=3))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Measure again what a module keeps for its tests, before one of them is run again."""
    if isinstance(item, pytest.Function) and getattr(item, "execution_count", 1) > 1:
        for kept in vars(item.module).values():
            if isinstance(kept, functools._lru_cache_wrapper):  # Flask's request, a proxy, cannot be asked for a name
                kept.cache_clear()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a log's file, and return its path."""

    def write(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
