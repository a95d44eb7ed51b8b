"""TensorFlow Serving's REST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response as HTTPResponse
from starlette.types import Receive, Scope, Send

from ...request import Answer, Request
from ...slices import SMALL, Steps, at_once
from .. import JSON, Adapter, Headers, Response
from ..answering import marks
from ..json_body import Body
from ..open_inference.outputs import with_commas
from . import paths, results, signatures, writing
from .model import ROWS, Model
from .models import Models
from .paths import Named
from .refusals import Refused, malformed

_MOST, _LONGEST = 10_000, 256  # spellings that are kept, and bytes of one
_HEADERS = (JSON,)
_ALLOWED = b"access-control-allow-origin"
_PREFLIGHT = [
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]


class Asked:
    """What is asked of a model by one of the three methods: an adapter."""

    def __init__(self, model: Model, what: str) -> None:
        self.application = model.application
        self.limits = model.limits
        self.max_body = model.limits.json
        self.model = model
        self._what = what

    def parse(self, headers: Headers, body: Body) -> Request:
        if self._what == "predict":
            return self.model.predict(headers, body)
        return self.model.examples(headers, body, self._what)

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        if request.form == ROWS:  # as most are
            text = writing.few([answer.output for answer in answers])
            if text is not None:
                return Response(200, _HEADERS, b'{"predictions":[%b]}' % text, own=marks(answers))
        return at_once(self.encode_in_steps(request, answers))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        reasons = {answer.fault.reason for answer in answers if answer.fault is not None}
        default = self.model.default() if reasons else b""
        outputs = [default if answer.output is None else answer.output for answer in answers]
        try:
            if request.form == ROWS:
                parts = [b'{"predictions":[', *(yield from writing.rows(outputs)), b"]}"]
            elif request.form == "classify":
                parts = [b'{"results":[', *(yield from _each(outputs, _classes)), b"]}"]
            elif request.form == "regress":
                parts = [b'{"results":[', *(yield from _each(outputs, _number)), b"]}"]
            else:
                parts = [b'{"outputs":', *(yield from writing.columns(outputs)), b"}"]
        except Refused as error:
            return self.refuse(error.http_status, "", str(error))
        if len(answers) <= SMALL:
            return Response(200, _HEADERS, b"".join(parts), own=marks(answers))
        return Response(200, _HEADERS, parts[0], parts[1:], marks(answers))

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, _HEADERS, _error(cause))


def _each(outputs: Sequence[Any], text: Any) -> Steps[list[bytes]]:
    texts: list[bytes] = []
    for output in outputs:
        texts.append(text(output))
        yield
    return (yield from with_commas(texts))


def _classes(output: Any) -> bytes:
    pairs = results.classes_of(output)
    scores = writing.singles([score for _, score in pairs])
    return writing.dumped([[label, score] for (label, _), score in zip(pairs, scores, strict=True)])


def _number(output: Any) -> bytes:
    return writing.dumped(writing.singles([results.number_of(output)])[0])


class Routes(Mapping[bytes, Adapter]):
    """Adapters by path, as clients spell them: most do it as the protocol's text does."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[bytes, Asked] = {}

    def configure(self) -> None:
        self._known.clear()

    def get(self, path: bytes, default: Any = None) -> Any:
        found = self._known.get(path)
        if found is None:
            try:
                named = paths.read("POST", path.decode("latin-1"))
                found = Asked(self._models.find(named), named.what)
            except Refused:  # the application of all other paths says so
                return default
            if len(self._known) < _MOST and len(path) <= _LONGEST:
                self._known[path] = found
        return found

    def __getitem__(self, path: bytes) -> Adapter:
        found: Adapter | None = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Telling:
    """States and metadata, and why all else is refused: an ASGI application."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        origin = dict(scope["headers"]).get(b"origin")
        cors = self._models.cors
        headers = [] if cors is None else cors.headers(origin)
        try:
            if method == "OPTIONS" and origin is not None and any(name == _ALLOWED for name, _ in headers):
                status, body, headers = 200, b"", headers + _PREFLIGHT
            else:
                status, body = 200, self._told(method, path)
        except Refused as error:
            status, body = error.http_status, _error(str(error))
        response = HTTPResponse(body, status, media_type="application/json")
        response.raw_headers += headers
        await response(scope, receive, send)

    def _told(self, method: str, path: str) -> bytes:
        if not path.lower().startswith("/v1/"):
            raise Refused(f"There is nothing at {path}", "NOT_FOUND")
        named = paths.read(method, path)
        if named.what == "status":
            return msgspec.json.encode({"model_version_status": self._states(named)})
        if method == "POST":
            self._models.find(named)
            raise malformed(method, path)  # it has come since it was asked for
        return msgspec.json.encode(self._metadata(named))

    def _states(self, named: Named) -> list[dict[str, Any]]:
        return [
            {"version": version, "state": state, "status": {"error_code": "OK", "error_message": ""}}
            for version, state in self._models.states(named)
        ]

    def _metadata(self, named: Named) -> dict[str, Any]:
        model = self._models.find(named)
        signature = signatures.signature_map(model.described_inputs(), model.described_outputs())
        spec = {"name": named.model, "signature_name": "", "version": model.version_of(())}
        return {"model_spec": spec, "metadata": {signatures.FIELD: signatures.as_json(signature)}}


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})
