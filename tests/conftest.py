"""Settings that every test shares, nbval's included, whatever the working directory."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("labkit", deadline=None)  # machines are noisy: speed is measured in benchmarks, never here
settings.load_profile("labkit")

SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")


def pytest_configure(config: pytest.Config) -> None:
    """Compare every notebook strictly: in this environment, with a time limit, and with the one sanitize rule."""
    config.addinivalue_line("markers", "slow: left out of `make quick`")
    config.addinivalue_line("markers", "soak: runs when LABKIT_SOAK is set, as `make soak` does")
    if config.getoption("nbval", False):
        config.option.nbval_current_env = True
        config.option.nbval_cell_timeout = 60.0
        config.option.nbval_sanitize_with = str(SANITIZE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.slow)
