"""Write the lessons: notebooks in one piece, made of cells of the walkthroughs, and the teacher's tables for them.

    python tools/lessons.py          # after a walkthrough or lessons.toml was changed; then run the lessons
    python tools/lessons.py --check  # change nothing, and say what is out of date

A lesson's cell `n03-compare` is the cell `compare` of notebook 03. An output stays if its cell has stayed. `make
notebooks` runs the lessons, as it runs the walkthroughs.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import contents
import nbformat
from nbformat import NotebookNode

WORDS_PER_MINUTE = 130
SECONDS_PER_QUESTION = 90
SECONDS_PER_CELL = 10
CELL = re.compile(r"(?P<place>(?P<number>\d\d)/[a-z0-9-]+)(?:\[(?P<start>\d*):(?P<end>\d*)\])?")
TEACHING = contents.NOTEBOOKS / "TEACHING.md"
ANSWERS = contents.NOTEBOOKS / "ANSWERS.md"
REFERENCE = re.compile(r"\b(\d\d), cell `([^`]+)`")


@cache
def texts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def words(text: str) -> int:
    """How many words of a cell a teacher says: not the code, and not what is folded.

    >>> words("## Two words\\n\\nsay [more](more.md)\\n\\n<details>no</details>")
    4
    """
    text = re.sub(r"<details>.*?</details>|```.*?```|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    return len(re.findall(r"[^\W_][^\s|]*", text))


@cache
def spoken(name: str) -> int:
    """The estimated seconds of a step's teaching.

    A teacher says 130 words per minute. For each text with a question, the class needs a minute to write an answer
    down and to raise hands, and somebody who was wrong half a minute to explain. Each cell takes 10 s to run and to
    look at. `more` adds the seconds of what is in no cell.
    """
    step, course = texts()["steps"][name], contents.walkthroughs()
    seconds = float(step.get("more", 0))
    for cell in (taken(choice, course) for choice in step.get("cells", [])):
        if cell.cell_type == "code":
            seconds += SECONDS_PER_CELL
        else:
            seconds += 60 * words(cell.source) / WORDS_PER_MINUTE + SECONDS_PER_QUESTION * bool(contents.asked(cell))
    return round(seconds)


@dataclass(frozen=True)
class Step:
    """A part of a lesson: its name in lessons.toml, and its minutes of exercises."""

    name: str
    exercises: int

    @property
    def teaching(self) -> int:
        """Whole minutes."""
        return round(spoken(self.name) / 60)

    @property
    def minutes(self) -> int:
        return self.teaching + self.exercises

    @property
    def what(self) -> str:
        """With a remark if the lesson has no minutes for it."""
        return f"{texts()['steps'][self.name]['what']}{'' if self.minutes else ' (after the lesson)'}"

    @property
    def tip(self) -> str:
        """What only the teacher is told."""
        tip = texts()["steps"][self.name].get("tip")
        return f". *{tip}*" if tip else ""

    @property
    def places(self) -> list[str]:
        """The places of its cells in the walkthroughs."""
        return [choice.partition("[")[0] for choice in self.choices]

    @property
    def choices(self) -> list[str]:
        """The same as they stand in lessons.toml, with the choice of paragraphs."""
        return list(texts()["steps"][self.name].get("cells", []))


@dataclass(frozen=True)
class Lesson:
    """A lesson, from its entry in lessons.toml."""

    entry: dict[str, Any]

    @property
    def path(self) -> Path:
        return contents.NOTEBOOKS / f"{self.entry['file']}.ipynb"

    @cached_property
    def steps(self) -> list[Step]:
        return [Step(name, self.entry.get("exercises", {}).get(name, 0)) for name in self.entry["steps"]]

    @property
    def teaching(self) -> int:
        return sum(step.teaching for step in self.steps)

    @property
    def exercises(self) -> int:
        return sum(step.exercises for step in self.steps)

    @property
    def waiting(self) -> int:
        """Whole minutes, rounded up."""
        return -(-int(self.entry["waiting"]) // 60)

    @property
    def minutes(self) -> int:
        return int(self.entry["minutes"])

    @property
    def left(self) -> int:
        """The minutes for questions, and for what takes longer."""
        return self.minutes - self.teaching - self.exercises - self.waiting

    @property
    def places(self) -> list[str]:
        """The places of its cells in the walkthroughs."""
        return [place for step in self.steps for place in step.places]


def lessons() -> list[Lesson]:
    return [Lesson(entry) for entry in texts()["lessons"]]


def id_of(place: str) -> str:
    """The id that the cell of a place has in a lesson.

    >>> id_of("03/compare")
    'n03-compare'
    """
    return f"n{place.replace('/', '-')}"


def taken(choice: str, course: dict[str, contents.Walkthrough]) -> NotebookNode:
    """A walkthrough's cell as a lesson has it: with its id, blank if it is code."""
    parts = CELL.fullmatch(choice)
    if not parts:
        raise ValueError(f"a place must be NN/cell-id or NN/cell-id[1:], got {choice!r}")
    number, id = parts["place"].split("/")
    cell = course[number].cell(id)
    source = contents.NAVIGATION.sub("", cell.source)
    if parts["start"] is not None:
        start, end = (int(bound) if bound else None for bound in (parts["start"], parts["end"]))
        source = "\n\n".join(source.split("\n\n")[start:end])
    for old, new in texts()["edits"].get(parts["place"], []):
        if source.count(old) != 1:
            raise ValueError(
                f"{choice}: an edit of lessons.toml must find its text once, found {source.count(old)}: {old!r}"
            )
        source = source.replace(old, new)
    tags = list(cell.metadata.get("tags", []))
    new_cell = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return new_cell(source, id=id_of(parts["place"]), metadata={"tags": tags} if tags else {})


