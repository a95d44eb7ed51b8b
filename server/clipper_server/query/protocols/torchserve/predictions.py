"""The adapter: one input in a request, and its output as it is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clipper_container.tensors import Tensor, as_plain

from ...request import Answer, Request
from ...slices import Steps
from ...task import Output
from .. import JSON, Headers, Response, may_be_cached, timeout_s, unit
from ..answering import marks
from ..contexts import context
from ..json_body import Body
from ..open_inference.outputs import in_parts
from .bodies import Bodies
from .refusals import no_worker, refusal, request_id

_JSON = (JSON,)
_BYTES = ((b"content-type", b"application/octet-stream"),)
_TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)


class Predictions:
    """Of an application, or of one version of its models."""

    def __init__(self, bodies: Bodies, version: str | None) -> None:
        self.application = bodies.application
        self.limits = bodies.limits
        self.max_body = bodies.limits.body
        self._bodies = bodies
        self._version = version
        self._able_at: int | None = None  # the turn since when there is a replica that could answer

    def parse(self, headers: Headers, body: Body) -> Request:
        version = self._version
        if not self._has_workers():
            raise no_worker(self.application.name)
        tensors = self._bodies.read(headers, body, version)
        timeout = timeout_s(headers, None)
        whom = unit(headers, None) if self.application.asks_for_units else None
        such = context(self.application, headers, None, version)
        cached = may_be_cached(headers)
        return Request("torchserve", tensors, version, timeout, cached, True, None, whom, *such)

    def _has_workers(self) -> bool:
        """Whether there are replicas, or are to be some, that could answer."""
        able = self.application.parts.able
        if self._able_at == able.turn:
            return True  # as most have
        if self._version is None and any(map(able, self.application.policy.arms)):
            self._able_at = able.turn
            return True
        for queue in self.application.queues(self._version):
            if queue.ready or queue.spec.num_replicas or queue.spec.wakes:
                return True
        return False

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        (answer,) = answers
        output = self.application.default_output if answer.output is None else answer.output
        media, body = _written(output)
        return Response(200, media, body, own=request_id() + marks(answers))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        output = answers[0].output
        if not isinstance(output, Tensor) or output.dtype in ("bytes", "str"):
            return self.encode(request, answers)
        parts = yield from in_parts(output, _json)
        return Response(200, _JSON, parts[0], parts[1:], request_id() + marks(answers))

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return refusal(status, cause)


def _json(output: Output) -> bytes:
    return msgspec.json.encode(as_plain(output)) if isinstance(output, Tensor) else output


def _written(output: Output) -> tuple[Sequence[tuple[bytes, bytes]], bytes]:
    """The header of the media type, and the bytes: text and bytes are themselves."""
    if isinstance(output, Tensor):
        if output.dtype == "bytes":
            return _BYTES, bytes(output.data)
        if output.dtype == "str":
            return _TEXT, bytes(output.data)
        return _JSON, _json(output)
    if output[:1] == b'"':
        return _TEXT, msgspec.json.decode(output, type=str).encode()
    return _JSON, bytes(output)
