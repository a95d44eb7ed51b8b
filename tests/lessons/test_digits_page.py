"""The page of lesson 09's web application, in a real Chromium: by mouse, by finger, and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2
import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("sklearn", reason="needs scikit-learn, which is not installed here")

from playwright.sync_api import Browser, Page, expect, sync_playwright
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from clipperlab import ClipperConnection
from clipperlab.deployers.sklearn import deploy_sklearn_model
from digits_app.running import Running
from tests.support import parts
from tests.support.browser import SHOTS, launch, violations
from tests.support.clusters import Attach

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SOON_MS = 60_000
NONE = "\N{EN DASH}"
STROKES = {
    1: [[(0.35, 0.3), (0.52, 0.12), (0.52, 0.9)]],
    4: [[(0.55, 0.1), (0.3, 0.55), (0.75, 0.55)], [(0.6, 0.4), (0.6, 0.92)]],
    7: [[(0.28, 0.12), (0.72, 0.12), (0.45, 0.9)], [(0.35, 0.5), (0.68, 0.5)]],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = parts.chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def digits(attach: Attach, browser: Browser) -> Iterator[ClipperConnection]:
    """Two versions; the second one is current."""
    pictures, truth = load_digits(return_X_y=True)
    conn = attach("page")
    conn.start_clipper(fresh=True)
    conn.register_application("digits", "doubles", -1, 20_000_000)
    for version, model in ((1, KNeighborsClassifier(3)), (2, SVC(gamma=0.001))):
        fitted = model.fit(pictures, truth)
        deploy_sklearn_model(conn, "digits", version, "doubles", fitted, example_input=pictures[0])
    conn.link_model_to_app("digits", "digits")
    yield conn
    conn.stop_all(purge=True)


@pytest.fixture
def page(browser: Browser, digits: ClipperConnection, tmp_path: Path) -> Iterator[Page]:
    """It has no errors in its console but those of requests that a test made fail."""
    digits.set_model_version("digits", 2)
    context = browser.new_context(viewport={"width": 760, "height": 520}, has_touch=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    with Running(f"http://{digits.get_query_addr()}", tmp_path) as running:
        page.goto(running.url)
        yield page
        context.close()
    assert errors == []


def draw(page: Page, digit: int) -> None:
    box = page.locator("#drawing").bounding_box()
    assert box
    for stroke in STROKES[digit]:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def says(page: Page, digit: str, by: str) -> None:
    expect(page.locator("#digit")).to_have_text(digit, timeout=SOON_MS)
    expect(page.locator("#by")).to_contain_text(by, timeout=SOON_MS)


@pytest.mark.parametrize("digit", sorted(STROKES))
def test_a_drawn_digit_is_seen(page: Page, digit: int) -> None:
    says(page, "?", "Nothing is drawn yet.")
    draw(page, digit)
    says(page, str(digit), "version 2")
    expect(page.locator("#times")).to_have_text(re.compile(r"^\d+\.\d ms for the prediction, \d+ ms until"))
    page.get_by_role("button", name="Clear").click()
    says(page, "?", "Nothing is drawn yet.")


def test_a_rollback_shows_on_the_open_page(page: Page, digits: ClipperConnection) -> None:
    page.evaluate("window.neverReloaded = true")
    draw(page, 1)
    says(page, "1", "version 2")
    digits.rollback("digits")
    says(page, "1", "version 1")
    digits.set_model_version("digits", 2)
    says(page, "1", "version 2")
    assert page.evaluate("window.neverReloaded") is True


def test_a_default_output_is_shown_as_such(page: Page, digits: ClipperConnection) -> None:
    draw(page, 1)
    says(page, "1", "version 2")
    digits.unlink_model_from_app("digits", "digits")
    try:
        says(page, "-1", "This is the default output, and no model's answer (no_model_linked).")
        expect(page.locator("#digit")).to_have_class("default")
    finally:
        digits.link_model_to_app("digits", "digits")
    says(page, "1", "version 2")
    expect(page.locator("#digit")).not_to_have_class("default")


def test_an_outage_is_a_sentence_that_goes_away(browser: Browser, attach: Attach, tmp_path: Path) -> None:
    pictures, truth = load_digits(return_X_y=True)
    conn = attach("outage")
    conn.start_clipper(fresh=True)
    page = browser.new_page()
    try:
        conn.register_application("digits", "doubles", -1, 20_000_000)
        deploy_sklearn_model(conn, "digits", 1, "doubles", KNeighborsClassifier(3).fit(pictures, truth))
        conn.link_model_to_app("digits", "digits")
        address = conn.get_query_addr()
        with Running(f"http://{address}", tmp_path) as running:
            page.goto(running.url)
            draw(page, 1)
            says(page, "1", "version 1")
            conn.stop_all()
            says(page, NONE, "The prediction service cannot be reached at the moment")
            conn = attach("outage")
            conn.start_clipper()
            expect(page.locator("#by")).to_contain_text("version 1", timeout=30_000)
            running.stop()
            says(page, NONE, "This page's own server cannot be reached at the moment.")
    finally:
        page.close()
        conn.stop_all(purge=True)


def test_a_correction_is_kept_once_for_a_drawing(page: Page) -> None:
    draw(page, 7)
    says(page, "7", "version 2")
    for digit in (1, 2):  # a second thought
        page.get_by_role("button", name=str(digit), exact=True).click()
        said = f"Thank you: kept as a {digit}. There are 1 corrections."
        expect(page.locator("#thanks")).to_have_text(said, timeout=SOON_MS)
    kept = httpx2.get(f"{page.url}corrections", trust_env=False, verify=False, timeout=60).json()
    assert kept["digits"] == [2]
    assert 0 < sum(kept["pictures"][0]) <= 64 * 16


def test_the_page_tells_what_users_said_of_each_version(page: Page, digits: ClipperConnection) -> None:
    table = page.get_by_role("table", name="What users said of the answers")
    expect(table).to_be_hidden()
    for version, told in ((2, "7"), (1, "1")):
        digits.set_model_version("digits", version)
        draw(page, 7)
        says(page, "7", f"version {version}")
        page.get_by_role("button", name=told, exact=True).click()
        expect(page.locator("#thanks")).to_contain_text(f"kept as a {told}", timeout=SOON_MS)
        page.get_by_role("button", name="Clear").click()
    rows = table.locator("tbody tr")
    expect(rows).to_have_text([re.compile(r"2\s*1\s*100 %"), re.compile(r"1\s*1\s*0 %")], timeout=SOON_MS)
    assert violations(page, "main") == []
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"digits-app-{theme}.png", full_page=True)
    page.reload()
    expect(rows).to_have_count(2)


def test_a_digit_can_be_drawn_with_the_keyboard(page: Page) -> None:
    page.locator("#drawing").focus()
    for key in ["ArrowRight"] * 4 + ["Space", "ArrowDown"] * 8:
        page.keyboard.press(key)
    says(page, "1", "version 2")
    expect(page.locator("#field")).to_have_text("Row 8, column 5, drawn")
    for key in ["Backspace", "ArrowUp"] * 8:
        page.keyboard.press(key)
    says(page, "?", "Nothing is drawn yet.")


def test_a_digit_can_be_drawn_with_a_finger(page: Page) -> None:
    box = page.locator("#drawing").bounding_box()
    assert box
    finger = page.context.new_cdp_session(page)
    x = box["x"] + box["width"] / 2
    at = [{"x": x, "y": box["y"] + box["height"] * y / 10} for y in range(1, 10)]
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at[:1]})
    for point in at[1:]:
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    says(page, "1", "version 2")
