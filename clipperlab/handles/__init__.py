"""Handles: one application, or one model, with what can be done to it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clipper_container.errors import ClipperException

from ..display import Displayed, workbench

if TYPE_CHECKING:
    from ..connection import ClipperConnection
    from ..display.views import BatchingView, Trace
    from ..management import Application, Move, Version
    from ..workbench.view import View


class ApplicationHandle(Displayed):
    """An application: `conn.application("digits")`. Shows what it is at the moment."""

    def __init__(self, conn: ClipperConnection, name: str) -> None:
        self._conn = conn
        self.name = name

    @property
    def info(self) -> Application:
        """All about it. Raises NotFound."""
        return self._conn._management.application(self.name)

    @property
    def url(self) -> str:
        return f"http://{self._conn.get_query_addr()}/{self.name}/predict"

    def predict(
        self, input: Any, *, version: object = None, timeout_micros: int | None = None
    ) -> dict[str, Any]:
        """Ask it one input; its answer, a dictionary as the endpoint gives it.

        Raises BadRequest where the input is not of its type, NotFound, or ClusterError.
        """
        from .query import predict

        fields: dict[str, Any] = {"input": input}
        if version is not None:
            fields["version"] = str(version)
        if timeout_micros is not None:
            fields["timeout_micros"] = timeout_micros
        return predict(self.url, fields)

    def link(self, model_name: str) -> None:
        self._conn.link_model_to_app(self.name, model_name)

    def unlink(self, model_name: str) -> None:
        self._conn.unlink_model_from_app(self.name, model_name)

    def why(self, query_id: int) -> Trace:
        return self._conn.why(query_id)

    def _view(self) -> View:
        view: View = workbench("views").ApplicationView(self._conn, self.name)
        return self._conn._viewing.begin(view)

    def __repr__(self) -> str:
        try:
            return "\n".join(f"{name}: {value}" for name, value in self._rows())
        except ClipperException as error:
            return f"application {self.name}: {error}"

    def _repr_html_(self) -> str:
        try:
            rows = self._rows()
        except ClipperException as error:
            return f"<p>application {html.escape(self.name)}: {html.escape(str(error))}</p>"
        return _table(["application", self.name], [[name, value] for name, value in rows])

    def _rows(self) -> list[tuple[str, str]]:
        info = self.info
        return [
            ("application", self.name),
            ("asked at", self.url),
            ("input type", info["input_type"]),
            ("latency objective", f"{info['latency_slo_micros'] / 1000:g} ms"),
            ("default output", repr(info["default_output"])),
            ("under overload", info["on_overload"]),
            ("linked models", ", ".join(info["linked_models"]) or "none: it answers the default output"),
        ]


class ModelHandle(Displayed):
    """A model: `conn.model("digits")`. Shows its versions as they are."""

    def __init__(self, conn: ClipperConnection, name: str) -> None:
        self._conn = conn
        self.name = name

    @property
    def versions(self) -> list[Version]:
        """All about its versions, in the order in which they were deployed. Raises NotFound."""
        return self._conn._versions_of([self.name])

    @property
    def current_version(self) -> str:
        return self._conn.get_current_model_version(self.name)

    @property
    def history(self) -> History:
        return self._conn.get_model_history(self.name)

    def set_version(self, version: object, *, message: str = "") -> None:
        self._conn.set_model_version(self.name, version, message=message)

    def rollback(self, *, message: str = "") -> str:
        return self._conn.rollback(self.name, message=message)

    def scale(self, num_replicas: int, version: object = None) -> None:
        self._conn.set_num_replicas(self.name, num_replicas, version)

    def batching(self, version: object = None) -> BatchingView:
        return self._conn.batching(self.name, version)

    def _view(self) -> View:
        view: View = workbench("views").ModelView(self._conn, self.name)
        return self._conn._viewing.begin(view)

    def __repr__(self) -> str:
        try:
            rows = [self._HEAD, *self._rows()]
        except ClipperException as error:
            return f"model {self.name}: {error}"
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([f"model {self.name}", *lines])

    def _repr_html_(self) -> str:
        try:
            rows = self._rows()
        except ClipperException as error:
            return f"<p>model {html.escape(self.name)}: {html.escape(str(error))}</p>"
        return f"<p>model {html.escape(self.name)}</p>" + _table(self._HEAD, rows)

    _HEAD = ("version", "state", "replicas", "batching", "deployed by")

    def _rows(self) -> list[Sequence[str]]:
        return [
            (
                v["model_version"] + (" (current)" if v["is_current_version"] else ""),
                v["state"],
                f"{v['ready_replicas']} of {v['num_replicas']} ready",
                v["batching"],
                v["deployed_by"] + (f": {v['message']}" if v["message"] else ""),
            )
            for v in self.versions
        ]


class History(list["Move"]):
    """A model's moves, the last one at the end. A list of dictionaries, which prints as a table."""

    def __repr__(self) -> str:
        return "\n".join("  ".join(cell for cell in row).rstrip() for row in self._rows()) or "no moves yet"

    def _repr_html_(self) -> str:
        return _table(["when", "what", "who", "why"], self._rows())

    def _rows(self) -> list[Sequence[str]]:
        words = {"deploy": "deployed", "set": "set to", "rollback": "rolled back to"}
        return [
            (
                f"{datetime.fromtimestamp(move['at']):%Y-%m-%d %H:%M:%S}",
                f"{words.get(move['move'], move['move'])} {move['version']}",
                move["who"],
                move["message"],
            )
            for move in self
        ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
