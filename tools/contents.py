"""Write what the course's notebooks say about each other: the contents page, the links between them, the cells' tags.

    python tools/contents.py          # after a notebook was added, renamed or retitled, or contents.toml was changed
    python tools/contents.py --check  # change nothing, and say what is out of date

A tag says what the website folds: the output that answers a prediction (`hide-output`), and the code of a cell that
JupyterLab folds (`hide-input`; a writer sets `jupyter.source_hidden`).
Only markdown cells and cells' tags are touched, so that every stored output stays as it ran.
"""

import re
import sys
import tomllib
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
PAGE = NOTEBOOKS / "index.ipynb"
OPENING = re.compile(r"# (\d\d) (.+)\n\n\*\*(\d+) minutes with the exercises\.\*\* (.+)")
PREDICT = "Before you", "Predict", "Sketch", "Sort", "Write"
NAVIGATION = re.compile(r"\n\n---\n\n.*\[Contents\]\(index\.ipynb\).*\Z")


@dataclass(frozen=True)
class Walkthrough:
    """A numbered notebook, and what its opening cell says of it."""

    path: Path

    @cached_property
    def notebook(self) -> NotebookNode:
        return nbformat.read(self.path, as_version=4)

    @cached_property
    def opening(self) -> re.Match[str]:
        found = OPENING.match(self.notebook.cells[0].source)
        if not found:
            raise ValueError(
                f"{self.path.name}: the first cell must begin with '# NN Title', a blank line, and"
                f" '**MM minutes with the exercises.** Its question.', got {self.notebook.cells[0].source[:80]!r}"
            )
        return found

    @property
    def number(self) -> str:
        return self.path.name[:2]

    @property
    def title(self) -> str:
        return f"{self.opening[1]} {self.opening[2]}"

    @property
    def minutes(self) -> int:
        return int(self.opening[3])

    @property
    def questions(self) -> list[str]:
        listed = self.notebook.cells[0].source.partition("**Questions**\n")[2].partition("\n\n")[0]
        return [line.removeprefix("- ") for line in listed.splitlines()]

    @property
    def exercises(self) -> Path:
        return NOTEBOOKS / "exercises" / f"{self.path.stem}_exercises.ipynb"

    def cell(self, id: str) -> NotebookNode:
        """The cell of this id; LookupError with the ids that there are."""
        for cell in self.notebook.cells:
            if cell.id == id:
                return cell
        raise LookupError(f"{self.path.name} has no cell {id!r}; it has {', '.join(c.id for c in self.notebook.cells)}")


def walkthroughs() -> dict[str, Walkthrough]:
    """By number, in order."""
    return {path.name[:2]: Walkthrough(path) for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}


@cache
def course_texts() -> dict[str, Any]:
    """What no notebook says of itself: sentences and words."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def link(place: str, course: dict[str, Walkthrough]) -> str:
    """`03/crossover` as a link to that cell, which JupyterLab follows; the cell must exist."""
    number, _, id = place.partition("/")
    if number not in course:
        raise LookupError(f"{place}: there is no notebook {number}")
    course[number].cell(id)
    return f"[{number} `{id}`]({course[number].path.name}#cell-id={id})"


def links(places: list[str], course: dict[str, Walkthrough]) -> str:
    return " · ".join(link(place, course) for place in places)


def table(*columns: str) -> list[str]:
    """The first two lines of a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def contents(course: dict[str, Walkthrough]) -> str:
    lines = ["## Walkthroughs", ""]
    lines += table("notebook", "minutes, with exercises", "the questions it answers, by measuring")
    for each in course.values():
        to_do = f"<br>[exercises](exercises/{each.exercises.name})" if each.exercises.exists() else ""
        lines.append(f"| [{each.title}]({each.path.name}){to_do} | {each.minutes} | {'<br>'.join(each.questions)} |")
    numbers = [int(number) for number in course]
    missing = [f"{number:02}" for number in range(max(numbers)) if number not in numbers]
    lines += ["", f"{sum(each.minutes for each in course.values())} minutes in all."]
    lines += [f"To come: {', '.join(missing)}."] if missing else []
    return "\n".join(lines)


def sentences(rows: list[dict[str, Any]], course: dict[str, Walkthrough]) -> str:
    lines = ["## What is often said, and the cells that test it", ""]
    lines += table("it is said that", "does it hold?", "cells that test it")
    lines += [f"| {row['said']} | {row['holds']} | {links(row['cells'], course)} |" for row in rows]
    return "\n".join(lines)


