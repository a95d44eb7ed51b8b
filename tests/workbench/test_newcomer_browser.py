"""A newcomer in a real JupyterLab, in a real Chromium: from what `make lab` opens to the first answer.

They know nothing but what the screen says, and it takes few clicks and little time.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator

import httpx2
import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.support import parts
from tests.support.browser import IDLE, Notebook, jupyter, launch
from tests.support.clusters import Attach
from tests.support.notebooks import NOTEBOOKS, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MOST_CLICKS = 11
MOST_SECONDS = 180
SOON_MS = 60_000


class Newcomer:
    """Clicks and presses what the screen names, and counts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._began = time.monotonic()
        self.clicks = 0

    def click(self, seen: Locator) -> None:
        seen.click(timeout=SOON_MS)
        self.clicks += 1

    def run(self, title: str, answer: str) -> None:
        """One cell after the other of the notebook that has come, as it says, until the answer is there."""
        notebook = self._page.locator(
            ".jp-Notebook:visible", has=self._page.get_by_role("heading", name=title)
        )
        expect(notebook).to_be_visible(timeout=SOON_MS)
        self._page.wait_for_function(IDLE, timeout=SOON_MS)  # the status bar says it
        while not notebook.locator(".jp-OutputArea-output", has_text=answer).count():
            assert self.clicks < MOST_CLICKS, "no answer yet"
            running = notebook.locator(".jp-CodeCell.jp-mod-active .jp-InputPrompt")
            prompt = running.element_handle() if running.count() else None
            self._page.keyboard.press("Shift+Enter")
            self.clicks += 1
            if prompt:
                self._page.wait_for_function(
                    "(prompt) => /\\d/.test(prompt.textContent)", arg=prompt, timeout=SOON_MS
                )

    def has_arrived(self) -> None:
        seconds = time.monotonic() - self._began
        print(f"{self.clicks} clicks, {seconds:.0f} s")  # noqa: T201 - what this is about: see it with -s
        assert self.clicks <= MOST_CLICKS
        assert seconds < MOST_SECONDS


@pytest.fixture(scope="module")
def server(attach: Attach, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `make lab` starts: a cluster, and JupyterLab with its first view."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    conn = attach("default-cluster")
    conn.start_clipper(fresh=True)
    with jupyter(folder) as url:
        workspace = json.loads((ROOT / "binder" / "workspace.json").read_text())
        workspace["metadata"]["id"] = "first"
        put = httpx2.put(
            f"{url}/lab/api/workspaces/first", json=workspace, trust_env=False, verify=False, timeout=60
        )
        assert put.status_code == 204
        yield url
    conn.stop_all(purge=True)


@pytest.fixture(scope="module")
def lab(server: str) -> Iterator[Notebook]:
    with sync_playwright() as playwright:
        browser = launch(playwright, parts.chromium())
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        yield Notebook(page, f"{server}/lab/workspaces/first")
        browser.close()


def test_to_the_first_answer_by_the_side_panel(lab: Notebook) -> None:
    newcomer = Newcomer(lab.page)
    newcomer.click(lab.page.get_by_role("button", name="New notebook"))
    newcomer.run("Serve a function", "'output': 6.0")
    newcomer.has_arrived()
    lab.shoot("newcomer-panel")
    assert lab.errors == []


def test_to_the_first_answer_by_lesson_01(lab: Notebook) -> None:
    newcomer = Newcomer(lab.page)
    newcomer.click(lab.page.get_by_role("link", name="Serve a model in five minutes").first)
    newcomer.run("01 · Serve a model in five minutes", "'default': False")
    newcomer.has_arrived()
    lab.shoot("newcomer-lesson")
    assert lab.errors == []
