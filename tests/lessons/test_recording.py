"""What lessons put out is kept as it can be shown elsewhere, with nothing that is one machine's alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.support.notebooks import ROOT
from tests.support.recording import FRAME, Recording
from tests.support.scrubbed import scrubbed

HOME = Path("/tmp/clipper-x1")
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/html": "<b>3</b>"}


class Kernel:
    """Says to a recording what a kernel would say of two cells."""

    def __init__(self) -> None:
        cells = [new_markdown_cell("# One"), new_code_cell("1", id="a"), new_code_cell("2", id="b")]  # type: ignore[no-untyped-call]
        self.recording = Recording(new_notebook(cells=cells), str.upper)  # type: ignore[no-untyped-call]
        self._now = ""

    def runs(self, cell: str) -> None:
        self._now = cell
        self.says(cell, "execute_input", execution_count=7)

    def says(self, cell: str, kind: str, **content: Any) -> None:
        message = {"msg_type": kind, "header": {"msg_type": kind}, "content": content}
        self.recording.hear({**message, "parent_header": {"msg_id": f"request of {cell}"}}, self._now)

    def kept(self, folder: Path) -> list[list[Any]]:
        path = folder / "deep" / "lesson.ipynb"
        self.recording.write(path)
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        assert notebook.cells[1].execution_count == 7
        return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_what_comes_late_is_its_own_cells(kernel: Kernel, tmp_path: Path) -> None:
    kernel.runs("a")
    kernel.says("a", "stream", name="stdout", text="begun ")
    kernel.runs("b")
    kernel.says("a", "stream", name="stdout", text="and ended")
    kernel.says("b", "stream", name="stderr", text="oh")
    kernel.says("nobody", "stream", name="stdout", text="whose?")
    first, second = kernel.kept(tmp_path)
    assert [output.text for output in first] == ["BEGUN AND ENDED"]
    assert [(output.name, output.text) for output in second] == [("stderr", "OH")]


def test_a_display_is_as_it_was_last(kernel: Kernel, tmp_path: Path) -> None:
    kernel.runs("a")
    display = {"metadata": {}, "transient": {"display_id": "7"}}
    kernel.says("a", "display_data", data={"text/plain": "it runs"}, **display)
    kernel.runs("b")
    kernel.says("b", "stream", name="stdout", text="a word")
    kernel.says("b", "clear_output", wait=False)
    kernel.says("b", "update_display_data", data={"text/plain": "it has run"}, **display)
    first, second = kernel.kept(tmp_path)
    assert [output.data for output in first] == [{"text/plain": "IT HAS RUN"}]
    assert second == []


def test_a_widget_is_its_page_and_a_frame_a_sentence(kernel: Kernel, tmp_path: Path) -> None:
    kernel.runs("a")
    kernel.says("a", "display_data", data=WIDGET, metadata={})
    frame = '<iframe src="http://127.0.0.1:41234"></iframe>'
    kernel.says("a", "display_data", data={"text/html": frame}, metadata={})
    kernel.says("a", "execute_result", data={"image/png": "iVBO"}, metadata={}, execution_count=7)
    widget, page, picture = kernel.kept(tmp_path)[0]
    assert widget.data == {"text/html": "<B>3</B>"}
    assert page.data["text/html"] == FRAME
    assert picture.data == {"image/png": "iVBO"}


def test_an_error_is_kept(kernel: Kernel, tmp_path: Path) -> None:
    kernel.runs("a")
    kernel.says("a", "error", ename="E", evalue="no", traceback=["line 1", "line 2"])
    assert kernel.kept(tmp_path)[0][0].traceback == ["LINE 1", "LINE 2"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"at {HOME}/lesson-01/x", "at ~/.clipperlab/lesson-01/x"),
        (f"Python 3, at {sys.prefix}/bin/python", "Python 3, at .venv/bin/python"),
        (f'File "{ROOT}/notebooks/x.py"', 'File "clipper-lab/notebooks/x.py"'),
        (f"{Path.home()}/.cache", "~/.cache"),
        (f"{Path.home()}s", f"{Path.home()}s"),
        ("in /tmp/tmpab_1/sub/y.db, and", "in /tmp/…, and"),
        ("it answers at 127.0.0.1:43031", "it answers at 127.0.0.1:…"),
        ("it answers at 127.0.0.1:1337", "it answers at 127.0.0.1:1337"),
        ("Port 52025 is taken", "Port … is taken"),
        ("<object at 0x7f12ab34cd56>", "<object at 0x…>"),
        ("'feedback_token': 'AbC-_0123456789abcdefghij'", "'feedback_token': '…'"),
        ("Authorization: Bearer 0123456789abcdefghij", "Authorization: Bearer …"),
        ("120871335231488 of 43031 queries", "120871335231488 of 43031 queries"),
    ],
)
def test_what_is_one_machines_alone_goes(said: str, kept: str) -> None:
    assert scrubbed(said, HOME) == kept
