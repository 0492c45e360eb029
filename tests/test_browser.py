"""The course in a real browser: JupyterLab runs each walkthrough, and what a student then sees is looked at.

`make browser` runs these; it needs a chromium. What was on the screen is kept in `LABKIT_SCREENSHOTS`, or
`out/screenshots`: the notebooks screen by screen, and each picture, in colour and in grey.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from browser import PROJECTOR, cells, chromium, jupyterlab, open_notebook, photograph, run_all, strangers
from nbformat import NotebookNode

from labkit.course.walkthroughs import write_walkthroughs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
WALKTHROUGHS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SCREENSHOTS = Path(os.environ.get("LABKIT_SCREENSHOTS") or ROOT / "out" / "screenshots")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def tagged(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def pictures(cell: NotebookNode) -> list[str]:
    """What the pictures of a stored cell say."""
    datas = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [data["text/plain"] for data in datas if "<figure" in data.get("text/html", "")]


UNSAID = "", "Image"
"""The second is what JupyterLab puts where there is no alternative text."""
WITH_KNOBS = [path for path in WALKTHROUGHS if any(tagged(cell, "interactive") for cell in read(path).cells)]


@dataclass(frozen=True)
class Lab:
    """JupyterLab and a browser; in `folder`, the notebooks as stored, and in its `work`, the students' copies."""

    browser: "Browser"
    url: str
    folder: Path

    def page(self) -> tuple["Page", list[str]]:
        """A new page as large as a projector's, and the list of what it will have asked for."""
        page, requests = self.browser.new_page(viewport=PROJECTOR), list[str]()
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(re.sub("^ws", "http", socket.url)))
        return page, requests


