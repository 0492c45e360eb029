"""The page of `--report` in a real browser: it runs nothing and asks for nothing, whatever it holds.

`make browser` runs this; it needs a chromium. Screenshots and the pages as PDF go to `out/screenshots/report`.
"""

import sys
from pathlib import Path

import pytest
from browser import chromium
from test_browser import SCREENSHOTS
from test_cli import elsewhere, labkit

__all__ = ["elsewhere"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "</style><script>document.title = 'run'</script><img src=http://pictures.example/a.png onerror=alert(1)>"


NAME = "<img src=x onerror=alert(2)>"
"""As the name of a file and of a column, which a page repeats."""
COMMANDS = {
    "compare": (["--trace", f"{NAME}.csv"], 2),
    "sweep": (["--trace", f"{NAME}.csv", "--delay", "0.02,0.5", "--approach", "webhook", "--approach", "polling"], 1),
    "advise": ([f"{NAME}.csv", "--deadline", "60", "--without", "batched"], 1),
}
"""The options of each command that reads a log, and how many pictures its page has."""


@pytest.fixture
def page():
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1100, "height": 800})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such file name")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_runs_nothing_and_asks_for_nothing(capsys, elsewhere, page, command):
    given, pictures = COMMANDS[command]
    rows = [f"2026-01-01T00:{n:02}:00Z,{HOSTILE},{HOSTILE}" for n in range(60)]
    Path(f"{NAME}.csv").write_text("\n".join([f"{NAME},type,id", *rows]) + "\n", encoding="utf-8")
    assert labkit(capsys, command, *given, "--report", "page.html")[0] == 0
    check_page(page, Path("page.html"), pictures, command)
    assert NAME in page.inner_text("body")
    assert HOSTILE in page.inner_text("body")


def check_page(page, path, pictures, command):
    """Nothing runs and nothing is asked for; each picture is shown, and has words; the page fits on paper."""
    requests, said = list[str](), list[str]()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.resolve().as_uri())
    assert [url for url in requests if not url.startswith("data:image/png")] == [path.resolve().as_uri()]
    assert said == []
    assert page.title() != "run"
    assert page.locator("script, svg, link, a, iframe").count() == 0
    shown = page.locator("img").evaluate_all("images => images.map(each => [each.naturalWidth, each.width, each.alt])")
    assert len(shown) == pictures and all(natural > 400 and 400 < wide <= 1024 and alt for natural, wide, alt in shown)
    (SCREENSHOTS / "report").mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "report" / f"{command}.png", full_page=True)
    page.set_viewport_size({"width": 680, "height": 960})  # A4 within its margins, at 96 dots per inch
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    page.pdf(path=SCREENSHOTS / "report" / f"{command}.pdf", prefer_css_page_size=True)


def test_markup_that_is_not_escaped_would_be_stopped_by_the_policy(capsys, tmp_path):
    path = tmp_path / "page.html"
    given = ["--trace", "poisson", "--duration", "36000", "--approach", "webhook", "--report", str(path)]
    assert labkit(capsys, "compare", *given)[0] == 0
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace("</body>", f"{HOSTILE.removeprefix('</style>')}</body>"), encoding="utf-8")
    failed = list[tuple[str, str | None]]()
    with chromium() as browser:
        page = browser.new_page()
        page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
        page.goto(path.as_uri())
        assert page.title().startswith("poisson: ")
        assert failed == [("http://pictures.example/a.png", "csp")]
