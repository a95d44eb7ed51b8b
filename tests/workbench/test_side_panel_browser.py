"""The side panel in a real JupyterLab, in a real Chromium: clusters come and go, what is wrong is told."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright", reason="needs playwright, which is not installed here")
pytest.importorskip("jupyterlab", reason="needs JupyterLab, which is not installed here")

from playwright.sync_api import Locator, Page, Route, expect, sync_playwright

from clipper_container.errors import DeployError
from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support import parts
from tests.support.browser import Notebook, jupyter, launch, violations, write_notebook
from tests.support.clusters import Attach, constant
from tests.support.notebooks import NOTEBOOKS
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SOON_MS = 60_000
NAME = "side"
WRONG = "This one fails, with a sentence that is long enough to need a line and more. "


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    connection = attach(NAME)
    connection.start_clipper(fresh=True)
    yield connection
    connection.stop_all(purge=True)
    ProcessContainerManager("other").down(purge=True)


@pytest.fixture(scope="module")
def lab(cluster: ClipperConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook that is connected to nothing, beside the side panel."""
    folder = tmp_path_factory.mktemp("side")
    write_notebook(folder / "side.ipynb")
    (folder / "notebooks").mkdir()
    for name in ("README.md", "01_serve_a_model_in_five_minutes.ipynb"):
        shutil.copy(NOTEBOOKS / name, folder / "notebooks")
    with sync_playwright() as playwright, jupyter(folder) as url:
        browser = launch(playwright, parts.chromium())
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        lab = Notebook(page, f"{url}/lab/workspaces/side/tree/side.ipynb?reset")
        lab.execute("clipperlab:show-panel")
        yield lab
        browser.close()


@pytest.fixture
def panel(lab: Notebook) -> Locator:
    choice = lab.page.locator(".clipper-panel").get_by_label("Cluster", exact=True)
    expect(choice.locator(f"option[value={NAME}]")).to_be_attached(timeout=SOON_MS)
    choice.select_option(NAME)
    return lab.page.locator(".clipper-panel")


def everybody_can_use(lab: Notebook, selector: str, name: str) -> None:
    """In both themes; and a picture of each, for whoever changes them to look at."""
    for theme in ("Light", "Dark"):
        lab.execute("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-name", f"JupyterLab {theme}")
        expect(lab.page.locator("#jupyterlab-splash")).to_have_count(0)  # it lies over all of the page
        lab.shoot(f"{name}-{theme.lower()}")
        assert violations(lab.page, selector) == []


def test_an_empty_cluster_shows_where_to_begin(lab: Notebook, panel: Locator) -> None:
    expect(panel.get_by_text("Nothing is deployed here yet.")).to_be_visible(timeout=SOON_MS)
    everybody_can_use(lab, ".clipper-panel", "side-empty")
    panel.get_by_role("button", name="Open lesson 01").click()
    expect(lab.page.get_by_role("tab", name=re.compile("^01_serve"))).to_be_visible()
    lab.execute("launcher:create")
    launcher = lab.page.locator(".jp-Launcher-section", has_text="Clipper Lab")
    expect(launcher.locator(".jp-LauncherCard")).to_have_text(["Lessons", "New notebook", "Dashboard"])
    lab.shoot("launcher")
    launcher.get_by_text("Lessons").click()
    expect(lab.page.get_by_role("heading", name="The lessons")).to_be_visible()
    lab.execute("docmanager:open", {"path": "side.ipynb"})


def test_protocols_that_are_on_are_shown_with_where_they_are_asked(
    cluster: ClipperConnection, lab: Notebook, panel: Locator
) -> None:
    where = panel.locator(".clipper-where")
    asked = [f"queries at {cluster.get_query_addr()}", f"management at {cluster.get_management_addr()}"]
    expect(where).to_have_text("\n".join(asked), timeout=SOON_MS)
    started = cluster.start_protocol("tensorflow-serving")
    said = f"tensorflow-serving at {started['rest']} (REST) and {started['grpc']} (gRPC)"
    expect(where).to_have_text("\n".join([*asked, said]), timeout=SOON_MS)
    everybody_can_use(lab, ".clipper-panel", "side-protocols")
    cluster.stop_protocol("tensorflow-serving")
    expect(where).to_have_text("\n".join(asked), timeout=SOON_MS)


def test_a_version_that_failed_says_why_and_is_removed(
    cluster: ClipperConnection, lab: Notebook, panel: Locator
) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError(WRONG * 3)

    deploy_python_closure(cluster, "m", 1, "doubles", constant("one"), example_input=[1.0])
    with pytest.raises(DeployError):
        deploy_python_closure(cluster, "m", 2, "doubles", broken, example_input=[1.0])
    line = panel.locator(".clipper-state", has_text="Version 2 failed: ValueError: This one fails")
    expect(line).to_be_visible(timeout=SOON_MS)
    expect(line.locator("[data-state=failed]")).to_be_visible()
    box = line.bounding_box()
    assert box
    assert box["height"] < 80  # it is cut, however long it is
    expect(panel.get_by_label("Current version of m").locator("option[value='2']")).to_be_disabled()
    everybody_can_use(lab, ".clipper-panel", "side-failed")
    line.get_by_text("more", exact=True).click()
    expect(line.get_by_text("Traceback (most recent call last)")).to_be_visible()
    panel.get_by_role("button", name="All events").click()
    expect(panel.get_by_text(f"Management of {NAME} has started")).to_be_visible()
    panel.get_by_role("button", name="Remove m:2").click()
    expect(panel.get_by_text("Removing m:2: done.")).to_be_visible()
    expect(panel.locator(".clipper-busy")).to_have_count(0)
    expect(panel.get_by_text("Version 2 failed")).to_have_count(0)
    assert [version["model_version"] for version in cluster.get_all_models(verbose=True)] == ["1"]