@dataclass(frozen=True)
class Walk:
    """A student's copy that was run in the browser, and what its page showed before and after, and asked for."""

    notebook: NotebookNode
    page: "Page"
    requests: list[str]
    before: list[dict[str, Any]]
    cells: list[dict[str, Any]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("notebooks")
    for path in WALKTHROUGHS:
        shutil.copy(path, folder)
    write_walkthroughs(folder / "work")
    with jupyterlab(folder, tmp_path_factory.mktemp("home")) as url, chromium() as browser:
        yield Lab(browser, url, folder)


@pytest.fixture(scope="module")
def walk(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Walk]:
    page, requests = lab.page()
    open_notebook(page, lab.url.format(name=f"work/{request.param.name}"))
    before = cells(page)
    run_all(page)
    yield Walk(read(lab.folder / request.param.name), page, requests, before, cells(page))
    page.close()


named = partial(pytest.mark.parametrize, ids=lambda path: path.stem)
every_walkthrough = named("walk", WALKTHROUGHS, indirect=True)


@every_walkthrough
def test_a_copy_shows_no_answer_before_it_runs(walk: Walk) -> None:
    assert [shown["outputs"] for shown in walk.before] == [0] * len(walk.notebook.cells)


@every_walkthrough
def test_each_cell_runs_and_complains_of_nothing(walk: Walk) -> None:
    assert len(walk.cells) == len(walk.notebook.cells)
    for cell, shown in zip(walk.notebook.cells, walk.cells, strict=True):
        if not tagged(cell, "raises-exception"):
            assert (cell.id, shown["errors"]) == (cell.id, [])
        assert (cell.id, shown["outputs"] > 0) == (cell.id, bool(cell.get("outputs")))
        assert (cell.id, shown["folded"]) == (cell.id, bool(cell.metadata.get("jupyter", {}).get("source_hidden")))
        knobs = re.findall(r"\w+=\[", cell.source) if tagged(cell, "interactive") else []
        assert not tagged(cell, "interactive") or knobs
        assert (cell.id, shown["sliders"]) == (cell.id, len(knobs))


@every_walkthrough
def test_each_picture_is_whole_and_says_what_was_stored(walk: Walk) -> None:
    """In a figure, loaded, not cut off at the right, and with the stored sentence for those who do not see it."""
    for cell, shown in zip(walk.notebook.cells, walk.cells, strict=True):
        for image in shown["images"]:
            assert image["figure"] and image["alt"] not in UNSAID and image["width"] > 0 and image["shown"] > 400, (
                cell.id,
                image,
            )
            assert image["cut"] <= 0, (cell.id, image)
        if not tagged(cell, "nbval-ignore-output"):
            assert [image["alt"] for image in shown["images"]] == pictures(cell)
        assert len(shown["images"]) == len(pictures(cell))


@every_walkthrough
def test_nothing_that_the_page_asks_for_leaves_the_machine(walk: Walk) -> None:
    assert len(walk.requests) > 20
    assert strangers(walk.requests) == []


@every_walkthrough
def test_what_was_seen_is_kept_in_colour_and_in_grey(walk: Walk, request: pytest.FixtureRequest) -> None:
    from PIL import Image

    name = request.node.callspec.params["walk"].stem
    greys = photograph(walk.page, SCREENSHOTS / name)
    assert len(greys) == sum(len(cell["images"]) for cell in walk.cells)
    for grey in greys:
        darkest, lightest = Image.open(grey).getextrema()
        assert darkest < 60 and lightest > 240, grey  # ink on paper


@named("walk", WITH_KNOBS, indirect=True)
def test_each_knob_changes_its_picture(walk: Walk) -> None:
    number = next(n for n, cell in enumerate(walk.notebook.cells) if tagged(cell, "interactive"))
    cell = walk.page.locator(".jp-Notebook .jp-Cell").nth(number)
    image = cell.locator("figure img")
    for knob in cell.locator(".noUi-handle").all():
        before = image.get_attribute("alt")
        knob.focus()
        walk.page.keyboard.press("ArrowRight")
        walk.page.wait_for_function(
            "([cell, alt]) => cell.querySelector('figure img')?.alt !== alt && cell.querySelector('figure img')",
            arg=[cell.element_handle(), before],
            timeout=20_000,
        )
        assert image.get_attribute("alt") not in ("", before)
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400


@named("path", WALKTHROUGHS)
def test_what_was_stored_is_shown_before_anything_runs(lab: Lab, path: Path) -> None:
    """Sliders stand where they were, as a sentence: JupyterLab draws none of a notebook that it does not trust."""
    page, requests = lab.page()
    open_notebook(page, lab.url.format(name=path.name))
    for cell, shown in zip(read(lab.folder / path.name).cells, cells(page), strict=True):
        assert [image["alt"] for image in shown["images"]] == pictures(cell)
        assert shown["errors"] == [] and (shown["outputs"] > 0) == bool(cell.get("outputs"))
    assert strangers(requests) == []
    page.close()


FAULTY = """
import sys; print("careful", file=sys.stderr)
---
from IPython.display import HTML; HTML('<img src="data:image/png;base64,AAAA">')
---
HTML('<figure><img alt="far" src="http://pictures.example/a.png"></figure>')
---
1 / 0
---
print("never")
"""


def run_new(lab: Lab, name: str, sources: list[str], folded: bool = False) -> tuple["Page", list[str]]:
    """Run a notebook of these cells, the last one folded or not; its page, and what it asked for."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    notebook.cells[-1].metadata["jupyter"] = {"source_hidden": folded}
    nbformat.write(notebook, lab.folder / name)
    page, requests = lab.page()
    open_notebook(page, lab.url.format(name=name))
    run_all(page, 60)
    return page, requests


def test_folded_code_runs_and_shows_its_output(lab: Lab) -> None:
    page, _ = run_new(lab, "folded.ipynb", ["1", "import time; time.sleep(3); print('checked')"], folded=True)
    plain, folded = cells(page)
    assert (plain["folded"], plain["outputs"]) == (False, 1)
    assert (folded["folded"], folded["outputs"]) == (True, 1)
    page.close()


def test_a_fault_would_be_seen(lab: Lab) -> None:
    """A warning, a picture that does not load and says nothing, one from elsewhere, a traceback."""
    page, requests = run_new(lab, "faulty.ipynb", [source.strip() for source in FAULTY.split("---")])
    warned, broken, far, failed, never = cells(page)
    assert warned["errors"] == ["careful\n"]
    assert [(image["alt"], image["width"], image["figure"]) for image in broken["images"]] == [("Image", 0, False)]
    assert [(image["alt"], image["width"], image["figure"]) for image in far["images"]] == [("far", 0, True)]
    assert set(strangers(requests)) == {"http://pictures.example/a.png"}
    assert "ZeroDivisionError" in failed["errors"][0]
    assert never == {"errors": [], "outputs": 0, "folded": False, "sliders": 0, "images": []}
    page.close()
