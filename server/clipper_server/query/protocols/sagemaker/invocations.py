"""Adapters: what SageMaker asks a container, and MLflow's clients; and what botocore asks the runtime."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, cast

import msgspec

from clipper_container.errors import BadRequest

from ...request import Answer, Request
from ...slices import SMALL, Steps, at_once
from .. import Headers, Refused, Response, may_be_cached, timeout_s, unit
from ..answering import answered_by, lines, marks, new_id
from ..contexts import context
from ..json_body import Body
from . import signatures
from .bodies import JSON, NPY, TYPES, Bodies, Unsupported, type_of
from .writing import Unfit, wanted, written

MAX_BODY = 6_291_456
_PREFIX = b"x-amzn-sagemaker-"
_LENGTHS = {b"custom-attributes": 1024, b"target-variant": 63, b"inference-id": 64, b"session-id": 256}
_ECHOED = (b"custom-attributes", b"inference-id")
_NOT_HERE = (b"target-model", b"target-container-hostname", b"enable-explanations", b"inference-component")
_OURS = frozenset(_PREFIX + name for name in (*_LENGTHS, *_NOT_HERE))
_PRINTED = re.compile(rb"[\x20-\x7e]*")
_SESSION = timedelta(hours=1)
_JSON_TYPE = (b"content-type", JSON.encode())
_TEXT_TYPE = (b"content-type", b"text/plain; charset=utf-8")
CODES = {
    400: "BAD_REQUEST",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""What MLflow calls a refusal."""

Clock = Callable[[], datetime]


def now() -> datetime:
    return datetime.now(UTC)


class Form(NamedTuple):
    """How the answer is to be written: `named` in MLflow's way, and with headers that echo the request's."""

    media: str
    named: bool
    echo: Sequence[tuple[bytes, bytes]]


class Invocations:
    """A container's. `keys` sign requests; without any, None, nobody needs to."""

    def __init__(self, bodies: Bodies, path: str, keys: Mapping[str, str] | None, clock: Clock = now) -> None:
        self.application = bodies.application
        self.limits = bodies.limits
        self.max_body = min(bodies.limits.body, MAX_BODY)
        self._bodies = bodies
        self._path = path
        self._keys = keys
        self._clock = clock

    def parse(self, headers: Headers, body: Body) -> Request:
        if self._keys is not None:
            try:
                signatures.check(self._keys, self._path, headers, body, self._clock())
            except signatures.Unsigned as error:
                raise Refused(self._forbidden(error.code, str(error))) from None
        media = wanted(headers.get(b"accept"))
        if media is None:
            raise Refused(self.refuse(406, "", f"The header Accept has none of {', '.join(TYPES)}."))
        try:
            content_type = type_of(headers.get(b"content-type"))
            version, session, echo = self._said(headers)
            timeout = timeout_s(headers, None)
            whom = unit(headers, session) if self.application.asks_for_units else None
            such = context(self.application, headers, None, version)
        except Unsupported as error:
            raise Refused(self.refuse(415, "", str(error))) from None
        except BadRequest as error:
            raise Refused(self._invalid(str(error))) from None
        try:
            tensors, named = self._bodies.read(content_type, body, version)
        except Unsupported as error:
            raise Refused(self.refuse(415, "", str(error))) from None
        form = Form(media, named, echo)
        cached = may_be_cached(headers)
        return Request("sagemaker", tensors, version, timeout, cached, media == NPY, form, whom, *such)

    def _said(self, headers: Headers) -> tuple[str | None, str | None, list[tuple[bytes, bytes]]]:
        """The version that is asked for, the session, and what is echoed. Raises BadRequest."""
        if _OURS.isdisjoint(headers):
            return None, None, []  # as most are
        given: dict[bytes, bytes] = {}
        for name, most in _LENGTHS.items():
            value = headers.get(_PREFIX + name)
            if value is None:
                continue
            if len(value) > most or not _PRINTED.fullmatch(value):
                raise BadRequest(f"The header {_title(name)} has {most} visible ASCII letters at most.")
            given[name] = value
        for name in _NOT_HERE:
            if headers.get(_PREFIX + name):
                raise BadRequest(f"An application has nothing that {_title(name)} could name: leave it out.")
        echo = [(_PREFIX + name, given[name]) for name in _ECHOED if name in given]
        session = given[b"session-id"].decode() if b"session-id" in given else None
        if session == "NEW_SESSION":
            session = uuid.uuid4().hex
            until = (self._clock() + _SESSION).strftime("%Y-%m-%dT%H:%M:%SZ")
            echo.append((_PREFIX + b"new-session-id", f"{session}; Expires={until}".encode()))
        variant = given[b"target-variant"].decode() if b"target-variant" in given else None
        if variant is not None and not self.application.queues(variant):
            raise BadRequest(
                f"Variant {variant} is not found. {self.application.name} has {self._variants()}."
            )
        return variant, session, echo

    def _variants(self) -> str:
        return ", ".join(str(queue) for queue in self.application.all_queues()) or "none that is deployed"

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        form: Form = request.form
        if len(answers) == 1 and form.media == JSON and answers[0].fault is None:
            output = cast(bytes, answers[0].output)  # nobody asked for tensors
            text = (b'{"predictions":[%b]}' if form.named else b"[%b]") % output  # as most are
            return self._response(form, answers, text)
        return at_once(self.encode_in_steps(request, answers))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        form: Form = request.form
        default = self.application.default_output
        outputs = [default if answer.output is None else answer.output for answer in answers]
        try:
            parts = yield from written(outputs, form.media, named=form.named)
        except Unfit as error:
            return self.refuse(406, "", str(error))
        if len(answers) <= SMALL:
            return self._response(form, answers, b"".join(parts))
        return self._response(form, answers, parts[0], parts[1:])

    def _response(
        self, form: Form, answers: Sequence[Answer], body: bytes, rest: Sequence[bytes] = ()
    ) -> Response:
        own = marks(answers) + self._more()
        if form.echo:
            own += lines(form.echo)
        return Response(200, _headers(form.media, answered_by(answers)), body, rest, own)

    def _more(self) -> bytes:
        """Header lines of every answer."""
        return b""

    def refuse(self, status: int, error: str, cause: str) -> Response:
        """As MLflow does; a type that nobody reads or writes is told of in text, as SageMaker does."""
        if status in (406, 415):
            return Response(status, [_TEXT_TYPE], cause.encode())
        return Response(status, [_JSON_TYPE], told(status, cause))

    def _invalid(self, text: str) -> Response:
        return self.refuse(400, "", text)

    def _forbidden(self, code: str, text: str) -> Response:
        return self.refuse(403, "", text)


