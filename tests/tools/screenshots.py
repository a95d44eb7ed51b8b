"""Takes the README's pictures, of a real JupyterLab with a real cluster: `make screenshots`."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.sklearn import deploy_sklearn_model
from digits_app.running import Running
from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, write_notebook
from tests.support.home import own_home

DOCS = Path(__file__).parents[2] / "docs"
SECONDS = 40


def main() -> None:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    pictures, digits = load_digits(return_X_y=True)
    with own_home() as home, tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        folder = Path(name)
        write_notebook(folder / "digits.ipynb")
        conn = ClipperConnection(ProcessContainerManager(clipper_query_port=0, clipper_management_port=0))
        conn.start_clipper(fresh=True)
        browser = launch(playwright, parts.chromium())
        try:
            conn.register_application("digits", "doubles", -1, 100_000)
            forest = RandomForestClassifier(100, random_state=0).fit(pictures, digits)
            deploy_sklearn_model(conn, "digits", 1, "doubles", forest, example_input=pictures[0])
            conn.link_model_to_app("digits", "digits")
            load = conn.load("digits", rate=100, seconds=2 * SECONDS, inputs=pictures)
            with jupyter(folder) as url:
                page = browser.new_page(viewport={"width": 1280, "height": 860})
                lab = Notebook(page, f"{url}/lab/tree/digits.ipynb?reset")
                lab.execute("clipperlab:show-panel")
                lab.run(
                    "from clipperlab import ClipperConnection\n\nconn = ClipperConnection()\nconn.connect()"
                )
                lab.run("conn.panel()")
                page.get_by_role("tab", name="Pictures", exact=True).click()
                page.wait_for_timeout(1000 * SECONDS / 4)
                regression = LogisticRegression(max_iter=300).fit(pictures / 16, digits)
                deploy_sklearn_model(conn, "digits", 2, "doubles", regression, example_input=pictures[0])
                page.wait_for_timeout(1000 * SECONDS / 8)
                conn.rollback("digits", message="it has seen other pictures")
                page.wait_for_timeout(1000 * SECONDS / 4)
                lab.page.get_by_text("conn.panel()").first.scroll_into_view_if_needed()
                page.screenshot(path=DOCS / "panel.png")
                page.get_by_label("Open the live dashboard").click()
                seen = page.get_by_role("img", name=re.compile("^digits: answers a second: now: model"))
                expect(seen.last).to_be_visible()
                page.wait_for_timeout(2000)
                page.screenshot(path=DOCS / "dashboard.png")
            load.stop()
            load.result()
            page = browser.new_page(viewport={"width": 700, "height": 480})
            draw_a_digit(page, conn, folder / "corrections")
        finally:
            browser.close()
            conn.stop_all(purge=True)


def draw_a_digit(page: Page, conn: ClipperConnection, data: Path) -> None:
    """Lesson 09's web application, with a seven drawn into it."""
    with Running(f"http://{conn.get_query_addr()}", data) as running:
        page.goto(running.url)
        box = page.locator("#drawing").bounding_box()
        assert box
        for stroke in ([(0.25, 0.15), (0.72, 0.14), (0.45, 0.9)], [(0.35, 0.5), (0.72, 0.48)]):
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point, steps=5)
            page.mouse.up()
        expect(page.locator("#by")).to_contain_text("version")
        page.screenshot(path=DOCS / "digits-app.png")


if __name__ == "__main__":
    main()
