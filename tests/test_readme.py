"""What the README says is executed."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "DESIGN.md",
    ROOT / "SECURITY.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("**/*.md"),
    ROOT / "data" / "README.md",
]


EXAMPLES = [
    pytest.param(page, code, output, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (code, output) in enumerate(
        re.findall(r"```python\n(.*?)```\s*```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize(("page", "code", "output"), EXAMPLES)
def test_an_example_gives_the_output_that_stands_below_it(page: Path, code: str, output: str) -> None:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert [line.split() for line in ran.stdout.splitlines()] == [line.split() for line in output.splitlines()]


def test_there_are_examples() -> None:
    assert {param.values[0].stem for param in EXAMPLES} >= {"README", "approaches", "faults", "your-own-approach"}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_each_page_and_notebook_stands_in_the_contents_of_the_website() -> None:
    listed = re.findall(r"^/(\S+)$", (ROOT / "site" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {*PAGES, *ROOT.glob("*.md"), *ROOT.glob("notebooks/*.md"), *ROOT.glob("notebooks/**/*.ipynb")}
    for page in pages:
        name = page.relative_to(ROOT).with_suffix("").as_posix()
        assert any(fnmatch(name, each) for each in listed), f"site/index.md does not list {name}"


def test_the_tests_that_the_page_on_security_names_exist() -> None:
    named = re.findall(r"`(test_\w+\.py)`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 10 and [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_the_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\$ make ([a-z]+)", README)) <= targets
