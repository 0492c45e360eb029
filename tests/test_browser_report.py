"""The page of `--report` in a real browser: it runs nothing and asks for nothing, whatever it holds.

`make browser` runs this; it needs a chromium. Screenshots on a screen and on paper go to `out/screenshots/report`.
"""

import pytest
from browser import chromium
from test_browser import SCREENSHOTS
from test_cli import elsewhere, labkit

__all__ = ["elsewhere"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "</style><script>document.title = 'run'</script><img src=http://pictures.example/a.png onerror=alert(1)>"


def test_a_page_runs_nothing_and_asks_for_nothing(capsys, tmp_path):
    rows = [f"2026-01-01T00:{n:02}:00Z,{HOSTILE}" for n in range(60)]
    log, path = tmp_path / "log.csv", tmp_path / "page.html"
    log.write_text("\n".join(["time,type", *rows]) + "\n", encoding="utf-8")
    assert labkit(capsys, "compare", "--trace", str(log), "--report", str(path))[0] == 0
    requests, said = list[str](), list[str]()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(path.as_uri())
        assert [url for url in requests if not url.startswith("data:image/png")] == [path.as_uri()]
        assert said == []
        assert page.title().startswith("log.csv: 60 events in")
        assert HOSTILE in page.inner_text("body")
        assert page.locator("script, svg, link, a, iframe").count() == 0
        widths = page.locator("img").evaluate_all("images => images.map(image => [image.naturalWidth, image.width])")
        assert len(widths) == 2 and all(natural > 400 and 400 < shown <= 1024 for natural, shown in widths)
        (SCREENSHOTS / "report").mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "report" / "screen.png", full_page=True)
        page.set_viewport_size({"width": 680, "height": 960})  # A4 within its margins, at 96 dots per inch
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        page.screenshot(path=SCREENSHOTS / "report" / "paper.png", full_page=True)


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
