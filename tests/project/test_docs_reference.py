"""The pages that are made of the code have all of it, and say something of each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from clipperlab.cli.commands import app
from clipperlab.explained import ENTRIES
from tests.support import notebooks
from tests.support.notebooks import LESSONS
from tests.tools.site import codes, commands, lessons, links, metrics, python_api, routes, wire


def test_each_operation_is_on_the_python_page() -> None:
    from clipperlab import ClipperConnection

    page = python_api.page()
    public = [
        name
        for name in dir(ClipperConnection)
        if not name.startswith("_") and callable(getattr(ClipperConnection, name))
    ]
    assert [name for name in public if f"ClipperConnection.{name}\n" not in page] == []


def test_each_command_is_on_its_page() -> None:
    page = commands.page()
    group: Any = typer.main.get_command(app)
    assert [name for name in group.commands if f"## `clipperlab {name}" not in page] == []
    assert "| `--slo-ms` | The application's latency objective. | `100.0` |" in page


def test_each_code_has_an_anchor() -> None:
    page = codes.page()
    assert [entry.code for entry in ENTRIES if f"({entry.anchor})=\n### `{entry.code}`" not in page] == []


def test_routes_metrics_and_messages_are_on_their_pages() -> None:
    assert "### `POST /api/v1/applications`" in routes.page()
    assert re.search(
        r"^\| `clipper_app_default_predictions_total` \| counter \|.*`reason`", metrics.page(), re.M
    )
    assert "autoclass:: clipper_container.wire.Hello" in wire.page()


def test_a_lesson_has_its_buttons_below_its_title(tmp_path: Path) -> None:
    had: list[str] = []
    shown = lessons.shown(LESSONS[1], f"notebooks/{LESSONS[1].name}", had.append, tmp_path / "none.ipynb")
    assert rf"minutes\n\n[Download](path:../files/notebooks/{LESSONS[1].name})" in shown
    assert had == [f"exercises/{LESSONS[1].name}"]
    assert lessons.NOT_RUN in shown


def test_a_lesson_has_the_outputs_of_a_run_of_the_code_that_it_has(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.ipynb"
    ran = notebooks.read(LESSONS[1])
    cells = [cell for cell in ran["cells"] if cell["cell_type"] == "code"]
    cells[2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "it was so"}]
    recorded.write_text(json.dumps(ran))

    def shown() -> str:
        return lessons.shown(LESSONS[1], f"notebooks/{LESSONS[1].name}", lambda _: None, recorded)

    assert '"text": "it was so"' in shown()
    assert lessons.RUN in shown()
    cells[3]["source"] = "of another day"
    recorded.write_text(json.dumps(ran))
    assert "it was so" not in shown()
    assert lessons.NOT_RUN in shown()


@pytest.mark.parametrize(
    ("source", "link", "page", "becomes"),
    [
        ("docs/architecture.md", "../README.md", "architecture.md", "index.md"),
        (
            "docs/how-to/canary.md",
            "../functions.md#what-it-gets",
            "how-to/canary.md",
            "../functions.md#what-it-gets",
        ),
        ("README.md", "docs/scale.md", "index.md", "scale.md"),
        ("CONTRIBUTING.md", "LICENSE", "contributing.md", "path:files/LICENSE"),
        ("README.md", "https://example.com/README.md", "index.md", "https://example.com/README.md"),
    ],
)
def test_a_link_to_a_file_leads_to_its_page(source: str, link: str, page: str, becomes: str) -> None:
    had: list[str] = []
    assert links.linked(f"see [it]({link})", source, page, had.append) == f"see [it]({becomes})"
    assert had == (["LICENSE"] if "files/" in becomes else [])


def test_a_link_that_leads_nowhere_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="links to nowhere"):
        links.linked("[it](nowhere.md)", "CONTRIBUTING.md", "contributing.md", lambda _: None)
