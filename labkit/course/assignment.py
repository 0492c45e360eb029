"""Makes the students' copies of the exercises: without solutions, hidden tests and outputs."""

import re
from collections.abc import Collection
from pathlib import Path

from labkit.course.copies import Cell, Notebook, Paths, blank_copy, packaged, with_cells, write_copies

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(?:.*\n)*?[ \t]*### END SOLUTION[ \t]*$", re.MULTILINE)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS\n(?:.*\n)*?[ \t]*### END HIDDEN TESTS[ \t]*(?:\n|\Z)", re.MULTILINE)
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"


def exercises() -> dict[str, Notebook]:
    """The exercises with solutions, from file name to notebook, in the order of the walkthroughs."""
    return packaged("exercises", "notebooks/exercises")


def write_assignment(directory: Path, only: Collection[str] = (), force: bool = False) -> Paths:
    """Write the students' copies of the exercises, or only of those whose file names start with one of `only`.

    Returns the paths that were written, and those that existed and are kept; `force` overwrites them. Raises
    FileExistsError if all existed.
    """
    chosen = {name: each for name, each in exercises().items() if not only or name.startswith(tuple(only))}
    for start in only:
        if not any(name.startswith(start) for name in chosen):
            raise ValueError(f"no exercises start with {start!r}; there are: {', '.join(exercises())}")
    copies = {name: student_copy(each) for name, each in chosen.items()}
    return write_copies(directory, copies, "--force overwrites them", force)


def student_copy(notebook: Notebook) -> Notebook:
    """A notebook as nbgrader's `generate_assignment` makes it: without answers, hidden tests and outputs.

    The cells keep their ids and nbgrader's metadata, so that the original can grade what comes back.
    """
    return blank_copy(with_cells(notebook, "code", _student_cell))


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


def _student_cell(cell: Cell) -> Cell:
    source = without_hidden_tests(without_solution("".join(cell["source"]))).splitlines(keepends=True)
    metadata = cell["metadata"]
    if "nbgrader" in metadata:
        metadata = metadata | {"deletable": False} | ({"editable": False} if metadata["nbgrader"]["locked"] else {})
    return cell | {"metadata": metadata, "source": source}
