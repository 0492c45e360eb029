"""Speed and memory, each held against a floor or a peer in the same run: `python -m benchmarks --help`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))  # nginx_nchan, open_streams, simpy_twin