class Endpoint(Invocations):
    """The runtime's, which says of a container's refusals that its model failed."""

    def _more(self) -> bytes:
        return b"\r\nx-amzn-requestid: %b" % new_id()

    def refuse(self, status: int, error: str, cause: str) -> Response:
        if status == 413:
            return failure(413, "RequestEntityTooLargeException", cause)
        if status == 429:
            return failure(429, "ThrottlingException", cause)
        if status >= 500:
            return failure(500, "InternalFailure", cause)
        message = f"Received client error ({status}) from {self.application.name}: {cause}"
        more = {"OriginalStatusCode": status, "OriginalMessage": cause, "LogStreamArn": ""}
        return failure(424, "ModelError", message, more)

    def _invalid(self, text: str) -> Response:
        return failure(400, "ValidationError", text)

    def _forbidden(self, code: str, text: str) -> Response:
        return failure(403, code, text)


def told(status: int, text: str) -> bytes:
    """A refusal as MLflow writes it."""
    return msgspec.json.encode({"error_code": CODES.get(status, "BAD_REQUEST"), "message": text})


def failure(status: int, code: str, text: str, more: Mapping[str, object] | None = None) -> Response:
    """A refusal as Amazon's clients read it."""
    headers = [_JSON_TYPE, (b"x-amzn-errortype", code.encode()), (b"x-amzn-requestid", new_id())]
    return Response(status, headers, msgspec.json.encode({"Message": text, **(more or {})}))


@lru_cache(1024)
def _headers(media: str, by: str) -> tuple[tuple[bytes, bytes], ...]:
    """Of answers by one version, the same object each time."""
    named = ((b"x-amzn-invoked-production-variant", by.encode()),) if by else ()
    return ((b"content-type", media.encode()), *named)


def _title(name: bytes) -> str:
    return "X-Amzn-SageMaker-" + name.decode().title()
