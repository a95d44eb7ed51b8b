"""A lesson that asks, in a real JupyterLab: guesses and answers by keyboard and mouse."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import expect, sync_playwright

from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, write_notebook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SOON_MS = 60_000
ASKS = """\
from clipperlab.lessons import lesson
wb = globals().get("wb") or lesson("04", cluster=False)
wb.guess("p50", unit="ms")
wb.choose("who", ["the producer", "the consumer"], "Who waits?")"""
QUIZ = """\
wb.measured("p50", 1.5)
wb.measured("who", "the producer")
wb.quiz({"2 + 2?": {"four": "Count.", "five": "One too many."}})"""


def test_guesses_and_answers_are_given_in_a_notebook(tmp_path: Path) -> None:
    write_notebook(tmp_path / "one.ipynb")
    with jupyter(tmp_path) as url, sync_playwright() as playwright:
        page = launch(playwright, parts.chromium()).new_page(viewport={"width": 1100, "height": 1300})
        lab = Notebook(page, f"{url}/lab/workspaces/asks/tree/one.ipynb?reset")
        lab.run(ASKS)
        page.get_by_label("p50, in ms:").fill("20", timeout=SOON_MS)
        expect(page.get_by_text("20 ms? Noted.")).to_be_visible()
        consumer = page.get_by_role("group", name="Who waits?").get_by_role("radio", name="the consumer")
        page.get_by_role("radio", name="the producer").check()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_text("the consumer? Noted.")).to_be_visible()
        # What else is pressed is JupyterLab's still: the cell runs again, and what was said stays.
        page.keyboard.press("Shift+Enter")
        expect(page.get_by_text("[2]:")).to_be_visible(timeout=SOON_MS)
        expect(consumer).to_be_checked()
        lab.run(QUIZ)
        expect(page.get_by_text("You said 20 ms, it was 1.5 ms.")).to_be_visible(timeout=SOON_MS)
        expect(page.get_by_text("You said the consumer, it was the producer.")).to_be_visible()
        page.get_by_role("radio", name="five").check()
        expect(page.get_by_text("Not so. One too many.")).to_be_visible()
        page.get_by_role("radio", name="four").check()
        expect(page.get_by_text("Right. Count.")).to_be_visible()
        expect(consumer).to_be_checked()  # another question's answer leaves it alone
        lab.run("wb.close()")
        expect(page.get_by_text("2 of 2 guesses were made; 0 of 1 questions")).to_be_visible()
