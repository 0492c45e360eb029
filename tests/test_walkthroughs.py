"""The walkthroughs' copies: blank, whole, linked to each other, and never in place of a student's work."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labkit.cli import main
from labkit.course.assignment import exercises, student_copy
from labkit.course.walkthroughs import walkthroughs, write_walkthroughs

ROOT = Path(__file__).parent.parent
STORED = walkthroughs()


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("course") / "new" / "folder"
    write_walkthroughs(directory)
    return directory


def labkit(*arguments: str) -> int:
    """Run a command in this process; its exit status."""
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_there_is_a_copy_of_each_walkthrough_of_the_contents_page_and_of_the_exercises(copies: Path) -> None:
    stored = [path.relative_to(ROOT / "notebooks") for path in (ROOT / "notebooks").rglob("*.ipynb")]
    assert {path.relative_to(copies) for path in copies.rglob("*") if path.is_file()} == set(stored)
    assert Path("index.ipynb") in stored and Path("exercises/03_head_to_head_exercises.ipynb") in stored


@pytest.mark.parametrize("name", STORED)
def test_a_copy_has_every_cell_and_no_answer(copies: Path, name: str) -> None:
    copy, stored = read(copies / name), STORED[name]
    nbformat.validate(copy)
    assert copy["metadata"] == {key: value for key, value in stored["metadata"].items() if key != "widgets"}
    for blank, cell in zip(copy["cells"], stored["cells"], strict=True):
        assert (blank["id"], blank["cell_type"], blank["metadata"]) == (cell["id"], cell["cell_type"], cell["metadata"])
        if cell["cell_type"] == "code":
            assert (blank["source"], blank["outputs"], blank["execution_count"]) == (cell["source"], [], None)


def test_the_exercises_are_the_students_copies(copies: Path) -> None:
    for name, notebook in exercises().items():
        assert read(copies / "exercises" / name) == student_copy(notebook)


@pytest.mark.parametrize("name", STORED)
def test_each_link_of_a_copy_leads_somewhere_and_no_word_is_lost(copies: Path, name: str) -> None:
    for blank, cell in zip(read(copies / name)["cells"], STORED[name]["cells"], strict=True):
        if cell["cell_type"] == "markdown":
            texts = ["".join(each["source"]) for each in (blank, cell)]
            for target in re.findall(r"\]\(([^)#]+)", texts[0]):
                assert target.startswith("http") or (copies / target).exists(), target
            words, stored = (re.sub(r"\[(.+?)\]\(.*?\)", r"\1", text) for text in texts)
            assert words == stored


def test_what_a_student_has_worked_in_is_kept_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, exercise = tmp_path / "01_polling.ipynb", tmp_path / "exercises" / "00_start_here_exercises.ipynb"
    exercise.parent.mkdir()
    for path in (mine, exercise):
        path.write_text("a night's work")
    assert labkit("walkthroughs", str(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert err == "".join(f"labkit: {p} exists, may contain answers, and was kept\n" for p in (exercise, mine))
    assert {mine, exercise, *map(Path, out.splitlines())} == {p for p in tmp_path.rglob("*") if p.is_file()}

    assert labkit("walkthroughs", str(tmp_path)) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith("labkit: these exist and may contain answers (rename one, and it is written anew): ")
    assert str(mine) in err
    assert [path.read_text() for path in (mine, exercise)] == ["a night's work"] * 2


def test_the_contents_page_is_written_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`make lab` writes the copies if it is missing, so an interrupted first time is made good."""
    labkit("walkthroughs", str(tmp_path))
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "index.ipynb")


def test_make_lab_opens_copies_that_git_ignores() -> None:
    (rule,) = re.findall(r"^lab: .*\n\t.*", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    (folder,) = re.findall(r" (\S+)/index\.ipynb ", rule)
    assert f"--notebook-dir {folder}" in rule
    assert f"/{folder}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_package_has_the_notebooks_and_nothing_else_of_the_course() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {name for name, folder in project["package-dir"].items() if folder.startswith("notebooks")}
    assert packages == {"labkit.course.notebooks", "labkit.course.exercises"} <= set(project["packages"])
    assert all(project["package-data"][name] == ["*.ipynb"] for name in packages)
    assert "tools" not in project["package-dir"].values()
