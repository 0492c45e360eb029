"""The pages to print: what they claim is printed by cells, the right option is right, and a page is one page."""

import math
import re
from pathlib import Path

import handouts
import lessons
import pytest
from browser import chromium, sheets
from test_course import COURSE, REFERENCE, shown

ROOT = Path(__file__).parent.parent
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "class").glob("*.md"))}
CLAIMS = [
    pytest.param(line, id=f"{name}-{number}")
    for name, text in TEXTS.items()
    for number, line in enumerate(text.splitlines(), 1)
    if REFERENCE.search(line)
]
VALUES = {
    1: 5, 2: 42.9, 3: 84.4, 4: 151.038, 5: 3863 / 0.44, 6: 1.01, 7: 54, 9: 26, 10: 0, 11: 1644 / 60, 12: 70, 13: 0,
    14: 539, 15: 12,
}  # fmt: skip
"""What comes out, by the number of the prediction; the claims beside the answers hold the same figures."""
SMALL = {"none": 0, "one": 1, "two": 2}


def table(name: str, heading: str = "") -> dict[int, list[str]]:
    """The numbered rows of a page's part, by number."""
    part = TEXTS[name].partition(heading)[2] if heading else TEXTS[name].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if re.match(r"\| \d+ \|", line)]
    return {int(row[0]): row[1:] for row in rows}


def is_in(option: str, value: float) -> bool:
    """Whether an option has a value: `under 25%`, `25 to 60%`, `over 1,000`, `5 or 6`, `12 or more`, `none`."""
    low, high = ([*map(float, re.findall(r"\d+(?:\.\d+)?", option.replace(",", "")))] * 2)[:2] or [SMALL[option]] * 2
    if option.startswith("under "):
        return value < high
    if option.startswith("over "):
        return value > low
    return low <= value <= (float("inf") if option.endswith("or more") else high)


def test_the_sheet_has_the_rules_of_notebook_09_in_their_words() -> None:
    def lines(text: str) -> list[list[str]]:
        return [row.strip("| ").split(" | ")[:2] for row in text.splitlines() if row.startswith("| ")]

    rules = lines(COURSE["09"].cell("rules").source)
    assert lines(TEXTS["sheet"].partition("\n## Which should I use?\n")[2]) == rules and len(rules) > 8


@pytest.mark.parametrize("line", CLAIMS)
def test_what_a_page_claims_in_bold_is_printed_by_the_cells_that_it_names(line: str) -> None:
    told = "\n".join(shown(COURSE[number].cell(id)) for number, id in REFERENCE.findall(line))
    claims = [re.sub(r"\s", "", claim) for claim in re.findall(r"\*\*(.+?)\*\*", line)]
    assert [claim for claim in claims if claim not in told] == []
    assert claims


@pytest.mark.parametrize("number", VALUES)
def test_the_right_range_is_the_only_one_with_what_comes_out(number: int) -> None:
    options, (right, *_) = table("predictions")[number][1:], table("predictions", "\n## Answers")[number]
    assert ["ABC"[place] for place, option in enumerate(options) if is_in(option, VALUES[number])] == [right]


def test_each_prediction_and_each_question_of_the_quiz_has_one_answer() -> None:
    assert list(table("predictions")) == list(table("predictions", "\n## Answers")) == list(range(1, 16))
    assert set(table("predictions")) - set(VALUES) == {8}  # no number
    asked = re.findall(r"^\*\*(\d+)\. .+\?\*\*\n\n((?:- [A-D]: .+\.\n?){4})", TEXTS["quiz"], re.MULTILINE)
    assert [int(number) for number, _ in asked] == list(range(1, 11)) == list(table("quiz_answers", "# "))


def test_the_predictions_of_a_lesson_are_those_whose_cells_it_has_in_its_order() -> None:
    said = re.findall(r"^\| (?:.*minutes|two sessions.*) \| ([\d, ]+) \|$", TEXTS["predictions"], re.MULTILINE)
    for numbers, lesson in zip(said, lessons.lessons(), strict=True):
        rows = table("predictions", "\n## Answers").items()
        cells = {number: ["/".join(place) for place in REFERENCE.findall(row[-1])] for number, row in rows}
        at = {
            number: [lesson.places.index(place) for place in cells[number] if place in lesson.places]
            for number in cells
        }
        has = sorted((min(places), number) for number, places in at.items() if places)
        assert [int(number) for number in numbers.split(", ")] == [number for _, number in has], lesson.path.name


def test_the_formulas_of_the_sheet_are_those_of_the_theory() -> None:
    from labkit import theory

    polling = theory.Polling(1 / 354, 300, 0.02)
    period = 300 + 2 * 0.02
    assert polling.requests_per_event == pytest.approx(354 / period)
    assert polling.mean_latency == pytest.approx(period / 2 + 0.02)
    assert polling.empty_share == pytest.approx(math.exp(-period / 354))
    assert theory.crossover_interval(1 / 354, 0.02) == pytest.approx(354 - 2 * 0.02)


def test_a_claim_that_no_cell_prints_and_a_range_that_does_not_hold_are_noticed() -> None:
    assert "5ofthemfornothing" in shown(COURSE["00"].cell("unplugged"))
    assert "6ofthemfornothing" not in shown(COURSE["00"].cell("unplugged"))
    assert is_in("12 or more", 13) and not is_in("12 or more", 11) and is_in("none", 0) and not is_in("over 60%", 60)
    assert is_in("100 to 1,000", 1000) and not is_in("under 25%", 25) and is_in("9", 9) and not is_in("5 or 6", 7)


def test_all_pages_are_written(tmp_path: Path) -> None:
    assert [path.stem for path in handouts.write(tmp_path / "new")] == list(TEXTS)
    assert "<table>" in (tmp_path / "new" / "sheet.html").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "expected"), [("sheet", 1), ("predictions", 2), ("quiz", 1), ("quiz_answers", 1), ("rubric", 1)]
)
def test_a_page_prints_on_one_sheet_of_paper_and_answers_on_their_own(name: str, expected: int, tmp_path: Path) -> None:
    handouts.write(tmp_path)
    with chromium() as browser:
        page = browser.new_page()
        page.goto((tmp_path / f"{name}.html").as_uri())
        assert sheets(page.pdf(prefer_css_page_size=True)) == expected
