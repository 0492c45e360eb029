"""JupyterLab on a copy of the notebooks, and a chromium that opens them: what `test_browser.py` drives."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = "chromium", "chromium-browser", "google-chrome"
PROJECTOR = {"width": 1280, "height": 720}
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell in the page, on the screen or not
}
LOCAL = "127.0.0.1", "localhost", "[::1]"


@contextmanager
def jupyterlab(folder: Path, home: Path) -> Iterator[str]:
    """JupyterLab on `folder`, with a home of its own, asking nobody for news; its URL, with a `{name}` to fill in."""
    for name, value in SETTINGS.items():
        path = home / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    token = secrets.token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR",
              "XDG_CACHE_HOME", "XDG_CONFIG_HOME")  # fmt: skip
    env = {**os.environ, **{name: str(home / name.lower()) for name in places}, "JUPYTER_TOKEN": token}
    env["JUPYTERLAB_SETTINGS_DIR"] = str(home / "settings")
    options = ["--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
               "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"]  # fmt: skip
    with (
        (home / "log.txt").open("wb") as log,
        subprocess.Popen([sys.executable, "-m", "jupyter", "lab", *options], env=env, stdout=log, stderr=log) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/api/status?token={token}", server, home / "log.txt")
            yield f"{url}/lab/tree/{{name}}?reset&token={token}"
        finally:
            server.terminate()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


@contextmanager
def chromium() -> Iterator["Browser"]:
    """The machine's own browser, which looks up no name but this machine's."""
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    assert path, f"no browser: install one of {', '.join(BROWSERS)}"
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", nowhere])
        yield browser
        browser.close()


def sheets(pdf: bytes) -> int:
    """How many sheets of paper a PDF has."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def strangers(requests: list[str]) -> list[str]:
    """Those that leave the machine."""
    return [url for url in requests if not _local(url)]


def _local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob") or (parts.netloc.rpartition(":")[0] or parts.netloc) in LOCAL


RAN = """() => {
  const inputs = document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputArea .jp-InputPrompt')  // not if folded
  const prompts = [...inputs].map(prompt => prompt.textContent)
  const failed = [...document.querySelectorAll('.jp-Notebook .jp-OutputArea .jp-RenderedText')]
      .some(output => output.textContent.includes('Traceback (most recent call last)'))
  const started = prompts.some(p => /\\d/.test(p)) && !prompts.some(p => p.includes('*'))
  return started && (failed || prompts.every(p => /\\d/.test(p)))
}"""

SCROLL = """() => {
  const box = [...document.querySelectorAll('.jp-NotebookPanel *')].find(
      part => part.scrollHeight > part.clientHeight + 50 && /auto|scroll/.test(getComputedStyle(part).overflowY))
  const step = 0.9 * box.clientHeight
  const to = place => { box.scrollTop = place }
  const end = () => [...box.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect().bottom - box.offsetTop"""

CELLS = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')].map(cell => ({
  errors: [...cell.querySelectorAll('[data-mime-type="application/vnd.jupyter.stderr"]')].map(out => out.textContent),
  outputs: cell.querySelectorAll('.jp-OutputArea-child').length,
  folded: !!cell.querySelector('.jp-InputPlaceholder'),
  sliders: cell.querySelectorAll('.widget-slider').length,
  images: [...cell.querySelectorAll('.jp-OutputArea img, .jp-RenderedMarkdown img')].map(image => ({
    alt: image.alt, width: image.naturalWidth, shown: image.clientWidth, figure: !!image.closest('figure'),
    cut: Math.max(0, image.getBoundingClientRect().right - cell.getBoundingClientRect().right),
  })),
}))"""
"""What a student would see in each cell."""


def open_notebook(page: "Page", url: str) -> None:
    """Open a notebook, and wait until its kernel is there and has nothing to do."""
    page.goto(url)
    page.locator(".jp-Toolbar-kernelName", has_text="Python").wait_for(timeout=60_000)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=60_000)


def run_all(page: "Page", seconds: float = 600) -> None:
    """Restart the kernel and run all cells, until they have run or one has failed."""
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator('.lm-Menu-item:not(.lm-mod-disabled)[data-command="runmenu:restart-and-run-all"]').click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.wait_for_function(RAN, timeout=1000 * seconds)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=60_000)


def cells(page: "Page") -> list[dict[str, Any]]:
    """What each cell shows."""
    page.wait_for_timeout(1000)  # a widget draws after its cell has ended
    return list(page.evaluate(CELLS))


def photograph(page: "Page", folder: Path) -> list[Path]:
    """The notebook screen by screen, and each picture, in colour and in grey; the pictures in grey are returned."""
    from PIL import Image

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(page.evaluate(f"{SCROLL}; to(0); return Math.ceil(end() / step) }}")):
        page.evaluate(f"{SCROLL}; to({number} * step) }}")
        page.wait_for_timeout(100)
        page.screenshot(path=folder / f"screen-{number + 1:02}.png")
    greys = []
    for number, picture in enumerate(page.locator(".jp-OutputArea figure img").all(), start=1):
        path = folder / f"picture-{number:02}.png"
        picture.screenshot(path=path)
        greys.append(path.with_stem(f"{path.stem}-grey"))
        Image.open(path).convert("L").save(greys[-1])
    return greys
