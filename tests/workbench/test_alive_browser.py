"""A notebook that is opened again when its kernel is gone, in a real JupyterLab and a real Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.display.live import MIME
from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, write_notebook
from tests.support.clusters import Attach, constant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SOON_MS = 60_000
CONNECT = "from clipperlab import ClipperConnection\nconn = ClipperConnection('alive')\nconn.connect()\n"
COMPARE = """\
run = conn.load('app', rate=20, seconds=2)
run.result().compare(conn.load('app', rate=40, seconds=2, name='twice as many').result())"""
NO_KERNEL = re.compile("^Cluster alive, live and without a kernel")


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    connection = attach("alive")
    connection.start_clipper(fresh=True)
    connection.register_application("app", "doubles", -1, 20_000_000)
    deploy_python_closure(connection, "m", 1, "doubles", constant("one"), example_input=[1.0])
    connection.link_model_to_app("app", "m")
    yield connection
    ClipperConnection(ProcessContainerManager("alive")).stop_all(purge=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebooks")
    write_notebook(folder / "alive.ipynb")
    return folder


@pytest.fixture(scope="module")
def server(cluster: ClipperConnection, folder: Path) -> Iterator[str]:
    with jupyter(folder) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = parts.chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 2400})
    yield context.new_page()
    context.close()


def shoot(lab: Notebook, name: str) -> None:
    """In both themes: whoever changes what is seen looks at them."""
    for theme in ("Light", "Dark"):
        lab.execute("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-name", f"JupyterLab {theme}")
        lab.shoot(f"{name}-{theme.lower()}")


def test_a_notebook_comes_back_alive_without_its_kernel(
    cluster: ClipperConnection, server: str, folder: Path, page: Page
) -> None:
    url = f"{server}/lab/workspaces/alive/tree/alive.ipynb?reset"
    lab = Notebook(page, url)
    lab.run(f"{CONNECT}conn.panel()")
    lab.run("conn.application('app')")
    lab.run(COMPARE)
    lab.run("run")
    lab.run("conn.batching('m')")
    lab.run("print('all', 'done')")
    expect(page.get_by_text("all done")).to_be_visible(timeout=SOON_MS)
    panel = page.get_by_role("tab", name="Model", exact=True)
    expect(panel).to_be_visible()
    lab.execute("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    # What is final has no widget, and nothing that is saved is secret.
    saved = json.loads((folder / "alive.ipynb").read_text())
    outputs = [output["data"] for cell in saved["cells"] for output in cell["outputs"] if "data" in output]
    assert [MIME in data for data in outputs] == [True, True, False, False, False]
    assert ["application/vnd.jupyter.widget-view+json" in d for d in outputs] == [MIME in d for d in outputs]
    assert all("text/html" in data for data in outputs)
    assert cluster._record.token not in json.dumps(saved)

    # A page that is loaded again finds its kernel, and so its widgets.
    lab = Notebook(page, url)
    expect(panel).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_text(NO_KERNEL)).to_have_count(0)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    expect(page.get_by_text(NO_KERNEL)).to_be_visible(timeout=SOON_MS)
    expect(panel).to_have_count(0)

    # Opened again it has another kernel, which knows nothing of it.
    lab = Notebook(page, url)
    expect(page.get_by_text(NO_KERNEL)).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_text("Application app of cluster alive, live")).to_be_visible()
    # What renders widgets says so in a place that is hidden, sooner or later.
    expect(page.locator("text=Error displaying widget >> visible=true")).to_have_count(0)
    expect(page.get_by_role("img", name=re.compile("^Latency, by how many are quicker"))).to_have_count(2)
    expect(page.get_by_role("img", name=re.compile("^Answers: twice as many .*; app, 20 "))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Time of a batch, by its size: mean"))).to_be_visible()
    alive = page.locator(".clipper-live").first
    expect(alive.get_by_role("cell", name="m:1 (current)")).to_be_visible()
    load = cluster.load("app", rate=20, seconds=60, inputs=[[1.0]])
    answers = alive.locator("table").first.locator(".clipper-number").nth(3)
    expect(answers).to_have_text(re.compile("[1-9]"), timeout=SOON_MS)
    shoot(lab, "alive-running")
    load.stop()

    # It says when the cluster was seen last, and where it was not seen at all, when the notebook saw it.
    cluster.stop_all()
    stopped = alive.get_by_role("status").filter(has_text="is not running")
    expect(stopped).to_be_visible(timeout=SOON_MS)
    expect(alive.get_by_text(re.compile(r"^Cluster alive, as it was at \d\d:\d\d:\d\d"))).to_be_visible()
    lab = Notebook(page, url)
    expect(stopped).to_be_visible(timeout=SOON_MS)
    expect(alive.get_by_text(re.compile(r"Cluster alive, as it was at \d{4}-\d\d-\d\d"))).to_be_visible()
    expect(alive.get_by_role("cell", name="m:1 (current)")).to_be_visible()
    shoot(lab, "alive-stopped")
    cluster.start_clipper()
    expect(page.get_by_text(NO_KERNEL)).to_be_visible(timeout=SOON_MS)
    # ipywidgets, asked for a widget that is gone, says so here and, thanks to us, nowhere else.
    known = "Failed to load resource", "widget model not found"
    assert [e for e in lab.errors if "clipper" in e and not any(each in e for each in known)] == []
