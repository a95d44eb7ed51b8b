"""The workbench in a real JupyterLab, in a real Chromium: by mouse, from an empty notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Browser, Page, expect, sync_playwright

from clipperlab import ClipperConnection, ProcessContainerManager
from tests.support import parts
from tests.support.browser import IDLE, Notebook, jupyter, launch, write_notebook
from tests.support.clusters import Attach, kill, pid_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MANAGER = "ProcessContainerManager('browser', clipper_query_port=0, clipper_management_port=0)"
START = f"""\
import clipperlab
from clipperlab import ClipperConnection, ProcessContainerManager
conn = ClipperConnection({MANAGER})
conn.start_clipper(fresh=True)
conn.register_application('digits', 'doubles', -1, 20_000_000)"""
FIT = """\
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
X, y = load_digits(return_X_y=True)
model = LogisticRegression(max_iter=50).fit(X[:500] / 16, y[:500])"""
SOON_MS = 60_000
CONNECT = f"from clipperlab import *\nconn = ClipperConnection({MANAGER})\nconn.connect()\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = parts.chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(attach: Attach, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("notebooks")
    for name in ("one", "two", "three"):
        write_notebook(folder / f"{name}.ipynb")
    with jupyter(folder) as url:
        yield url
    ClipperConnection(ProcessContainerManager("browser")).stop_all(purge=True)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1300})
    yield context.new_page()
    context.close()


def press(page: Page, name: str, said: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()
    expect(page.get_by_text(said).first).to_be_visible(timeout=30_000)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def current_version() -> str:
    """As the command line tells it."""
    command = [str(Path(sys.executable).with_name("clipperlab")), "versions", "digits"]
    command += ["--cluster-name", "browser", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (current,) = [v for v in json.loads(done.stdout)["versions"] if v["is_current_version"]]
    return str(current["model_version"])


def test_a_model_is_served_and_steered_by_mouse(server: str, page: Page) -> None:
    lab = Notebook(page, f"{server}/lab/workspaces/one/tree/one.ipynb?reset")
    lab.run(START)
    lab.run(FIT)
    lab.run("panel = conn.panel()\npanel")
    page.get_by_placeholder("model name").fill("digits")
    page.keyboard.press("Tab")
    press(page, "Deploy", "Deploying digits:1: done")
    tab(page, "Application")
    press(page, "Link", "Linking digits to digits: done")
    lab.shoot("panel")

    # Its pictures move under load, and while a cell runs.
    tab(page, "Pictures")
    lab.run("run = conn.load('digits', rate=50, seconds=60, inputs=X / 16)\nimport time; time.sleep(3)")
    rate = page.get_by_role("img", name=re.compile("^digits: answers a second: now: model: (3|4|5|6)"))
    expect(rate.first).to_be_visible(timeout=SOON_MS)
    lab.shoot("pictures")

    # Another tab sees version 2 come, and go back.
    other = Notebook(page.context.new_page(), f"{server}/lab/workspaces/two/tree/two.ipynb?reset")
    other.execute("clipperlab:show-panel")
    choice = other.page.get_by_label("Current version of digits")
    expect(choice).to_have_value("1")
    lab.run("model = LogisticRegression(max_iter=200).fit(X / 16, y)")
    tab(page, "Deploy")
    press(page, "Deploy", "Deploying digits:2: done")
    expect(choice).to_have_value("2")
    assert current_version() == "2"
    tab(page, "Model")
    press(page, "Roll back", "digits:1 is current")
    expect(choice).to_have_value("1")
    assert current_version() == "1"

    # Replicas to three and back.
    for count in (3, 1):
        page.get_by_label("Replicas").first.fill(str(count))
        page.keyboard.press("Tab")
        press(page, "Scale", f"Scaling digits:1 to {count}: done")
        expect(other.page.get_by_label(f"{count} replicas")).to_be_visible()
    lab.run("run.stop(); result = run.result(); result")
    quicker = page.get_by_role("img", name=re.compile("^Latency, by how many are quicker"))
    expect(quicker).to_be_visible(timeout=SOON_MS)
    lab.run("assert set(result['answers']) == {'model'}, result\nprint('no query', 'failed')")
    expect(page.get_by_text("no query failed")).to_be_visible(timeout=SOON_MS)
    assert lab.errors == []
    assert other.errors == []


def test_a_kernel_that_restarts_loses_nothing_and_the_side_panel_needs_none(server: str, page: Page) -> None:
    lab = Notebook(page, f"{server}/lab/workspaces/two/tree/two.ipynb?reset")
    lab.run(f"{CONNECT}conn.model('digits')")
    expect(page.get_by_role("button", name="Roll back", exact=True)).to_be_visible(timeout=SOON_MS)
    kernel = "window.jupyterapp.shell.currentWidget.context.sessionContext"
    page.evaluate(f"() => {kernel}.restartKernel()")
    page.wait_for_function(IDLE)
    lab.run(f"{CONNECT}print(conn.model('digits'))")
    expect(page.get_by_text("1 (current)").first).to_be_visible(timeout=SOON_MS)
    page.evaluate(f"() => {kernel}.shutdown()")

    lab.execute("clipperlab:show-panel")
    choice = page.get_by_label("Current version of digits")
    choice.select_option("2")
    expect(page.get_by_text("Making digits:2 current: done.")).to_be_visible()
    page.get_by_label("Roll digits back to the version before").click()
    expect(page.get_by_text("Rolling back digits: done.")).to_be_visible()
    expect(choice).to_have_value("1")
    expect(page.get_by_text('conn.rollback("digits")')).to_be_visible()
    for count in (2, 3):
        page.get_by_label("One replica of digits more").click()
        expect(page.get_by_label(f"{count} replicas")).to_be_visible()
    expect(page.get_by_text("Version 1: 3 of 3 ready.")).to_be_visible(timeout=SOON_MS)
    for count in (2, 1):
        page.get_by_label("One replica of digits fewer").click()
        expect(page.get_by_label(f"{count} replicas")).to_be_visible()
    page.get_by_label("Insert the connecting code").click()
    expect(page.get_by_text('ClipperConnection("browser")').first).to_be_visible()
    page.get_by_label("Open the live dashboard").click()
    expect(page.get_by_text("digits: answers a second").first).to_be_visible()
    lab.shoot("side-panel")
    assert lab.errors == []


def test_every_view_says_what_is_wrong_and_recovers(server: str, page: Page) -> None:
    connection = ClipperConnection(ProcessContainerManager("browser"))
    connection.connect()
    lab = Notebook(page, f"{server}/lab/workspaces/three/tree/three.ipynb?reset")
    lab.execute("clipperlab:show-panel")
    lab.run(f"{CONNECT}conn")
    expect(page.get_by_text("conn.panel() steers it")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_label("Current version of digits")).to_be_visible()
    kill(pid_of(connection, "management"))
    expect(page.get_by_text("Management of cluster 'browser' does not answer").first).to_be_visible(
        timeout=SOON_MS
    )
    expect(page.get_by_text("Cluster 'browser' does not answer").first).to_be_visible(timeout=SOON_MS)
    page.get_by_label("Start this cluster").click()
    expect(page.get_by_text("Starting browser: done.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("does not answer")).to_have_count(0, timeout=SOON_MS)
    page.get_by_label("Stop this cluster").click()
    page.get_by_role("button", name="Stop", exact=True).last.click()
    expect(page.get_by_text("Stopping browser: done.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Cluster browser is not running. Start it here")).to_be_visible(timeout=SOON_MS)
    lab.shoot("stopped")
    expect(page.get_by_text("Cluster 'browser' is not running. start_clipper()").first).to_be_visible(
        timeout=SOON_MS
    )
    page.get_by_label("Start this cluster").click()
    expect(page.get_by_text("is not running")).to_have_count(0, timeout=30_000)
    expect(page.get_by_label("Current version of digits")).to_be_visible(timeout=SOON_MS)
    refused = [error for error in lab.errors if "Failed to load resource" not in error]
    assert refused == []  # the browser itself notes each answer that is an error


def test_the_side_panel_is_in_notebook_7_too(server: str, page: Page, browser: Browser) -> None:
    pytest.importorskip("notebook", reason="needs Notebook 7, which is not installed here")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
    page.goto(f"{server}/notebooks/three.ipynb")
    there = "() => window.jupyterapp?.commands?.hasCommand('clipperlab:show-panel')"
    page.wait_for_function(there, timeout=60_000)
    page.evaluate("() => window.jupyterapp.commands.execute('clipperlab:show-panel')")
    expect(page.get_by_label("Current version of digits")).to_be_visible(timeout=SOON_MS)
    # Notebook itself complains of commands that only JupyterLab has.
    assert [error for error in errors if "clipperlab" in error] == []
