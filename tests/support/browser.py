"""A real JupyterLab and a real Chromium, for tests and for the README's screenshots."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Playwright, expect

from tests.support.waiting import wait_for

from .ports import free_port

# For what comes at once, also on a machine that does much else: no test waits in vain.
expect.set_options(timeout=30_000)
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
]
CONFIG = """
from jupyterlab.galata import configure_jupyter_server
configure_jupyter_server(c)
c.ServerApp.port = {port}
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.root_dir = {root!r}
c.ServerApp.allow_root = True
c.ServerApp.open_browser = False
c.LabServerApp.notebook_starts_kernel = True
c.JupyterNotebookApp.expose_app_in_browser = True
"""
# JupyterLab's own, where a kernel restarts while its debugger asks it for its state.
DEBUGGER = "Could not restore the debugger state"
# Where a network of containers begins or ends meanwhile: the browser gives up what it is just asking for.
NETWORK = "Failed to load resource: net::ERR_NETWORK_CHANGED"
# The kernel, and what draws widgets there: an output that comes before that is shown as what was saved of it.
IDLE = """() => {
  const page = window.jupyterapp?.shell?.currentWidget;
  return page?.context?.sessionContext?.session?.kernel?.status === 'idle'
    && page.content.rendermime.mimeTypes.includes('application/vnd.jupyter.widget-view+json');
}"""


@contextmanager
def jupyter(folder: Path) -> Iterator[str]:
    """A Jupyter server whose files are in `folder`; its URL. Ends with the block, and so do its kernels."""
    port = free_port()
    config = folder / "jupyter_config.py"
    config.write_text(CONFIG.format(port=port, root=str(folder)))
    # No news and no hints: they cover what is to be clicked.
    settings = folder / "overrides"
    settings.mkdir()
    log = folder / "jupyter.log"
    command = [sys.executable, "-m", "jupyterlab", "--config", str(config)]
    environment = {**os.environ, "JUPYTERLAB_SETTINGS_DIR": str(settings)}
    notification = settings / "@jupyterlab" / "apputils-extension"
    notification.mkdir(parents=True)
    (notification / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            return httpx2.get(f"{url}/api/status", trust_env=False, verify=False).status_code == 200
        except httpx2.HTTPError:
            return False

    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            wait_for("Jupyter to answer", answers)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                # It has ended its kernels and its main thread: seen once, a worker thread of anyio kept it.
                server.kill()
                server.wait(30)


class Notebook:
    """A page with a notebook in JupyterLab. `errors` are what the browser's console complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        page.wait_for_function(IDLE, timeout=60_000)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith((DEBUGGER, NETWORK)):
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        self.page.evaluate("([c, a]) => window.jupyterapp.commands.execute(c, a)", [command, arguments or {}])

    def run(self, source: str) -> None:
        """Run it in a new last cell, without waiting for its end."""
        self.page.evaluate(
            """([source]) => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = notebook.widgets.length - 1;
              notebook.activeCell.model.sharedModel.setSource(source);
              return window.jupyterapp.commands.execute('notebook:run-cell-and-insert-below');
            }""",
            [source],
        )

    def shoot(self, name: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def launch(playwright: Playwright, chromium: str) -> Any:
    return playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)


def write_notebook(path: Path) -> None:
    """An empty one."""
    path.write_text(
        '{"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "execution_count": null, "outputs": [], '
        '"source": ""}], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", '
        '"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}'
    )


def violations(page: Page, selector: str) -> list[str]:
    """What axe-core finds wrong with what `selector` chooses: each a rule, and the elements that break it.

    Views change every second, and themes for a moment: what was wrong in the midst of that only is nothing.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = _broken_rules(page, selector)
    if found:
        again = _broken_rules(page, selector)
        found = {rule: told for rule, told in again.items() if rule in found}
    return list(found.values())


def _broken_rules(page: Page, selector: str) -> dict[str, str]:
    found = page.evaluate("(selector) => axe.run(selector, {resultTypes: ['violations']})", selector)
    return {
        rule["id"]: f"{rule['id']} ({rule['impact']}): {rule['help']}\n"
        + "\n".join(f"  {node['html'][:200]} {node['any'][:1]}" for node in rule["nodes"])
        for rule in found["violations"]
    }
