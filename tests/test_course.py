"""The course hangs together: its pages are made of its notebooks, and whatever they point at is there."""

import ast
import re
from copy import deepcopy

import contents
import lessons
import nbformat
import pytest
from nbformat import NotebookNode

COURSE = contents.walkthroughs()
NUMBERS = list(COURSE)
TEACHING = (contents.NOTEBOOKS / "TEACHING.md").read_text(encoding="utf-8")
ANSWERS_PAGE = (contents.NOTEBOOKS / "ANSWERS.md").read_text(encoding="utf-8")
REFERENCE = re.compile(r"\b(\d\d), cell `([^`]+)`")
WIDTH = 98


def text(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def printed(cell: NotebookNode) -> str:
    """What a cell printed."""
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def shown(cell: NotebookNode) -> str:
    """What a cell printed, without spaces, since 43% and 43% are one number."""
    return re.sub(r"\s", "", printed(cell))


def varies(cell: NotebookNode) -> bool:
    """Whether what a cell prints is this machine's own."""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


PAGES = {
    **{each.path.name: text(each.notebook) for each in COURSE.values()},
    "index.ipynb": text(nbformat.read(contents.PAGE, as_version=4)),
    "TEACHING.md": TEACHING,
    "ANSWERS.md": ANSWERS_PAGE,
}


def test_what_the_notebooks_say_of_each_other_is_up_to_date() -> None:
    stale = [path.name for path in contents.out_of_date(contents.generated())]
    assert not stale, "python tools/contents.py writes them"


@pytest.mark.parametrize("number", NUMBERS)
def test_writing_the_links_leaves_code_and_outputs_as_they_ran(number: str) -> None:
    each = COURSE[number]
    bare = deepcopy(each.notebook)
    for cell in bare.cells:
        if cell.cell_type == "markdown":
            cell.source = contents.NAVIGATION.sub("", cell.source)
    for before, after in zip(bare.cells, contents.linked(each, COURSE).cells, strict=True):
        assert after.source.startswith(before.source) and after.id == before.id
        if before.cell_type == "code":
            assert (after.source, after.outputs) == (before.source, before.outputs)
            assert "index.ipynb" not in after.source


def test_a_place_that_does_not_exist_is_refused() -> None:
    for place in ("00/no-such-cell", "99/opening"):
        with pytest.raises(LookupError):
            contents.link(place, COURSE)


def test_every_sentence_of_the_taught_text_has_cells_that_test_it() -> None:
    for row in contents.course_texts()["sentences"]:
        cells = [COURSE[place[:2]].cell(place[3:]) for place in row["cells"]]
        assert any(cell.cell_type == "code" for cell in cells), f"nothing is run for {row['said']!r}"


def test_the_page_lists_every_walkthrough_and_every_word_once() -> None:
    page, words = PAGES["index.ipynb"], [word["word"] for word in contents.course_texts()["words"]]
    assert len(words) == len(set(words))
    assert all(f"| **{word}** |" in page for word in words)
    assert all(f"[{each.title}]({each.path.name})" in page for each in COURSE.values())


@pytest.mark.parametrize("number", NUMBERS)
def test_ids_are_unique_and_telling(number: str) -> None:
    ids = [cell.id for cell in COURSE[number].notebook.cells]
    assert len(ids) == len(set(ids))
    assert [
        id for id in ids if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id) or re.fullmatch(r"[0-9a-f-]{8,}", id)
    ] == []


@pytest.mark.parametrize("number", NUMBERS)
def test_a_walkthrough_opens_and_closes_as_the_others_do(number: str) -> None:
    each = COURSE[number]
    cells = {cell.id: cell.source for cell in each.notebook.cells}
    assert each.opening[1] == number
    assert len(each.questions) >= 3 and all(question.endswith(("?", ".")) for question in each.questions)
    assert re.search(r"^\*\*Afterwards you can\*\* ", cells["opening"], re.MULTILINE)
    assert cells["key-points"].startswith("## Key points\n") and "assert " in cells["key-asserts"]
    assert cells["exercises"].startswith("## Exercises\n") and "\n## Further reading\n" in cells["exercises"]
    assert [cell.id for cell in each.notebook.cells if cell.cell_type == "markdown"][-2:] == ["key-points", "exercises"]


