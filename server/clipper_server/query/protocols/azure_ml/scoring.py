"""The adapter: rows in JSON, their outputs in a list, and Azure's headers."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

import clipper_server
from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor

from ...application import Application
from ...limits import Limits
from ...request import Answer, Request
from ...slices import SMALL, Steps, at_once
from .. import JSON, Headers, Refused, Response, may_be_cached, timeout_s, unit
from ..answering import answered_by, lines, marks, new_id
from ..contexts import context
from ..json_body import UNREAD, Body, unmarked, unread
from ..open_inference.outputs import with_commas
from ..rows import Rows

FIELDS = ("data", "input_data")
LONGEST_ID = 100
_ECHOED = (b"x-ms-client-request-id", b"traceid")
_GIVEN = frozenset((b"x-ms-request-id", b"x-request-id", *_ECHOED))
_PRINTED = re.compile(rb"[\x20-\x7e]*")
_BY_IDS = b"\r\nx-ms-request-id: %b\r\nx-request-id: %b"
_OWN = b"%b\r\nx-ms-run-fn-exec-ms: %b\r\nms-azureml-model-time: %b%b"
_VERSION = (b"x-ms-server-version", f"clipperlab/{clipper_server.__version__}".encode())


class Form(NamedTuple):
    echo: bytes
    """Header lines."""
    began: float


class Scoring:
    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self.max_body = limits.json
        self._rows = rows = Rows(application, limits)
        form: Any = msgspec.defstruct(
            "Form",
            [(name, rows.typed | msgspec.UnsetType, msgspec.UNSET) for name in FIELDS],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(form).decode

    def parse(self, headers: Headers, body: Body) -> Request:
        began = time.perf_counter()
        echo = ids(headers)
        try:
            _check_type(headers)
            version = self._version(headers)
            tensors = self._tensors(body, version)
            timeout = timeout_s(headers, None)
            whom = unit(headers, None) if self.application.asks_for_units else None
            such = context(self.application, headers, None, version)
        except _Told as error:
            raise Refused(refusal(error.status, str(error), echo)) from None
        except BadRequest as error:
            raise Refused(refusal(400, str(error), echo)) from None
        cached = may_be_cached(headers)
        return Request("azureml", tensors, version, timeout, cached, False, Form(echo, began), whom, *such)

    def _version(self, headers: Headers) -> str | None:
        given = headers.get(b"azureml-model-deployment")
        if given is None:
            return None
        version = given.decode("latin-1")
        if not self.application.queues(version):
            there = ", ".join(str(queue) for queue in self.application.all_queues()) or "none"
            raise _Told(
                404, f"There is no deployment {version[:100]!r}. {self.application.name} has {there}."
            )
        return version

    def _tensors(self, body: Body, version: str | None) -> list[Tensor]:
        if not len(body):
            raise _Told(400, "POST body is empty. Expecting a JSON dictionary.")
        try:
            return self._read(body, version)
        except UNREAD as error:
            unparsed = "POST body could not be decoded as JSON"
            raise unread(error, body, self._expected(version), "The rows do not fit", unparsed) from None

    def _read(self, body: Body, version: str | None, again: bool = False) -> list[Tensor]:
        try:
            form = self._decode(body)
        except msgspec.ValidationError:
            return self._untyped(msgspec.json.decode(body), version)
        except msgspec.DecodeError as error:
            if again:
                raise
            return self._read(unmarked(body, error), version, again=True)
        if form.input_data is msgspec.UNSET and form.data is not msgspec.UNSET:  # as most are
            return self._rows.of_typed(form.data, version)
        given = [rows for rows in (form.data, form.input_data) if rows is not msgspec.UNSET]
        if len(given) != 1:
            raise _missing(given)
        return self._rows.of_typed(given[0], version)

    def _untyped(self, value: Any, version: str | None) -> list[Tensor]:
        if isinstance(value, list):
            return self._rows.of_json(value, version)
        if not isinstance(value, dict):
            raise _Told(400, "POST body should be a JSON dictionary.")
        given = [name for name in FIELDS if name in value]
        if len(given) != 1:
            raise _missing(given)
        if value.get("params"):
            raise ValueError("it has params, and models take none here")
        if more := sorted(value.keys() - {given[0], "params"}):
            raise ValueError(f"besides {given[0]} it has {', '.join(more)[:200]}")
        return self._rows.of_json(value[given[0]], version)

    def _expected(self, version: str | None) -> str:
        words = self._rows.words(version)
        return f'{self.application.name} takes {{"data": [row, ...]}}, where a row is {words}.'

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        if len(answers) == 1 and answers[0].fault is None:
            text = b"[%b]" % cast(bytes, answers[0].output)  # as most are
            return self._response(request.form, answers, False, text)
        return at_once(self.encode_in_steps(request, answers))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        default = self.application.default_output
        outputs = [default if answer.output is None else answer.output for answer in answers]
        texts = cast(list[bytes], outputs)  # nobody asked for tensors
        parts = [b"[", *(yield from with_commas(texts)), b"]"]
        failed = any(answer.fault is not None for answer in answers)
        if len(answers) <= SMALL:
            return self._response(request.form, answers, failed, b"".join(parts))
        return self._response(request.form, answers, failed, parts[0], parts[1:])

    def _response(
        self, form: Form, answers: Sequence[Answer], failed: bool, body: bytes, rest: Sequence[bytes] = ()
    ) -> Response:
        took = b"%.3f" % (1000 * (time.perf_counter() - form.began))
        own = _OWN % (form.echo, took, took, marks(answers))
        return Response(200, _headers(failed, answered_by(answers)), body, rest, own)

    def refuse(self, status: int, error: str, cause: str) -> Response:
        if status >= 500:
            cause = f"An unexpected internal error occurred. {cause}"
        return refusal(status, cause, ids({}))


@lru_cache(1024)
def _headers(failed: bool, by: str) -> tuple[tuple[bytes, bytes], ...]:
    """Of answers by one version, the same object each time."""
    named = ((b"azureml-model-deployment", by.encode()),) if by else ()
    return (JSON, _VERSION, (b"x-ms-run-function-failed", b"True" if failed else b"False"), *named)


class _Told(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _missing(given: Sequence[Any]) -> _Told:
    if given:
        return _Told(400, "The body has data and input_data: give one of them.")
    return _Told(400, f"A value is not provided for the '{FIELDS[0]}' parameter.")


def _check_type(headers: Headers) -> None:
    given = headers.get(b"content-type")
    if given is None or given == b"application/json":  # as most are
        return
    if given.lower().partition(b";")[0].strip() != b"application/json":
        raise _Told(415, "Expects Content-Type to be application/json")


def ids(headers: Headers) -> bytes:
    """Header lines by which a request is known, as every answer to it has them. Raises Refused."""
    if _GIVEN.isdisjoint(headers):
        new = new_id()
        return _BY_IDS % (new, new)  # as most are
    found = headers.get(b"x-ms-request-id") or headers.get(b"x-request-id") or new_id()
    echo = [(b"x-ms-request-id", found), (b"x-request-id", found)]
    echo += [(name, value) for name in _ECHOED if (value := headers.get(name)) is not None]
    for name, value in echo:
        if len(value) > LONGEST_ID:
            text = (
                f"The header {name.decode()} has {LONGEST_ID} characters at most, and this one {len(value)}."
            )
            raise Refused(refusal(431, text, ids({})))
        if not _PRINTED.fullmatch(value):
            text = f"The header {name.decode()} has visible ASCII letters only."
            raise Refused(refusal(400, text, ids({})))
    return lines(echo)


def refusal(status: int, text: str, echo: bytes) -> Response:
    failed = (b"x-ms-run-function-failed", b"True" if status >= 500 else b"False")
    return Response(status, [JSON, _VERSION, failed], msgspec.json.encode({"message": text}), own=echo)