OPENING = """
# {title}

**{minutes} minutes.** {question}

Teaching {teaching} minutes, exercises {exercises} (both estimated), waiting {waiting} (measured as processor time). \
{left} minutes are left for questions.

**You need** {needs}

Run the cells from top to bottom. Some texts ask a question in **bold**. Write your answer down before you run the \
next cell. A wrong answer is useful: it shows you what you can learn here.

{steps}

The cells are from {made_of}. The cell `{first}` is the cell `{id}` of notebook {number}, which explains more.
"""


def opening(lesson: Lesson, course: dict[str, contents.Walkthrough]) -> str:
    used = list(dict.fromkeys(place[:2] for place in lesson.places))
    rows = [f"| {number} | {step.minutes} | {step.what} |" for number, step in enumerate(lesson.steps, 1)]
    number, id = lesson.places[0].split("/")
    return OPENING.strip().format(
        **{name: lesson.entry[name] for name in ("title", "question", "needs")},
        **{name: getattr(lesson, name) for name in ("minutes", "teaching", "exercises", "waiting", "left")},
        steps="\n".join([*contents.table("step", "minutes", "what"), *rows]),
        made_of=", ".join(f"[{course[number].title}]({course[number].path.name})" for number in used),
        first=id_of(lesson.places[0]),
        number=number,
        id=id,
    )


def made(lesson: Lesson, course: dict[str, contents.Walkthrough]) -> NotebookNode:
    """The lesson's notebook, blank."""
    cells = [nbformat.v4.new_markdown_cell(opening(lesson, course), id="opening")]
    for number, step in enumerate(lesson.steps, 1):
        own = texts()["steps"][step.name].get("text", "").strip()
        parts = [nbformat.v4.new_markdown_cell(own, id=step.name)] if own else []
        parts += [taken(choice, course) for choice in step.choices]
        first = next(cell for cell in parts if cell.cell_type == "markdown")
        before, heading, after = first.source.rpartition("## ")  # an answer to the step before stands before it
        takes = f"{step.minutes} min" if step.minutes else "after the lesson"
        mark = f"*Step {number} of {len(lesson.steps)}: {takes}*\n\n"
        first.source = f"{before}{mark}{heading}{after}"
        cells += parts
    cells.append(nbformat.v4.new_markdown_cell(texts()["closing"].strip(), id="closing"))
    return contents.notebook_of(cells)


def with_outputs(blank: NotebookNode, stored: NotebookNode) -> NotebookNode:
    """The notebook with each stored output whose cell has stayed as it is, and with the stored metadata."""
    ran = {(cell.id, cell.source): cell for cell in stored.cells if cell.cell_type == "code"}
    for cell in blank.cells:
        before = ran.get((cell.id, cell.source))
        if cell.cell_type == "code" and before:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    blank.metadata = stored.metadata
    return blank


def answers() -> list[list[str]]:
    """The rows of ANSWERS.md: question, natural guess, what comes out, where it is measured."""
    section = ANSWERS.read_text(encoding="utf-8").partition("\n## What they will answer, and what comes out\n")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")][2:]
    return [line.strip("| ").split(" | ") for line in lines]


def for_teachers(lesson: Lesson) -> str:
    """What a teacher needs in front of the class: the steps with their minutes, and the expected answers."""
    known, at, rows = answers(), 0, []
    for number, step in enumerate(lesson.steps, 1):
        expected = [
            [*row[:3], " ".join(f"`{id_of(place)}`" for place in places)]
            for row in known
            if (places := [place for place in measured_in(row) if place in step.places])
        ]
        begin = f"| {at} to {at + step.minutes} | {number}. {step.what}{step.tip} |"
        for line in expected or [[""] * 4]:
            rows.append(f"{begin} {' | '.join(line)} |")
            begin = "| | |"
        at += step.minutes
    link = f"[{lesson.path.name}]({lesson.path.name})"
    takes = f"Teaching {lesson.teaching} minutes, exercises {lesson.exercises}, waiting {lesson.waiting}"
    left = f"{lesson.left} are left for questions."
    columns = contents.table("minutes", "step", "question", "a natural guess", "what comes out", "cell")
    return "\n".join([f"### {lesson.entry['title']}", "", f"{link}. {takes}; {left}", "", *columns, *rows])


def measured_in(row: list[str]) -> list[str]:
    """The places of the cells that a row of ANSWERS.md names."""
    return ["/".join(place) for place in REFERENCE.findall(row[-1])]


def marked(text: str, name: str, written: str) -> str:
    """A text with what stands between the marks of this name replaced."""
    start, end = f"<!-- {name}: written by tools/lessons.py -->", f"<!-- end of {name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"there must be one {start} and one {end}")
    return f"{text.partition(start)[0]}{start}\n\n{written}\n\n{end}{text.partition(end)[2]}"


def generated() -> dict[Path, str]:
    """Each file that this writes, and what it must hold."""
    course, files = contents.walkthroughs(), {}
    for lesson in lessons():
        blank = made(lesson, course)
        stored = nbformat.read(lesson.path, as_version=4) if lesson.path.exists() else blank
        files[lesson.path] = nbformat.writes(with_outputs(blank, stored)) + "\n"
    tables = "\n\n".join(for_teachers(lesson) for lesson in lessons())
    files[TEACHING] = marked(TEACHING.read_text(encoding="utf-8"), "lessons", tables)
    return files


if __name__ == "__main__":
    sys.exit(contents.main(generated()))
