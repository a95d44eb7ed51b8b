"""What a lesson's cells put out while it runs, kept as a notebook: the site shows lessons with it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

# What pages can show. A widget has a page beside it, for those who have no kernel.
SHOWN = {"text/html", "text/plain", "image/png", "image/svg+xml"}
# Texts of outputs that have no kinds of data.
SAID = {"text", "evalue", "traceback"}
FRAME = "<p>Here is a page of a program that runs while the lesson does.</p>"


class Recording:
    """One lesson's outputs, as its kernel tells them. `clean` is asked for each text of them.

    What is put out late, by a load that goes on for example, is its own cell's.
    """

    def __init__(self, notebook: Any, clean: Callable[[str], str]) -> None:
        self.notebook = copy.deepcopy(notebook)
        self._clean = clean
        self._cells: dict[str, Any] = {}  # by the request that ran it
        self._displays: dict[str, Any] = {}  # those that may be shown anew

    def hear(self, message: dict[str, Any], cell_id: str) -> None:
        """A message from the kernel's iopub channel, which was read while that cell ran."""
        kind, content = message["msg_type"], message["content"]
        request = message["parent_header"].get("msg_id", "")
        if kind == "execute_input":
            self._cells[request] = next(cell for cell in self.notebook.cells if cell.id == cell_id)
            self._cells[request].update(execution_count=content["execution_count"], outputs=[])
        elif kind == "update_display_data":
            if output := self._displays.get(content["transient"]["display_id"]):
                output.update(data=content["data"], metadata=content["metadata"])
        elif request in self._cells:
            self._put(message, self._cells[request].outputs)

    def _put(self, message: dict[str, Any], outputs: list[Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "clear_output":
            outputs.clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            output = nbformat.v4.output_from_msg(message)  # type: ignore[no-untyped-call]
            if kind == "stream" and outputs and outputs[-1].get("name") == output.name:
                outputs[-1].text += output.text
                return
            outputs.append(output)
            if display := content.get("transient", {}).get("display_id"):
                self._displays[display] = output

    def write(self, path: Path) -> None:
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [nbformat.from_dict(self._still(output)) for output in cell.outputs]  # type: ignore[no-untyped-call]
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(self.notebook, path)  # type: ignore[no-untyped-call]

    def _still(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it can be shown anywhere."""
        if "data" not in output:
            return {name: self._cleaned(value) if name in SAID else value for name, value in output.items()}
        data = {kind: self._cleaned(value) for kind, value in output["data"].items() if kind in SHOWN}
        if "image/png" in data:
            data["image/png"] = output["data"]["image/png"]
        if "<iframe" in output["data"].get("text/html", ""):
            data["text/html"] = FRAME
        return {**output, "metadata": {}, "data": data}

    def _cleaned(self, value: Any) -> Any:
        return [self._clean(line) for line in value] if isinstance(value, list) else self._clean(value)
