"""The panel in a real JupyterLab, in a real Chromium, under load: it holds still, and all can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Page, expect, sync_playwright

from clipper_container.errors import DeployError
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, violations, write_notebook
from tests.support.clusters import Attach, constant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
NAME = "panel-browser"
SHOW = f"""\
from clipperlab import ClipperConnection, ProcessContainerManager
conn = ClipperConnection(ProcessContainerManager({NAME!r}))
conn.connect()
conn.panel()"""
TABS = ("Model", "Deploy", "Application", "Ask", "Pictures", "Replicas", "Logs")
WIDTHS = (1280, 1920, 560)
UPDATES = 20  # of the tables, at least
SECONDS = 20  # for which they are watched at each width, at least
# Where the tab bar and the next cell are, below the panel's top, whenever the tables have changed.
PLACES = """async ([updates, seconds]) => {
  const panel = document.querySelector('.clipper-view');
  const below = panel.closest('.jp-Cell').nextElementSibling;
  const nodes = [panel.querySelector('.lm-TabBar'), below];
  const top = (node) => Math.round(node.getBoundingClientRect().top);
  const seen = new Set();
  const look = () => seen.add(nodes.map((node) => top(node) - top(panel)).join(', '));
  const resized = new ResizeObserver(look);
  resized.observe(panel);
  await new Promise((resolve) => {
    let count = 0;
    const began = performance.now();
    const changed = new MutationObserver(() => requestAnimationFrame(() => {
      look();
      if (++count < updates || performance.now() - began < 1000 * seconds) return;
      changed.disconnect();
      resolve();
    }));
    changed.observe(panel.querySelector('.clipper-glance').parentElement, { childList: true, subtree: true });
  });
  resized.disconnect();
  return [...seen];
}"""


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    """It serves an application under load, and has one that nobody asks and a version that failed."""
    conn = attach(NAME)
    conn.start_clipper(fresh=True)

    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError("This one fails, with a sentence that is long enough to need a line and more: " * 3)

    for name in ("asked", "asleep"):
        conn.register_application(name, "doubles", -1, 3_000_000)
    for version in (1, 2):
        deploy_python_closure(conn, "m", version, "doubles", constant("one"), example_input=[1.0])
    conn.link_model_to_app("asked", "m")
    with pytest.raises(DeployError):
        deploy_python_closure(conn, "broken", 1, "doubles", broken, example_input=[1.0])
    load = conn.load("asked", rate=40, seconds=1800, inputs=[[1.0], [2.0]], cache=False)
    yield conn
    load.stop()
    conn.stop_all(purge=True)


@pytest.fixture(scope="module")
def lab(cluster: ClipperConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook with the panel, and a cell below it."""
    folder = tmp_path_factory.mktemp("panel")
    write_notebook(folder / "panel.ipynb")
    with sync_playwright() as playwright, jupyter(folder) as url:
        browser = launch(playwright, parts.chromium())
        page = browser.new_page(viewport={"width": 1280, "height": 2400})
        lab = Notebook(page, f"{url}/lab/workspaces/panel/tree/panel.ipynb?reset")
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        lab.run(SHOW)
        expect(page.get_by_role("tab", name="Model", exact=True)).to_be_visible(timeout=60_000)
        lab.run("conn.lens('asked', [[1.0], [2.0]])")
        yield lab
        browser.close()


def test_nothing_below_the_panel_moves_under_load(lab: Notebook) -> None:
    open_tab(lab.page, "Pictures")
    panel = lab.page.locator(".clipper-view")
    picture = panel.get_by_role("img", name="asked: answers a second")
    for width in WIDTHS:
        lab.page.set_viewport_size({"width": width, "height": 2400})
        # Each picture has something to show, in its new width.
        expect(picture).to_be_visible(timeout=60_000)
        for name in ("m:2: replicas at work", "m:2: time of a batch, by its size"):
            expect(panel.get_by_role("img", name=name)).to_be_visible(timeout=60_000)
        lab.page.evaluate(PLACES, [2, 0])
        places = lab.page.evaluate(PLACES, [UPDATES, SECONDS])
        assert len(places) == 1, (width, places)
        lab.shoot(f"panel-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(lab: Notebook, width: int) -> None:
    lab.page.set_viewport_size({"width": width, "height": 2400})
    for name in TABS:
        open_tab(lab.page, name)
        beyond = lab.page.evaluate(
            """() => {
              const panel = document.querySelector('.clipper-view');
              const right = panel.getBoundingClientRect().right;
              return [...panel.querySelectorAll('button, select, input, td, .lm-TabBar-tab')]
                .filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > right + 1)
                .map((node) => node.outerHTML.slice(0, 200));
            }"""
        )
        assert beyond == [], name


@pytest.mark.parametrize(("theme", "width"), [("Light", 1280), ("Dark", 560)])
def test_everybody_can_use_the_panel(lab: Notebook, theme: str, width: int) -> None:
    page, panel = lab.page, lab.page.locator(".clipper-view")
    page.set_viewport_size({"width": width, "height": 2400})
    change = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(change, f"JupyterLab {theme}")
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_be_attached(timeout=60_000)
    for name in TABS:
        open_tab(page, name)
        if name == "Ask":
            panel.get_by_role("button", name="an image", exact=True).click()
            expect(panel.get_by_role("img", name="What is sent: 8 by 8 numbers")).to_be_visible()
        assert violations(page, ".clipper-view") == [], name
    assert violations(page, ".jp-OutputArea-output") == []  # also the lens below
    assert lab.errors == []


def open_tab(page: Page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
