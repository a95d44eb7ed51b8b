"""Two notebooks with two kernels: one's chart rises, because of what the other one does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from clipperlab import ClipperConnection, ClipperException, ProcessContainerManager
from tests.support.home import own_home
from tests.support.kernels import at_ports_of_their_own
from tests.support.waiting import wait_for

ROLES = Path(__file__).parents[2] / "notebooks" / "roles"
NOTEBOOKS = sorted(ROLES.glob("*.ipynb"))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    at_ports_of_their_own()
    with own_home() as home:
        monkeypatch.setenv("CLIPPERLAB_HOME", str(home))
        yield home


class Notebook:
    """A notebook of the two, with a kernel of its own."""

    def __init__(self, name: str) -> None:
        self.cells = _read(ROLES / f"{name}.ipynb")
        self._client = NotebookClient(self.cells, timeout=120, kernel_name="python3")

    def run(self) -> str:
        """Run every cell but those that clean up, raise what they raise; what they printed."""
        for cell in list(self.cells.cells):
            if "cleanup" in cell.metadata.get("tags", []):
                self.cells.cells.remove(cell)
        asyncio.run(self._client.async_execute())
        outputs = [o for cell in self.cells.cells for o in cell.get("outputs", [])]
        return "".join(o["text"] for o in outputs if o["output_type"] == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebooks_are_committed_clean(path: Path) -> None:
    notebook = _read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", cell.id), "give this cell a name instead"
        if cell.cell_type == "code":
            assert not cell.outputs, "`make format` takes it out"
            assert cell.execution_count is None, "`make format` takes it out"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_chart_rises_when_the_other_one_deploys(home: Path) -> None:
    developer, scientist = Notebook("application_developer"), Notebook("data_scientist")
    conn = ClipperConnection(ProcessContainerManager("two-roles"))
    with ThreadPoolExecutor(1) as pool:
        charting = pool.submit(developer.run)
        try:
            wait_for("defaults in the chart", lambda: charting.done() or _defaults(conn) > 200)
            assert not charting.done(), "the chart ended before there was a model"
            assert conn.get_all_models() == []
            scientist.run()
            said = charting.result(timeout=120)
        finally:
            # Without its cluster the chart ends too, whatever went wrong.
            conn.stop_all(purge=True)
    shares = re.search(r"at first (\d+)%, in the end (\d+)%", said)
    assert shares is not None
    assert int(shares[1]) < 40
    assert int(shares[2]) >= 90


def _defaults(conn: ClipperConnection) -> float:
    """How many queries the application has answered without a model."""
    try:
        conn.connect()
        metrics = conn.get_metrics()
    except ClipperException:
        return 0  # it is not there yet
    lines = re.findall(r'^clipper_app_default_predictions_total\{.*"no_model_linked"\} (\S+)$', metrics, re.M)
    return sum(map(float, lines))


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)  # type: ignore[no-untyped-call,no-any-return]
