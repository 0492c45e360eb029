"""What a notebook cell has started, so that running the cell again stops it first."""

import sys
from collections.abc import Callable
from typing import Any

_started: dict[str, tuple[str, list[Callable[[], None]]]] = {}
"""By cell: the id of its last run, and what stops each thing that this run started."""


def stop_earlier_run() -> list[Callable[[], None]]:
    """Stop what an earlier run of the current cell started. The next run will call what is added to the list.

    A cell is known by its id, or else by its text. Outside a notebook nothing is stopped.
    """
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = message.get("metadata", {}).get("cellId") or message.get("content", {}).get("code", "")
    run = message.get("header", {}).get("msg_id", "")
    if cell in _started and _started[cell][0] != run:
        for stop in _started.pop(cell)[1]:
            stop()
    return _started.setdefault(cell, (run, []))[1] if cell else []
