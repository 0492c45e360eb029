"""The website in a real browser, as `make site` built it, over HTTP; and what makes its build fail.

`make browser` runs these; it needs a chromium. Screenshots go to `out/screenshots/site`.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browser import PROJECTOR, chromium, sheets, strangers
from test_browser import SCREENSHOTS, WALKTHROUGHS, read, tagged

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
SITE = ROOT / "out" / "site"
PHONE = {"width": 390, "height": 844}
HOME = SITE / "index.html"
FOUND = [path.relative_to(SITE) for path in sorted(SITE.rglob("*.html")) if path != HOME]
PAGES = [str(path) for path in FOUND if path.parts[0] != "_static"]
PHOTOGRAPHED = "site/index.html", "notebooks/03_head_to_head.html", "site/glossary.html", "site/reference/labkit.html"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    page = browser.new_page(viewport=PROJECTOR)
    yield page
    page.close()


def test_each_walkthrough_exercise_and_page_of_docs_is_on_the_site() -> None:
    sources = [*ROOT.glob("notebooks/**/*.ipynb"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")]
    expected = {str(path.relative_to(ROOT).with_suffix(".html")) for path in sources}
    assert expected <= set(PAGES), "run `make site` first"


@pytest.mark.parametrize(("screen", "size"), [("projector", PROJECTOR), ("phone", PHONE)])
def test_every_page_opens_whole_and_asks_for_nothing_elsewhere(
    browser: "Browser", url: str, screen: str, size: dict[str, int]
) -> None:
    page, requests, said = browser.new_page(viewport=size), list[str](), list[tuple[str, str]]()
    page.on("request", lambda request: requests.append(request.url))
    page.on("requestfailed", lambda request: said.append(("failed", request.url)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.on("console", lambda message: said.append((message.type, message.text)))
    for name in PAGES:
        answer = page.goto(f"{url}/{name}")
        assert answer and answer.ok, name
        assert page.locator("main h1:visible").count() == 1, name
        broken = "images => images.filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
        assert page.locator("img").evaluate_all(broken) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        assert [line for line in said if line[0] != "log"] == [], name
        if name in PHOTOGRAPHED:
            page.screenshot(path=SCREENSHOTS / "site" / f"{Path(name).stem}-{screen}.png")
    assert len(requests) > len(PAGES) > 45 and strangers(requests) == []
    page.close()


def test_a_search_finds_a_page(page: "Page", url: str) -> None:
    page.goto(f"{url}/site/index.html")
    page.locator(".bd-sidebar-primary .search-button-field").click()
    page.keyboard.type("herd jitter")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="08 At scale").first.click()
    page.wait_for_url("**/notebooks/08_at_scale.html*")
    assert "herd" in page.inner_text("article")


def test_next_leads_from_the_first_walkthrough_to_the_last(page: "Page", url: str) -> None:
    page.goto(f"{url}/notebooks/{WALKTHROUGHS[0].stem}.html")
    for path in WALKTHROUGHS[1:]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/notebooks/{path.stem}.html")
        assert page.inner_text("article h1").startswith(path.stem[:2])


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda path: path.stem)
def test_each_answer_is_folded_until_a_click(page: "Page", url: str, path: Path) -> None:
    page.goto(f"{url}/notebooks/{path.stem}.html")
    answers = [cell for cell in read(path).cells if tagged(cell, "hide-output")]
    outputs = page.locator(".tag_hide-output .cell_output")
    assert outputs.count() == len(answers) > 0
    assert not any(output.is_visible() for output in outputs.all())
    page.locator(".tag_hide-output details.below-input summary").first.click()
    assert outputs.first.is_visible()


def test_a_link_to_a_cell_leads_to_it(page: "Page", url: str) -> None:
    page.goto(f"{url}/notebooks/index.html")
    page.locator("a", has_text="03 crossover").first.click()
    page.wait_for_url("**/notebooks/03_head_to_head.html#cell-crossover")
    page.wait_for_function("Math.abs(document.getElementById('cell-crossover').getBoundingClientRect().top) < 200")
    assert "plots.crossover" in page.inner_text("#cell-crossover + .cell")


@pytest.mark.parametrize(
    ("name", "expected"), [("sheet", 1), ("predictions", 2), ("quiz", 1), ("quiz_answers", 1), ("rubric", 1)]
)
def test_a_page_for_the_class_is_one_sheet_of_paper_and_the_answers_another(
    page: "Page", url: str, name: str, expected: int
) -> None:
    page.goto(f"{url}/docs/class/{name}.html")
    assert sheets(page.pdf(format="A4")) == expected


class Links(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loaded = set[str](), list[str](), list[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {values["id"] or ""} if "id" in values else set()
        self.links += [values["href"] or ""] if tag == "a" and "href" in values else []
        self.loaded += [values[key] or "" for key in ("src", "href") if key in values and tag != "a"]


def test_every_link_leads_to_a_page_and_an_anchor_that_are_there() -> None:
    """Read from the pages themselves, without Sphinx."""
    pages = {SITE / name: Links(SITE / name) for name in [*PAGES, "index.html"]}
    with_cells = [pages[SITE / name].links for name in ("notebooks/index.html", "site/glossary.html")]
    to_cells = [link for links in with_cells for link in links if "#cell-" in link]
    assert len(to_cells) == (ROOT / "notebooks/index.ipynb").read_text(encoding="utf-8").count("#cell-id=") > 90
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "data" or link in page.links, (path, link)
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), (path, link)
            assert not parts.fragment or target.suffix != ".html" or parts.fragment in pages[target].ids, (path, link)


def test_no_solution_is_published() -> None:
    exercises = [name for name in PAGES if name.startswith("notebooks/exercises/")]
    assert len(exercises) == 10
    for name in exercises:
        text = (SITE / name).read_text(encoding="utf-8")
        assert "# YOUR CODE HERE" in text and not re.search("(BEGIN|END) (SOLUTION|HIDDEN)|MISTAKES", text), name
    assert list(SITE.rglob("*.ipynb")) == []


GOOD = "[a cell](lesson.ipynb#cell-id=second), [a text](lesson.ipynb#cell-id=first), [a page](page.md#a-heading)"
DEAD = "[page](lost.md), [heading](page.md#lost-heading), [cell](lesson.ipynb#cell-id=lost-cell)"


def build(folder: Path, link: str, builder: str) -> "subprocess.CompletedProcess[str]":
    """Build a site of a page with this link and a notebook, with the site's own configuration."""
    texts = {"title": "# A lesson", "first": "<b>A text.</b>"}
    cells = [nbformat.v4.new_markdown_cell(text, id=id) for id, text in texts.items()]
    code = nbformat.v4.new_code_cell("1", id="second")
    python = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, code], metadata=python), folder / "lesson.ipynb")
    (folder / "page.md").write_text(f"# A page\n\n## A heading\n\n{link}\n\n```{{toctree}}\nlesson\n```\n")
    given = f"-q -W --keep-going -b {builder} -D root_doc=page -D include_patterns=page.md,lesson.ipynb".split()
    command = [sys.executable, "-m", "sphinx", *given, "-c", str(ROOT / "site"), str(folder), str(folder / "out")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_links_to_cells_headings_and_pages_build(tmp_path: Path) -> None:
    done = build(tmp_path, GOOD, "html")
    assert (done.returncode, done.stderr) == (0, "")
    lesson, page = Links(tmp_path / "out/lesson.html"), Links(tmp_path / "out/page.html")
    assert {"cell-title", "cell-first", "cell-second"} <= lesson.ids
    assert {"lesson.html#cell-second", "lesson.html#cell-first"} <= set(page.links)


def test_each_dead_link_fails_the_build_by_name(tmp_path: Path) -> None:
    done = build(tmp_path, DEAD, "dummy")
    assert done.returncode != 0
    for lost in ("lost.md", "lost-heading", "cell-id=lost-cell"):
        assert lost in done.stderr