def test_a_model_goes_back_only_to_a_version_that_was_current(
    cluster: ClipperConnection, panel: Locator
) -> None:
    for version in (1, 2):
        deploy_python_closure(cluster, "svm", version, "doubles", constant("one"), make_current=version == 1)
    back = panel.get_by_label("Roll svm back to the version before")
    versions = panel.get_by_label("Current version of svm")
    expect(versions.locator("option[value='2']")).to_be_attached(timeout=SOON_MS)
    expect(back).to_be_disabled()
    cluster.set_model_version("svm", 2)
    expect(back).to_be_enabled()
    back.click()
    expect(panel.get_by_text("Rolling back svm: done.")).to_be_visible()
    expect(versions).to_have_value("1")
    cluster.stop_models(["svm"])


def test_clusters_come_follow_the_notebook_and_go(lab: Notebook, panel: Locator) -> None:
    page, choice = lab.page, panel.get_by_label("Cluster", exact=True)
    choice.select_option("New cluster…")
    page.get_by_label("Its name").fill("other")
    held = hold(page, "**/clusters/other/start*")
    page.get_by_role("button", name="Start", exact=True).last.click()
    expect(panel.get_by_text("Starting other …")).to_be_visible()
    for control in (
        choice,
        panel.get_by_label("Start this cluster"),
        panel.get_by_label("Stop this cluster"),
    ):
        expect(control).to_be_disabled()
    wait_for("the request", lambda: page.evaluate("1") and bool(held))  # pages speak while they are asked
    held.pop().continue_()
    expect(panel.get_by_text("Starting other: done.")).to_be_visible(timeout=SOON_MS)
    expect(choice).to_have_value("other")

    # It follows the notebook when that connects, and stays where one leads it by hand.
    lab.run(f"from clipperlab import ClipperConnection\nconn = ClipperConnection({NAME!r})\nconn.connect()")
    expect(choice).to_have_value(NAME, timeout=SOON_MS)
    choice.select_option("other")
    lab.run("print('still', 'here')")
    expect(page.get_by_text("still here")).to_be_visible(timeout=SOON_MS)
    lab.run("conn = ClipperConnection('other')\nconn.connect()\nprint('and', 'there')")
    expect(page.get_by_text("and there")).to_be_visible(timeout=SOON_MS)
    expect(choice).to_have_value("other")

    # What is stopped is not broken; and it is forgotten after a question alone.
    panel.get_by_label("Stop this cluster").click()
    page.get_by_role("button", name="Stop", exact=True).last.click()
    expect(panel.get_by_text("Stopping other: done.")).to_be_visible(timeout=SOON_MS)
    expect(panel.get_by_text("Cluster other is not running.")).to_be_visible()
    expect(panel.locator(".clipper-trouble")).to_be_empty()
    everybody_can_use(lab, ".clipper-panel", "side-stopped")
    panel.get_by_label("Forget this cluster").click()
    expect(page.get_by_text("cannot be brought back")).to_be_visible()
    page.get_by_role("button", name="Forget", exact=True).last.click()
    expect(panel.get_by_text("Forgetting other: done.")).to_be_visible(timeout=SOON_MS)
    expect(choice).to_have_value(NAME)
    expect(choice.locator("option")).to_have_text([NAME, "New cluster…"])
    assert not ProcessContainerManager("other").folder.exists()


def test_it_follows_a_notebook_to_a_cluster_that_its_list_does_not_have_yet(
    attach: Attach, lab: Notebook, panel: Locator
) -> None:
    lab.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")  # what is not seen does not look
    later = attach("later")
    later.start_clipper(fresh=True)
    try:
        lab.run("conn = ClipperConnection('later')\nconn.connect()")
        choice = panel.locator("select[aria-label=Cluster]")
        expect(choice.locator("option[value=later]")).to_be_attached(timeout=SOON_MS)
        expect(choice).to_have_value("later")
    finally:
        later.stop_all(purge=True)
        lab.execute("clipperlab:show-panel")


def test_a_record_that_cannot_be_read_is_no_stopped_cluster(
    cluster: ClipperConnection, panel: Locator
) -> None:
    record = ProcessContainerManager(NAME).folder / "cluster.json"
    right = record.read_text()
    record.write_text("no record")
    try:
        expect(panel.locator(".clipper-trouble")).to_contain_text("cannot be read", timeout=SOON_MS)
        expect(panel.locator(".clipper-note:visible")).to_have_count(0)
    finally:
        record.write_text(right)
    expect(panel.locator(".clipper-trouble")).to_be_empty(timeout=SOON_MS)


def hold(page: Page, url: str) -> list[Route]:
    """Requests to that address, held until somebody has them continue."""
    held: list[Route] = []
    page.route(url, lambda route: held.append(route))
    return held
