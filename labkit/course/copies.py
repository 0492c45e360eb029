"""Students' copies of notebooks: without outputs, and never in place of a copy that a student has worked in."""

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]
LAST_RUN = {"execution", "widgets"}
"""Metadata of the last run: the times of a cell, the state of a notebook's sliders."""


def packaged(package: str, folder: str) -> dict[str, Notebook]:
    """The notebooks of `labkit.course.{package}`, by file name; from `folder` in a checkout that is not installed."""
    try:
        place = files(f"labkit.course.{package}")
    except ModuleNotFoundError:
        place = Path(__file__).parents[2] / folder
    found = sorted((each for each in place.iterdir() if each.name.endswith(".ipynb")), key=lambda each: each.name)
    return {each.name: json.loads(each.read_text(encoding="utf-8")) for each in found}


def blank_copy(notebook: Notebook) -> Notebook:
    """A notebook as it is before it runs: no outputs, no execution counts. The cells keep their ids and tags."""
    blank: Cell = {"execution_count": None, "outputs": []}
    return with_cells(_without_last_run(notebook), "code", lambda cell: _without_last_run(cell) | blank)


def with_cells(notebook: Notebook, kind: str, change: Callable[[Cell], Cell]) -> Notebook:
    """A notebook whose cells of a kind, "code" or "markdown", are changed."""
    cells = [change(cell) if cell["cell_type"] == kind else cell for cell in notebook["cells"]]
    return notebook | {"cells": cells}


Paths = tuple[list[Path], list[Path]]
"""The paths that were written, and those that existed and are kept."""


def write_copies(directory: Path, copies: Mapping[str, Notebook], remedy: str, force: bool = False) -> Paths:
    """Write notebooks, by path below `directory`. `force` overwrites those that exist.

    Raises FileExistsError, with the remedy, if all existed.
    """
    paths = {directory / name: notebook for name, notebook in copies.items()}
    kept = [path for path in paths if path.exists() and not force]
    written = [path for path in paths if path not in kept]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(paths[path], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not written:
        raise FileExistsError(f"these exist and may contain answers ({remedy}): {', '.join(map(str, kept))}")
    return written, kept


def _without_last_run(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"metadata": {name: value for name, value in part["metadata"].items() if name not in LAST_RUN}}
