"""Makes the students' copies of the walkthroughs: without outputs, so that no prediction is spoilt."""

import re
from collections.abc import Collection
from pathlib import Path

from labkit.course.assignment import exercises, student_copy
from labkit.course.copies import Cell, Notebook, Paths, blank_copy, packaged, with_cells, write_copies

LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?:)([^)#\n]+)[^)\n]*\)")


def walkthroughs() -> dict[str, Notebook]:
    """The walkthroughs and lessons as stored, with their outputs, by file name; the contents page is the last."""
    found = packaged("notebooks", "notebooks")
    return found | {"index.ipynb": found.pop("index.ipynb")}


def write_walkthroughs(directory: Path) -> Paths:
    """Write blank copies of the walkthroughs and lessons, the contents page, and the students' copies of the exercises.

    Returns the paths that were written, and those that existed and are kept. Raises FileExistsError if all existed.
    """
    copies = {f"exercises/{name}": student_copy(notebook) for name, notebook in exercises().items()}
    found = walkthroughs()
    copies |= {name: _linked(blank_copy(notebook), {*copies, *found}) for name, notebook in found.items()}
    return write_copies(directory, copies, "rename one, and it is written anew")


def without_dead_links(text: str, there: Collection[str]) -> str:
    """Keep the links to the web and to files that are `there`, and only the words of the others.

    >>> without_dead_links("[00](00.ipynb#cell-id=ask), [for teachers](TEACHING.md)", {"00.ipynb"})
    '[00](00.ipynb#cell-id=ask), for teachers'
    """
    return LINK.sub(lambda link: link[0] if link[2] in there else link[1], text)


def _linked(notebook: Notebook, there: Collection[str]) -> Notebook:
    def linked(cell: Cell) -> Cell:
        return cell | {"source": without_dead_links("".join(cell["source"]), there).splitlines(keepends=True)}

    return with_cells(notebook, "markdown", linked)
