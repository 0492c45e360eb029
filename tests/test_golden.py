"""The rows of two short runs, as files: equal to the byte on every machine and every Python.

`python tests/test_golden.py` writes the files anew; what has changed then is read in the diff before it is kept.
"""

from pathlib import Path

import pytest

from labkit import Polling, Scenario, Webhook, earthquakes
from labkit.lenses import VirtualLens

GOLDEN = Path(__file__).parent / "golden"
APPROACHES = {"polling": Polling(interval=60), "webhook": Webhook()}


def tables(approach):
    """Two hours of earthquakes of magnitude 1 and more, as text: exchanges and receipts, floats to the last digit."""
    result = VirtualLens().run(Scenario(earthquakes(min_magnitude=1, duration=7_200)), approach)
    return {
        "exchanges": result.exchanges.to_csv(lineterminator="\n"),
        "receipts": result.receipts.to_csv(lineterminator="\n"),
    }


@pytest.mark.parametrize("name", APPROACHES)
def test_a_short_run_gives_the_rows_that_it_always_gave(name):
    for table, text in tables(APPROACHES[name]).items():
        assert text == (GOLDEN / f"{name}_{table}.csv").read_bytes().decode()


def test_the_files_hold_a_run_worth_comparing():
    """Hits and empty polls, set-up and deliveries, and as many receipts as there were events."""
    exchanges = (GOLDEN / "polling_exchanges.csv").read_text()
    assert exchanges.count(",hit,") > 5
    assert exchanges.count(",empty,") > 80
    assert (GOLDEN / "webhook_exchanges.csv").read_text().count(",setup,") == 3
    events = earthquakes(min_magnitude=1, duration=7_200).events
    for name in APPROACHES:
        assert len((GOLDEN / f"{name}_receipts.csv").read_text().splitlines()) == 1 + len(events)


def regenerate():
    GOLDEN.mkdir(exist_ok=True)
    for name, approach in APPROACHES.items():
        for table, text in tables(approach).items():
            (GOLDEN / f"{name}_{table}.csv").write_bytes(text.encode())


if __name__ == "__main__":
    regenerate()
