"""The lessons in one piece: made of the walkthroughs' cells, blank and filled, with timings and answers that agree."""

import doctest
import re
from pathlib import Path
from types import ModuleType

import contents
import handouts
import lessons
import nbformat
import pytest
from nbformat import NotebookNode
from test_course import ANSWERS, COURSE, REFERENCE, shown, varies

from labkit import (
    Hybrid,
    Leased,
    Outage,
    Polling,
    RetryProfile,
    Scenario,
    Status,
    Webhook,
    compare,
    earthquakes,
    poisson,
    profile,
)
from labkit.course.walkthroughs import write_walkthroughs

LESSONS = lessons.lessons()
STORED = {lesson.path.stem: nbformat.read(lesson.path, as_version=4) for lesson in LESSONS}
TEACHING = lessons.TEACHING.read_text(encoding="utf-8")


def code(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def test_the_lessons_and_the_teachers_tables_are_what_the_tool_writes() -> None:
    stale = [path.name for path in contents.out_of_date(lessons.generated())]
    assert not stale, "python tools/lessons.py writes them; then run the lessons whose outputs are gone"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)
def test_a_lesson_takes_the_minutes_that_its_title_says(lesson: lessons.Lesson) -> None:
    (minutes,) = re.findall(r"\b(\d\d) minutes", lesson.entry["title"])
    assert lesson.minutes == int(minutes) and lesson.waiting >= 1
    assert lesson.left >= 3, "leave a step out: questions need time"
    assert set(lesson.entry.get("exercises", {})) <= set(lesson.entry["steps"])


def test_the_minutes_of_a_step_follow_the_rule_that_the_teachers_page_gives() -> None:
    """The step `stop`: 65 words at 130 per minute, one question of 90 s, one cell of 10 s."""
    assert "at 130 words per minute" in TEACHING and "takes 90 s more" in TEACHING and "takes 10 s" in TEACHING
    said = sum(lessons.words(COURSE["00"].cell(id).source) for id in ("stop-text", "stop-said"))
    assert lessons.spoken("stop") == round(60 * said / 130 + 90 + 10)
    assert lessons.words("Say `this` and [that](there.md).\n\n```\nno\n```\n\n| or | 3 s |") == 7


@pytest.mark.parametrize("name", STORED)
def test_a_lesson_says_of_a_cell_that_it_has_where_it_is_from(name: str) -> None:
    opening, *cells = STORED[name].cells
    ((lesson_id, id, number),) = re.findall(r"The cell `(.+?)` is the cell `(.+?)` of notebook (\d\d)", opening.source)
    assert lesson_id in [cell.id for cell in cells]
    assert COURSE[number].cell(id)


@pytest.mark.parametrize("name", STORED)
def test_a_lesson_prints_what_the_walkthroughs_print(name: str) -> None:
    """So its cells need no cell that it leaves out, and the answers and the prose hold for it, too."""
    compared = 0
    for id, cell in code(STORED[name]).items():
        original = COURSE[id[1:3]].cell(id[4:])
        assert cell.source == original.source
        if not varies(cell):
            assert shown(cell) == shown(original), id
            compared += bool(cell.outputs)
    assert compared > 12


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)
def test_each_question_in_bold_of_a_lesson_has_its_answer_in_the_teachers_table(lesson: lessons.Lesson) -> None:
    table = lessons.for_teachers(lesson)
    assert table in TEACHING
    for cell in STORED[lesson.path.stem].cells:
        if cell.id not in ("opening", "closing", "turn", "turn-1", "turn-2") and contents.asked(cell):
            number, id = cell.id[1:3], cell.id[4:]
            after = contents.predictions(COURSE[number])[id]
            assert any(f"`n{number}-{answer}`" in table for answer in after), cell.id


@pytest.mark.parametrize("place", ["03/compare", "02/nat", "09/rules"])
def test_the_comparison_nat_and_the_rules_are_in_both_lessons(place: str) -> None:
    for lesson in LESSONS[:2]:
        assert place in lesson.places


def test_signatures_and_an_outage_are_in_the_longer_one_alone() -> None:
    short, long = (set(lesson.places) for lesson in LESSONS[:2])
    assert {"02/sign", "02/replayed", "05/twenty", "05/senders"} <= long - short


def test_blank_copies_are_written_with_the_walkthroughs(tmp_path: Path) -> None:
    written, _ = write_walkthroughs(tmp_path)
    for name, stored in STORED.items():
        copy = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
        assert [cell.source for cell in copy.cells if cell.cell_type == "code"] == [
            cell.source for cell in code(stored).values()
        ]
        assert not any(cell.outputs for cell in code(copy).values())
    assert written[-1].name == "index.ipynb"


