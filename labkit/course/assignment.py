"""Makes the students' copies of the exercises: without solutions, hidden tests and outputs."""

import json
import re
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Any

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(?:.*\n)*?[ \t]*### END SOLUTION[ \t]*$", re.MULTILINE)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS\n(?:.*\n)*?[ \t]*### END HIDDEN TESTS[ \t]*(?:\n|\Z)", re.MULTILINE)
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"


def exercises() -> dict[str, str]:
    """The exercises with solutions, from file name to JSON, in the order of the walkthroughs."""
    try:
        folder = files("labkit.course.exercises")
    except ModuleNotFoundError:  # a checkout that is not installed
        folder = Path(__file__).parents[2] / "notebooks" / "exercises"
    found = (each for each in folder.iterdir() if each.name.endswith(".ipynb"))
    return {each.name: each.read_text(encoding="utf-8") for each in sorted(found, key=lambda each: each.name)}


def write_assignment(directory: Path, only: Collection[str] = (), force: bool = False) -> tuple[list[Path], list[Path]]:
    """Write the students' copies of the exercises, or only of those whose file names start with one of `only`.

    Returns the paths that were written, and those that existed and are kept; `force` overwrites them. Raises
    FileExistsError if all existed.
    """
    chosen = {name: text for name, text in exercises().items() if not only or name.startswith(tuple(only))}
    for start in only:
        if not any(name.startswith(start) for name in chosen):
            raise ValueError(f"no exercises start with {start!r}; there are: {', '.join(exercises())}")
    paths = {directory / name: text for name, text in chosen.items()}
    kept = [path for path in paths if path.exists() and not force]
    if len(kept) == len(paths):
        names = ", ".join(map(str, kept))
        raise FileExistsError(f"these exist and may contain answers (--force overwrites them): {names}")
    directory.mkdir(parents=True, exist_ok=True)
    written = [path for path in paths if path not in kept]
    for path in written:
        copy = json.dumps(student_copy(json.loads(paths[path])), indent=1, ensure_ascii=False)
        path.write_text(f"{copy}\n", encoding="utf-8")
    return written, kept


def student_copy(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook as nbgrader's `generate_assignment` makes it: without answers, hidden tests and outputs.

    The cells keep their ids and nbgrader's metadata, so that the original can grade what comes back.
    """
    return {**notebook, "cells": [_student_cell(cell) for cell in notebook["cells"]]}


def without_solution(source: str) -> str:
    r"""Replace each region between the marks by a stub that raises NotImplementedError.

    >>> print(without_solution("def answer():\n    ### BEGIN SOLUTION\n    return 42\n    ### END SOLUTION"))
    def answer():
        # YOUR CODE HERE
        raise NotImplementedError()
    """
    return SOLUTION.sub(lambda region: "\n".join(region[1] + line for line in STUB.split("\n")), source)


def without_hidden_tests(source: str) -> str:
    r"""Remove each region between the marks, and the marks.

    >>> without_hidden_tests("check(1)\n### BEGIN HIDDEN TESTS\ncheck(2)\n### END HIDDEN TESTS")
    'check(1)'
    """
    return HIDDEN.sub("", source).rstrip("\n")


def _student_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    source = without_hidden_tests(without_solution("".join(cell["source"]))).splitlines(keepends=True)
    metadata = {name: value for name, value in cell["metadata"].items() if name != "execution"}
    if "nbgrader" in metadata:
        metadata |= {"deletable": False} | ({"editable": False} if metadata["nbgrader"]["locked"] else {})
    return {**cell, "metadata": metadata, "execution_count": None, "outputs": [], "source": source}
