"""The exercises as a student gets them: without solutions, hidden tests and outputs."""

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
    """The course's exercises, solutions included: name of the file -> its JSON, in the order of the walkthroughs."""
    try:
        folder = files("labkit.course.exercises")
    except ModuleNotFoundError:  # a checkout that is not installed
        folder = Path(__file__).parents[2] / "notebooks" / "exercises"
    found = (each for each in folder.iterdir() if each.name.endswith(".ipynb"))
    return {each.name: each.read_text(encoding="utf-8") for each in sorted(found, key=lambda each: each.name)}


def write_assignment(directory: Path, only: Collection[str] = (), force: bool = False) -> tuple[list[Path], list[Path]]:
    """Write the students' copies of the exercises, or only of those whose names begin so.

    Returns the paths of those that were written, and of those that were there and are kept, unless `force` overwrites
    them. Raises FileExistsError if all were there.
    """
    chosen = {name: text for name, text in exercises().items() if not only or name.startswith(tuple(only))}
    for beginning in only:
        if not any(name.startswith(beginning) for name in chosen):
            raise ValueError(f"no exercises begin with {beginning!r}; there are: {', '.join(exercises())}")
    paths = {directory / name: text for name, text in chosen.items()}
    kept = [path for path in paths if path.exists() and not force]
    if len(kept) == len(paths):
        there = ", ".join(map(str, kept))
        raise FileExistsError(f"there already, perhaps with somebody's answers (--force overwrites them): {there}")
    directory.mkdir(parents=True, exist_ok=True)
    written = [path for path in paths if path not in kept]
    for path in written:
        copy = json.dumps(student_copy(json.loads(paths[path])), indent=1, ensure_ascii=False)
        path.write_text(f"{copy}\n", encoding="utf-8")
    return written, kept


def student_copy(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook as nbgrader's `generate_assignment` gives it out: answers and hidden tests cut, outputs cleared.

    The cells keep their ids and nbgrader's metadata, so that what comes back can be graded by the whole notebook.
    """
    return {**notebook, "cells": [_student_cell(cell) for cell in notebook["cells"]]}


def without_solution(source: str) -> str:
    r"""Each region between the marks becomes a stub that raises NotImplementedError.

    >>> print(without_solution("def answer():\n    ### BEGIN SOLUTION\n    return 42\n    ### END SOLUTION"))
    def answer():
        # YOUR CODE HERE
        raise NotImplementedError()
    """
    return SOLUTION.sub(lambda region: "\n".join(region[1] + line for line in STUB.split("\n")), source)


def without_hidden_tests(source: str) -> str:
    r"""What stands between the marks is cut, marks included.

    >>> without_hidden_tests("check(1)\n### BEGIN HIDDEN TESTS\ncheck(2)\n### END HIDDEN TESTS")
    'check(1)'
    """
    return HIDDEN.sub("", source).rstrip("\n")


def _student_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    text = without_hidden_tests(without_solution("".join(cell["source"])))
    metadata = {name: value for name, value in cell["metadata"].items() if name != "execution"}
    if "nbgrader" in metadata:
        metadata |= {"deletable": False} | ({"editable": False} if metadata["nbgrader"]["locked"] else {})
    return {
        **cell,
        "metadata": metadata,
        "execution_count": None,
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
