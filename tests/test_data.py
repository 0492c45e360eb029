"""The earthquakes are what they were, to the byte."""

from hashlib import sha256
from pathlib import Path

CSV = Path(__file__).parent.parent / "data" / "earthquakes.csv"


def test_no_byte_of_the_recorded_week_has_changed() -> None:
    assert sha256(CSV.read_bytes()).hexdigest() == "19e8ff1b1b4da8001bcf7a8fd90dfdaf046a08201b3d494f0446cb2e774f94ac"