@pytest.mark.parametrize("number", NUMBERS)
def test_half_of_the_cells_of_code_have_eight_lines_at_most(number: str) -> None:
    cells = COURSE[number].notebook.cells
    lines = sorted(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code")
    assert lines[len(lines) // 2] <= 8


@pytest.mark.parametrize("number", NUMBERS)
def test_no_line_of_code_is_wider_than_a_projector_shows(number: str) -> None:
    code = [cell for cell in COURSE[number].notebook.cells if cell.cell_type == "code"]
    assert [(cell.id, line) for cell in code for line in cell.source.splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_cell_that_is_pointed_at_exists(name: str) -> None:
    for number, id in REFERENCE.findall(PAGES[name]):
        COURSE[number].cell(id)


def test_a_word_that_no_notebook_has_is_no_word_of_the_glossary() -> None:
    assert contents.first_use({"word": "webhook"}, COURSE) == "00/opening"
    with pytest.raises(LookupError, match="must be in a notebook, got 'telegram'"):
        contents.first_use({"word": "telegram"}, COURSE)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGES[name]):
        if not target.startswith("http"):
            assert (contents.NOTEBOOKS / target).exists(), target


def test_every_rule_of_the_summary_names_a_cell_that_measured_it() -> None:
    rules = [row for row in COURSE["09"].cell("rules").source.splitlines() if row.startswith("| ")][1:]
    assert len(rules) > 8
    for row in rules:
        measured = [COURSE[number].cell(id) for number, id in REFERENCE.findall(row)]
        assert measured and all(cell.cell_type == "code" for cell in measured), row


def rows(heading: str) -> list[list[str]]:
    """A table of ANSWERS.md, without its first two lines."""
    section = ANSWERS_PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]


ANSWERS = rows("What they will answer, and what comes out")


@pytest.mark.parametrize(("question", "answer", "place"), [(row[0], row[2], row[-1]) for row in ANSWERS])
def test_an_expected_answer_is_what_the_cell_printed(question: str, answer: str, place: str) -> None:
    cells = [COURSE[number].cell(id) for number, id in REFERENCE.findall(place)]
    told = "\n".join(shown(cell) for cell in cells)
    claims = [re.sub(r"\s", "", claim) for claim in re.findall(r"\*\*(.+?)\*\*", answer)]
    assert cells and [claim for claim in claims if claim not in told] == []
    assert claims or all(varies(cell) for cell in cells), "nothing that could be compared"


PREDICTIONS = {
    (number, id): (contents.asked(each.cell(id)), {(number, answer) for answer in answers})
    for number, each in COURSE.items()
    for id, answers in contents.predictions(each).items()
}


@pytest.mark.parametrize("place", PREDICTIONS, ids="/".join)
def test_each_question_in_bold_is_measured_and_has_an_expected_answer(place: tuple[str, str]) -> None:
    questions, cells = PREDICTIONS[place]
    answers = [row for row in ANSWERS if cells & set(REFERENCE.findall(row[-1]))]
    assert cells and len(answers) >= len(questions), questions


@pytest.mark.parametrize("place", dict.fromkeys(row[-1] for row in ANSWERS))
def test_each_expected_answer_is_to_a_question_in_bold(place: str) -> None:
    assert any(cells & set(REFERENCE.findall(place)) for _, cells in PREDICTIONS.values())


@pytest.mark.parametrize("number", NUMBERS)
def test_the_outputs_that_answer_a_prediction_are_marked_to_be_folded_and_no_others(number: str) -> None:
    cells = COURSE[number].notebook.cells
    marked = {(number, cell.id) for cell in cells if "hide-output" in cell.metadata.get("tags", [])}
    expected = {place for row in ANSWERS for place in REFERENCE.findall(row[-1]) if place[0] == number}
    after_a_question = set().union(*(answers for _, answers in PREDICTIONS.values()))
    assert expected <= marked
    assert marked == {(number, cell.id) for cell in cells if (number, cell.id) in after_a_question and cell.outputs}


def test_a_prediction_ends_at_the_next_text_and_marks_are_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def text(id: str, source: str) -> NotebookNode:
        return nbformat.v4.new_markdown_cell(source, id=id)

    def code(id: str, says: str = "", **metadata: object) -> NotebookNode:
        outputs = [nbformat.v4.new_output("stream", text=says)] if says else []
        return nbformat.v4.new_code_cell("1", id=id, outputs=outputs, metadata=metadata)

    each = contents.Walkthrough(contents.NOTEBOOKS / "00_start_here.ipynb")
    cells = [text("ask", "**How many?**"), code("run"), code("answer", "7"), code("picture", "8", tags=["interactive"]),
             text("said", "**Seven** it is."), code("after", "9", tags=["hide-output", "hide-input"]),
             code("checks", "10", jupyter={"source_hidden": True}), text("exercises", "**Which?**")]  # fmt: skip
    monkeypatch.setitem(vars(each), "notebook", nbformat.v4.new_notebook(cells=cells))
    monkeypatch.setattr(contents, "course_texts", lambda: {"answered_later": {}})
    once = contents.linked(each, COURSE)
    found = {cell.id: cell.metadata["tags"] for cell in once.cells if "tags" in cell.metadata}
    assert found == {"answer": ["hide-output"], "picture": ["interactive", "hide-output"], "checks": ["hide-input"]}
    monkeypatch.setitem(vars(each), "notebook", once)
    assert contents.linked(each, COURSE) == once


def test_there_are_expected_answers_for_every_walkthrough() -> None:
    assert {REFERENCE.findall(row[-1])[0][0] for row in ANSWERS} == set(COURSE) and len(ANSWERS) > 30


def test_the_minutes_for_teachers_are_the_notebooks_own() -> None:
    told = {row[0]: int(row[1]) for row in rows("Timings")}
    assert told == {each.title: each.minutes for each in COURSE.values()}


@pytest.mark.parametrize("number", NUMBERS)
def test_the_minutes_of_a_walkthrough_are_those_of_its_exercises_and_enough_to_read_it(number: str) -> None:
    each = COURSE[number]
    cells = each.notebook.cells
    opening = re.search(r"Teaching (\d+) minutes, exercises (\d+)", cells[0].source)
    tasks = re.search(r"exercises, (\d+) minutes", nbformat.read(each.exercises, as_version=4).cells[0].source)
    assert opening and tasks
    teaching, exercises = int(opening[1]), int(tasks[1])
    assert int(opening[2]) == exercises and teaching + exercises == each.minutes
    assert 10 <= teaching <= 35 and exercises <= 45
    texts = [cell for cell in cells if cell.cell_type == "markdown" and cell.id != "exercises"]
    words = sum(lessons.words(cell.source.replace("<details>", "")) for cell in texts)
    code = sum(cell.cell_type == "code" for cell in cells)
    questions = sum(bool(contents.asked(cell)) for cell in texts)
    assert words / 150 + questions + code / 6 < teaching + 3


NUMBER = re.compile(r"(?<![\w.])(\d+(?:,\d{3})*(?:\.\d+)?)(?: ?(%|ms\b))?")
UNITS = {"%": 100, "ms": 1000, "": 1}
ONE_TO_TEN = "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"
WORDS = {word: value for value, word in enumerate(ONE_TO_TEN, start=1)}
SHARE = re.compile(rf"\b({'|'.join(WORDS)}) (?:in|of) ({'|'.join(WORDS)})\b")
NEED_NO_CELL = {
    "code": r"(?s:```.*?```)|`[^`\n]*`",
    "an address": r"\]\([^)]*\)|<https?:[^>]*>",
    "a list's own number": r"(?m:^\d+\. )",
    "a notebook": r"\b0\d\b",
    "a standard": r"\bRFC \d+",
    "a date": r"\b\d+ (?:January|February)\b|\b(?:19|20)\d\d\b",
    "the notebook's own time": r"\b\d+ minutes with the exercises|\btakes (?:some )?\d+ seconds",
    "its parts": r"\bTeaching \d+ minutes, exercises \d+",
    "the p95": r"\b95 (?:of|times in) 100\b",
    "a status of the source's": r"\b(?:429|503)\b",
}


def values(text: str) -> set[float]:
    """The numbers of a text: 10,074 is one."""
    return {float(number.replace(",", "")) for number, _ in NUMBER.findall(text)}


def has(notebook: NotebookNode) -> set[float]:
    """The numbers that its code has, and those that it prints on every machine."""
    found = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            constants = [node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
            found |= {float(value) for value in constants if type(value) in (int, float)}
            found |= values("\n".join(value for value in constants if isinstance(value, str)))
            found |= set() if varies(cell) else values(printed(cell))
    return found


def without_a_cell(notebook: NotebookNode) -> set[tuple[str, str]]:
    """Each text that says a number which the notebook neither has in its code nor prints, and that number."""
    missing, known = set(), has(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = contents.NAVIGATION.sub("", cell.source)
            given = set()
            if cell.id == "exercises":  # what a question gives, its answer may use
                given = values(prose.partition("<details>")[0]) | values(" ".join(re.findall(r"`[^`\n]*`", prose)))
            for kind in NEED_NO_CELL.values():
                prose = re.sub(kind, " ", prose)
            said = []
            for number, unit in NUMBER.findall(prose):
                (value,) = values(number)
                said.append((number, {value, value / UNITS[unit]}))
            said += [(share[0], {WORDS[share[1]] / WORDS[share[2]]}) for share in SHARE.finditer(prose)]
            missing |= {(cell.id, number) for number, forms in said if not forms & (known | given)}
    return missing


@pytest.mark.parametrize("number", NUMBERS)
def test_each_number_of_the_prose_is_in_a_cell(number: str) -> None:
    assert without_a_cell(COURSE[number].notebook) == set()


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("43% of 10,074 polls, 20 ms, 354 s", []),
        ("20 minutes, 20 ms", ["20"]),
        ("from 3 to 4 of 4", ["3"]),
        ("44%", ["44"]),
        ("at 10,075", ["10,075"]),
        ("nine of ten, three in ten", ["three in ten"]),
        ("in 2018, by RFC 6202, answered 429, as notebook 08 has it, `limit=77`", []),
    ],
)
def test_a_number_that_no_cell_has_is_noticed(said: str, missing: list[str]) -> None:
    stream = nbformat.v4.new_output("stream", text="43% of 10,074")
    code = nbformat.v4.new_code_cell("delay = 0.02\nassert wait == f'{354} 4'  # 3", outputs=[stream], id="code")
    share = nbformat.v4.new_code_cell("assert share == 0.9")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(said, id="text"), code, share])
    assert without_a_cell(notebook) == {("text", number) for number in missing}