def first_use(word: dict[str, Any], course: dict[str, Walkthrough]) -> str:
    """The place where a word comes first: the cell named, or the first notebook's that has it, a bold one first.

    Raises LookupError for a word that no notebook has.
    """
    if "cell" in word:
        return str(word["cell"])
    pattern = rf"(?<!\w)(?:{word.get('find', re.escape(word['word']))})s?(?!\w)"
    for number, each in course.items():
        texts = [cell for cell in each.notebook.cells if cell.cell_type == "markdown"]
        for marked in (rf"\*\*[^*\n]*{pattern}[^*\n]*\*\*", pattern):
            for cell in texts:
                if re.search(marked, NAVIGATION.sub("", cell.source)):
                    return f"{number}/{cell.id}"
    raise LookupError(f"a word of the glossary must be in a notebook, got {word['word']!r}")


def glossary(words: list[dict[str, Any]], course: dict[str, Walkthrough]) -> str:
    lines = [
        "## Words",
        "",
        "One meaning each, wherever this course uses them.",
        "",
        *table("word", "meaning", "first in"),
    ]
    for word in sorted(words, key=lambda word: word["word"].casefold()):
        place = link(first_use(word, course), course)
        lines.append(f"| **{word['word']}** | {word['meaning']} | {place} |")
    return "\n".join(lines)


def page(course: dict[str, Walkthrough]) -> NotebookNode:
    """The contents page."""
    said = course_texts()
    texts = {"opening": said["opening"].strip(), "contents": contents(course)}
    texts |= {"sentences": sentences(said["sentences"], course), "words": glossary(said["words"], course)}
    return notebook_of([nbformat.v4.new_markdown_cell(text, id=id) for id, text in texts.items()])


def notebook_of(cells: list[NotebookNode]) -> NotebookNode:
    """A notebook of these cells for Python's kernel."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def navigation(number: str, course: dict[str, Walkthrough]) -> str:
    """The last line of a walkthrough: back, contents, on."""
    order = list(course)
    place = order.index(number)
    parts = ["[Contents](index.ipynb)"]
    if place > 0:
        before = course[order[place - 1]]
        parts.insert(0, f"← [{before.title}]({before.path.name})")
    if place + 1 < len(order):
        after = course[order[place + 1]]
        parts.append(f"[{after.title}]({after.path.name}) →")
    return " · ".join(parts)


def asked(cell: NotebookNode) -> list[str]:
    """The predictions that a text asks for, in bold."""
    if cell.cell_type != "markdown" or cell.id in ("opening", "key-points", "exercises"):
        return []
    bold = re.findall(r"\*\*(.+?)\*\*", cell.source, re.DOTALL)
    return [each for each in bold if "?" in each or each.startswith(PREDICT)]


def predictions(each: Walkthrough) -> dict[str, list[str]]:
    """The ids of the texts that ask for a prediction, and of the cells of code from each of them to the next text."""
    later, cells = course_texts()["answered_later"], each.notebook.cells
    found = {}
    for place, cell in enumerate(cells):
        if asked(cell):
            run = takewhile(lambda after: after.cell_type == "code", cells[place + 1 :])
            found[cell.id] = later.get(f"{each.number}/{cell.id}", [cell.id for cell in run])
    return found


def tags(each: Walkthrough) -> dict[str, set[str]]:
    """Each tag that this writes, and the ids of the walkthrough's cells that have it."""
    answers = {id for ids in predictions(each).values() for id in ids}
    return {
        "hide-output": {id for id in answers if each.cell(id).outputs},
        "hide-input": {cell.id for cell in each.notebook.cells if is_folded(cell)},
    }


def is_folded(cell: NotebookNode) -> bool:
    """Whether JupyterLab folds the code of a cell. It runs all the same, and shows its output."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden", False))


def linked(each: Walkthrough, course: dict[str, Walkthrough]) -> NotebookNode:
    """A walkthrough with its links and its cells' tags. Its code and outputs stay untouched."""
    notebook, written = deepcopy(each.notebook), tags(each)
    last = [cell for cell in notebook.cells if cell.cell_type == "markdown"][-1]
    last.source = f"{NAVIGATION.sub('', last.source)}\n\n---\n\n{navigation(each.number, course)}"
    for cell in notebook.cells:
        kept = [tag for tag in cell.metadata.get("tags", []) if tag not in written]
        cell.metadata["tags"] = kept + [tag for tag, ids in written.items() if cell.id in ids]
        if not cell.metadata["tags"]:
            del cell.metadata["tags"]
    return notebook


def generated() -> dict[Path, str]:
    """Each file that this writes, and what it must hold."""
    course = walkthroughs()
    files = {PAGE: nbformat.writes(page(course)) + "\n"}
    for each in course.values():
        files[each.path] = nbformat.writes(linked(each, course)) + "\n"
    return files


def out_of_date(files: dict[Path, str]) -> dict[Path, str]:
    """Those of them that hold something else."""
    return {path: text for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text}


def main(files: dict[Path, str]) -> int:
    """Write the files that are out of date, or with --check only name them. Returns the exit status."""
    stale, check = out_of_date(files), "--check" in sys.argv[1:]
    for path, text in stale.items():
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: python tools/{Path(sys.argv[0]).name}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(generated()))
