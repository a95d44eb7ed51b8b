"""What is in the body of a request: rows in JSON, in lines of JSON, in CSV or in an array of numpy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor

from ...application import Application
from ...limits import Limits
from .. import tables
from ..json_body import UNREAD, Body, unmarked, unread
from ..rows import Rows

JSON, LINES, CSV, NPY = "application/json", "application/jsonlines", "text/csv", "application/x-npy"
TYPES = (JSON, LINES, CSV, NPY)
FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")
"""MLflow's: an object of JSON has exactly one of them."""
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii")


class Unsupported(BadRequest):
    """The body is of a type that nobody reads here."""

    http_status = 415


def type_of(header: bytes | None) -> str:
    """The media type that a Content-Type names; JSON where there is none. Raises Unsupported."""
    if not header or header == b"application/json":
        return JSON
    media, *parameters = header.decode("latin-1").lower().split(";")
    for each in parameters:
        name, _, value = each.strip().partition("=")
        if name == "charset" and value.strip('" ') not in _CHARSETS:
            raise Unsupported(f"The Content-Type names the charset {value[:50]}. Send UTF-8.")
    return media.strip()


class Bodies:
    """Reads those of one application."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self._rows = rows = Rows(application, limits)
        self._list = msgspec.json.Decoder(rows.typed).decode
        self._line = msgspec.json.Decoder(rows.kind.json)
        form: Any = msgspec.defstruct(
            "Form",
            [(name, rows.typed | msgspec.UnsetType, msgspec.UNSET) for name in FORMS[:2]],
            forbid_unknown_fields=True,
        )
        self._object = msgspec.json.Decoder(form).decode

    def read(self, content_type: str, body: Body, version: str | None) -> tuple[list[Tensor], bool]:
        """An input for each row, and whether they came in one of MLflow's forms.

        Raises BadRequest, which may be Unsupported, or TooLarge.
        """
        try:
            if content_type == JSON:
                self.limits.check_json(len(body))
                return self._json(body, version, lines=False)
            if content_type == NPY:
                return self._rows.of_array(tables.array(body), version), False
            if content_type not in TYPES:
                if self._rows.kind.dtype not in ("bytes", "str"):
                    raise Unsupported(
                        f"{self.application.name} reads {', '.join(TYPES)}, and not {content_type[:100]!r}."
                    )
                return self._rows.of_bytes(bytes(body)), False
            self.limits.check_json(len(body))
            if content_type == CSV:
                return self._csv(body, version), False
            return self._json(body, version, lines=True)
        except UNREAD as error:
            raise unread(error, body, self._expected(version), "The body does not fit") from None

    def _csv(self, body: Body, version: str | None) -> list[Tensor]:
        if self._rows.are_numbers and (text := tables.as_json(body)) is not None:
            try:
                return self._rows.of_typed(self._list(text), version)
            except msgspec.DecodeError:
                pass  # such as 1. and 007, which are no numbers in JSON
        return self._rows.of_cells(tables.cells(body), version)

    def _json(
        self, body: Body, version: str | None, *, lines: bool, again: bool = False
    ) -> tuple[list[Tensor], bool]:
        try:
            return self._typed(body, version, lines=lines)
        except msgspec.ValidationError:
            if lines:
                raise
            return self._untyped(msgspec.json.decode(body), version)
        except msgspec.DecodeError as error:
            if again:
                raise
            return self._json(unmarked(body, error), version, lines=lines, again=True)

    def _typed(self, body: Body, version: str | None, *, lines: bool) -> tuple[list[Tensor], bool]:
        """Of rows that are as the application's are, which is quick."""
        if lines:
            return self._rows.of_typed(self._line.decode_lines(bytes(body)), version), False
        if body[:1] != b"{" and bytes(body[:64]).lstrip()[:1] != b"{":
            return self._rows.of_typed(self._list(body), version), False
        form = self._object(body)
        if form.inputs is msgspec.UNSET and form.instances is not msgspec.UNSET:  # as most are
            return self._rows.of_typed(form.instances, version), True
        given = [rows for rows in (form.instances, form.inputs) if rows is not msgspec.UNSET]
        if len(given) != 1:
            raise msgspec.ValidationError
        return self._rows.of_typed(given[0], version), True

    def _untyped(self, value: Any, version: str | None) -> tuple[list[Tensor], bool]:
        if not isinstance(value, dict):
            return self._rows.of_json(value, version), False
        given = [name for name in FORMS if name in value]
        if not given and self._rows.kind.name in ("json", "dataframe"):
            return self._rows.of_json([value], version), False
        if len(given) != 1:
            raise ValueError(f"an object has exactly one of {_told(FORMS)}, and this one has {_told(given)}")
        if value.get("params"):
            raise ValueError("it has params, and models take none here")
        if more := sorted(value.keys() - {given[0], "params"}):
            raise ValueError(f"besides {given[0]} it has {_told(more)}")
        return self._rows.of_json(value[given[0]], version), True

    def _expected(self, version: str | None) -> str:
        return (
            f"{self.application.name} takes rows: a list in JSON, or in {_told(FORMS)}; a line each in JSON "
            f"lines or CSV; or an array in npy. A row is {self._rows.words(version)}."
        )


def _told(names: Sequence[str]) -> str:
    return ", ".join(names)[:200] or "none of them"
