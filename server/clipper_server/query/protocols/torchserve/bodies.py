"""The input of a request: its body, a field of a form, or all fields where inputs have names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.fields import TEXT
from clipper_container.signature import BYTES
from clipper_container.tensors import Tensor

from ...application import Application
from ...limits import Limits
from .. import Headers
from ..json_body import UNREAD, Body, unmarked, unread
from ..rows import Rows

FIELDS = ("data", "body")
MOST_FIELDS = 100
MAX_HEAD = 8192  # bytes, of a field's own headers
Field = TypeVar("Field")
Part = tuple[str, tuple[bytes, bytes]]
"""Of a form: its name, its media type, and its bytes."""
_FORM = b"application/x-www-form-urlencoded"
_BOUNDARY = re.compile(rb'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb'^content-disposition:[^\r\n]*;\s*name="?([^";\r\n]*)', re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Bodies:
    """Reads those of one application."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self._rows = Rows(application, limits)
        kind = self._rows.kind
        self._decode = msgspec.json.Decoder(kind.json).decode
        self._is_raw = kind.dtype in ("bytes", "str")
        self._takes_fields = self._rows.sets is None and kind.dtype != "json"

    def read(self, headers: Headers, body: Body, version: str | None) -> list[Tensor]:
        """One input. Raises BadRequest or TooLarge."""
        media = headers.get(b"content-type", b"")
        try:
            if media == b"application/json":
                return self.of(media, body, version)  # as most are
            start = media[:20].lower()
            if start.startswith(b"multipart/"):
                parts = _parts(media, bytes(body))
                if self._are_names(parts, version):
                    return self._of_parts(parts, version)
                media, body = only(parts)
            elif start == _FORM[:20] and bytes(body[:5]) in (b"data=", b"body="):
                self.limits.check_json(len(body))  # it is read letter by letter
                body = _field(bytes(body))
            return self.of(media, body, version)
        except UNREAD as error:
            raise unread(error, body, self._expected(version), "The body does not fit") from None

    def of(self, media: bytes, body: Body, version: str | None) -> list[Tensor]:
        """What is by itself, of this media type. Raises what msgspec raises, ValueError or TooLarge."""
        if self._is_raw and media[:16].lower() != b"application/json":
            return self._rows.of_bytes(bytes(body))
        self.limits.check_json(len(body))
        try:
            value = self._value(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            value = self._value(unmarked(body, error))
        return self._rows.of_typed([value], version)

    def _are_names(self, parts: Sequence[Part], version: str | None) -> bool:
        """Whether each is a part of the input, for one by itself may be the whole."""
        if self._rows.sets is None or not parts:
            return False
        fields = self._rows.sets.fields(version)
        return len(parts) > 1 or (fields is not None and parts[0][0] in fields.types)

    def _of_parts(self, parts: Sequence[Part], version: str | None) -> list[Tensor]:
        """One input with these names. Raises what msgspec raises, ValueError, BadRequest or TooLarge."""
        assert self._rows.sets is not None
        fields = self._rows.sets.fields(version)
        types = {} if fields is None else fields.types
        row: dict[str, object] = {}
        of_json = 0
        for name, (media, data) in parts:
            if name in row:
                raise BadRequest(f"Two fields have the name {name[:100]!r}. Send each once.")
            if fields is not None and name not in types:
                row[name] = None  # it is left out, or nobody knows it, and is told so
                continue
            kind = "" if media[:16].lower() == b"application/json" else types.get(name)
            if kind == BYTES:
                row[name] = data
                continue
            of_json += len(data)
            self.limits.check_json(of_json)
            try:
                row[name] = data.decode() if kind == TEXT else msgspec.json.decode(data)
            except (UnicodeDecodeError, msgspec.DecodeError) as error:
                what = "UTF-8 text" if kind == TEXT else "JSON"
                raise ValueError(f"the field {name[:100]!r} is no {what}: {error}") from None
        return self._rows.of_typed([row], version)

    def _value(self, body: Body) -> object:
        unfit = None
        try:
            value: object = self._decode(body)
        except msgspec.ValidationError as error:
            value, unfit = msgspec.json.decode(body), error
        if self._takes_fields and isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            if name in FIELDS:
                return msgspec.convert(inner, self._rows.kind.json)
        if unfit is not None:
            raise unfit
        return value

    def _expected(self, version: str | None) -> str:
        return f"A request to {self.application.name} has one input: {self._rows.words(version)}."


def _parts(media: bytes, body: bytes) -> list[Part]:
    """Those of a form. Raises BadRequest."""
    found = _BOUNDARY.search(media)
    if found is None:
        raise BadRequest("The Content-Type names no boundary, which separates the fields of a form.")
    boundary = b"--" + (found[1] or found[2])
    first, *pieces = body.split(b"\r\n" + boundary, MOST_FIELDS + 1)
    if first.startswith(boundary):
        pieces.insert(0, first[len(boundary) :])
    if len(pieces) > MOST_FIELDS:
        raise BadRequest(f"A form has fewer than {MOST_FIELDS} fields.")
    parts: list[Part] = []
    for piece in pieces:
        end = piece.find(b"\r\n\r\n", 0, MAX_HEAD)
        head = piece[: max(0, end)]
        if not head.startswith(b"--") and (name := _NAME.search(head)) is not None:
            kind = _TYPE.search(head)
            media = b"" if kind is None else kind[1]
            parts.append((name[1].decode("utf-8", "replace"), (media, piece[end + 4 :])))
    return parts


def _field(body: bytes) -> bytes:
    parted = [field.partition(b"=") for field in body.split(b"&", MOST_FIELDS)]
    value = only([(name.decode("latin-1"), value) for name, _, value in parted])
    return unquote_to_bytes(value.replace(b"+", b" "))


def only(fields: Sequence[tuple[str, Field]]) -> Field:
    """The value of the field that there is. Raises BadRequest where there are others too, or none."""
    if len(fields) != 1:
        told = ", ".join(name for name, _ in fields)[:200] or "none"
        raise BadRequest(
            f"A request has one input, in one field, and this one has {told}. Only inputs with names, of the "
            "types named and dataframe, have several."
        )
    return fields[0][1]
