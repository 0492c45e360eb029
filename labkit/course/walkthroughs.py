"""Makes the students' copies of the walkthroughs: without outputs, so that no prediction is spoilt."""

import re
from collections.abc import Collection
from pathlib import Path

from labkit.course.assignment import exercises, student_copy
from labkit.course.copies import Notebook, blank_copy, packaged, write_copies

LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?:)([^)#\n]+)[^)\n]*\)")


def walkthroughs() -> dict[str, Notebook]:
    """The walkthroughs as stored, with their outputs, from file name to notebook; the contents page is the last."""
    return packaged("notebooks", "notebooks")


def write_walkthroughs(directory: Path) -> tuple[list[Path], list[Path]]:
    """Write blank copies of the walkthroughs, the contents page, and the students' copies of the exercises.

    Returns the paths that were written, and those that existed and are kept. Raises FileExistsError if all existed.
    """
    copies = {f"exercises/{name}": student_copy(notebook) for name, notebook in exercises().items()}
    found = walkthroughs()
    copies |= {name: _linked(blank_copy(notebook), {*copies, *found}) for name, notebook in found.items()}
    written, kept = write_copies(directory, copies)
    if not written:
        names = ", ".join(map(str, kept))
        raise FileExistsError(f"these exist and may contain answers (rename one, and it is written anew): {names}")
    return written, kept


def without_dead_links(text: str, there: Collection[str]) -> str:
    """Keep the links to the web and to files that are `there`, and only the words of the others.

    >>> without_dead_links("[00](00.ipynb#cell-id=ask), [for teachers](TEACHING.md)", {"00.ipynb"})
    '[00](00.ipynb#cell-id=ask), for teachers'
    """
    return LINK.sub(lambda link: link[0] if link[2] in there else link[1], text)


def _linked(notebook: Notebook, there: Collection[str]) -> Notebook:
    texts = [
        cell | {"source": without_dead_links("".join(cell["source"]), there).splitlines(keepends=True)}
        if cell["cell_type"] == "markdown"
        else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": texts}