def test_a_cell_is_taken_with_its_paragraphs_and_edits_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = COURSE["03"].cell("little-text").source.split("\n\n")
    assert lessons.taken("03/little-text[:1]", COURSE).source == whole[0]
    assert lessons.taken("03/little-text[1:]", COURSE).source == "\n\n".join(whole[1:])
    assert lessons.taken("03/compare", COURSE).metadata == {"tags": ["hide-output"]}
    with pytest.raises(ValueError, match="a place must be NN/cell-id or"):
        lessons.taken("little-text", COURSE)
    said = lessons.texts() | {"edits": {"03/little-text": [["no such words", ""]]}}
    monkeypatch.setattr(lessons, "texts", lambda: said)
    with pytest.raises(ValueError, match="03/little-text: an edit of lessons.toml must find its text once, found 0"):
        lessons.taken("03/little-text", COURSE)


def test_an_output_stays_with_its_cell_and_goes_if_the_cell_changes() -> None:
    def notebook(source: str, *outputs: NotebookNode) -> NotebookNode:
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="one", outputs=list(outputs))])

    stream = nbformat.v4.new_output("stream", text="7")
    assert lessons.with_outputs(notebook("print(7)"), notebook("print(7)", stream)).cells[0].outputs == [stream]
    assert lessons.with_outputs(notebook("print(8)"), notebook("print(7)", stream)).cells[0].outputs == []


def test_there_are_answers_to_choose_from() -> None:
    assert lessons.answers() == ANSWERS and all(REFERENCE.findall(row[-1]) for row in ANSWERS)


@pytest.mark.parametrize("tool", [handouts, lessons])
def test_the_examples_of_a_tool_run(tool: ModuleType) -> None:
    failed, tried = doctest.testmod(tool)
    assert tried > 0 and failed == 0


def said(step: str) -> str:
    """The answers of a step that a class tries."""
    return str(lessons.texts()["steps"][step]["text"].partition("<summary>Answers</summary>")[2])


@pytest.mark.parametrize(("step", "interval"), [("turn", 30), ("turn-1", 10)])
def test_the_answer_for_another_interval_is_what_the_lab_computes(step: str, interval: int) -> None:
    row = compare(earthquakes(), [Polling(interval=interval)], lens="model")[0].row()
    assert f"{row['requests']:,} requests" in said(step)
    assert f"{row['latency']['mean']:.0f} s late on average" in said(step)


@pytest.mark.parametrize("step", ["turn", "turn-2"])
def test_the_answer_for_a_gateway_that_is_broken_for_20_minutes_is_what_the_lab_measures(step: str) -> None:
    gateway = Status(status=503, kinds=("delivery",), start=8 * 3600, duration=1200)
    scenario = Scenario(earthquakes(duration=86_400), retries=RetryProfile(waits=(5, 300, 1800)), faults=(gateway,))
    for result in compare(scenario, [Webhook(), Hybrid()]):
        assert result.row()["lost"] == 0
        assert f"the latest event is {result.row()['latency']['max']:,.0f} s late" in said(step)


def test_the_answer_for_an_outage_of_40_minutes_is_what_the_lab_measures() -> None:
    down, events = Outage(start=0, duration=2400), poisson(360, duration=1200, seed=1)
    rows = {
        name: compare(Scenario(events, faults=(down,), retries=profile(name)), [Webhook()])[0].row()
        for name in ("github", "slack", "shopify", "adyen")
    }
    assert [row["lost"] for row in rows.values()] == [121, 121, 0, 0] and "lose all 121" in said("turn-2")
    late = [f"{rows[name]['latency']['mean']:,.0f} s" for name in ("shopify", "adyen")]
    assert " and ".join(late) in said("turn-2")
    polled = compare(Scenario(events, faults=(down,)), [Polling(interval=60)])[0].row()["latency"]["mean"]
    assert f"With polling it is {polled:,.0f} s" in said("turn-2")


def test_the_answer_for_a_reconciliation_every_15_minutes_is_what_the_lab_measures() -> None:
    lease = Leased(ttl=7200, renew_before=600, forgotten=0.2, reconcile_interval=900)
    (leased,) = compare(poisson(30, duration=86_400, seed=1), [lease])
    polls = leased.exchanges[leased.exchanges.kind == "poll"]
    found = leased.receipts[leased.receipts.latency > 60].groupby("exchange").size().reindex(polls.index, fill_value=0)
    first = 1 + list(found > 0).index(True)
    assert f"At most {found.max()} events, and {found.sum()} in all. The {first}th one" in said("turn-2")
    assert round(polls.sent_at.iloc[first - 1] / 3600) == 6


def test_the_second_session_begins_with_questions_of_the_quiz_that_the_first_one_has_measured() -> None:
    text = lessons.texts()["steps"]["recall"]["text"]
    quiz = (contents.ROOT / "docs" / "class" / "quiz.md").read_text(encoding="utf-8")
    asked = re.findall(r"^\d\. .+\?$", text, re.MULTILINE)
    assert len(asked) == 4 and all(f"**{question}**" in quiz for question in asked)
    first = {place: shown(COURSE[place[:2]].cell(place[3:])) for place in ("01/empty", "01/halve")}
    assert set(first) <= set(LESSONS[2].places)
    assert "43%" in first["01/empty"] and all(claim in first["01/halve"] for claim in ("66%", "73s"))
    assert all(claim in said("recall") for claim in ("43%", "66%", "73 s"))
