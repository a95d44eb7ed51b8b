"""KServe's protocol V1: `POST /v1/models/{application}:predict` with "instances", for "predictions".

Beside those an answer has "parameters", as Open Inference's: query ids, the reasons of default outputs, and
what was chosen. It is marked by the header X-Default-Answer, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HTTPResponse
from starlette.routing import Route

from clipper_container.errors import NotFound

from ...application import Application
from ...limits import DEFAULT, Limits
from ...request import Answer, Request
from ...slices import SMALL, Steps
from .. import JSON, Response, Served
from ..clipper import ClipperProtocol, SetsOverClipper
from .beside import chosen, marks_of
from .finding import find, is_ready
from .refusals import NO_EXPLAIN

_HEADERS = (JSON,)


def predict_path(name: str) -> str:
    return f"/v1/models/{name}:predict"


class KServeV1(ClipperProtocol):
    """Each instance is an input as Clipper's JSON has it."""

    name = "kserve-v1"

    def __init__(self, application: Application, limits: Limits = DEFAULT) -> None:
        super().__init__(application, limits)
        self._decode = _decoder(self._type.json)

    def _expected(self) -> str:
        return f'Expected JSON: {{"instances": [X, ...]}}, where X is {self._type.expects}.'

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        return _response([self._output(answer) for answer in answers], answers)

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        outputs: list[bytes] = []
        for start in range(0, len(answers), SMALL):
            outputs += [self._output(answer) for answer in answers[start : start + SMALL]]
            yield
        return _response(outputs, answers)

    def _output(self, answer: Answer) -> bytes:
        if answer.fault is not None:
            return self.application.default_output
        assert isinstance(answer.output, bytes)  # it did not ask for tensors
        return answer.output

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, [JSON], msgspec.json.encode({"error": cause}))


class SetsOverKServeV1(KServeV1, SetsOverClipper):
    """Each instance is an object with names."""

    def __init__(self, application: Application, limits: Limits = DEFAULT) -> None:
        super().__init__(application, limits)
        self._request = _decoder(Any)
        self._decode = self._framed

    def _expected(self) -> str:
        return f'Expected JSON: {{"instances": [X, ...]}}, where X is {self._sets.words()}.'


def kserve_v1(served: Served) -> list[Route]:
    """What is answered beside predictions."""

    async def alive(_: HTTPRequest) -> HTTPResponse:
        return JSONResponse({"status": "alive"})

    async def models(_: HTTPRequest) -> HTTPResponse:
        return JSONResponse({"models": sorted(served.applications)})

    async def model(request: HTTPRequest) -> HTTPResponse:
        name = request.path_params["name"]
        if name.endswith((":predict", ":explain")):
            error = f"Send a POST to {request.url.path}."
            return JSONResponse({"error": error}, 405, {"allow": "POST"})
        try:
            found = find(served, name)
        except NotFound as missing:
            return JSONResponse({"error": str(missing)}, 404)
        if not is_ready(found, None):
            return JSONResponse({"error": f"Model with name {name} is not ready."}, 503)
        return JSONResponse({"name": name, "ready": True})

    async def unknown(request: HTTPRequest) -> HTTPResponse:
        return JSONResponse({"error": f"Model with name {request.path_params['name']} does not exist."}, 404)

    async def explain(_: HTTPRequest) -> HTTPResponse:
        return JSONResponse({"error": NO_EXPLAIN}, 501)

    return [
        Route("/", alive),
        Route("/v1/models", models),
        Route("/v1/models/{name}:predict", unknown, methods=["POST"]),
        Route("/v1/models/{name}:explain", explain, methods=["POST"]),
        Route("/v1/models/{name}", model),
    ]


def _decoder(instance: Any) -> Any:
    """Of a request, as ClipperProtocol takes it. What else there may be is ignored, as KServe does."""
    request: Any = msgspec.defstruct(
        "Request",
        [("input_batch", list[instance])],
        rename={"input_batch": "instances"},
        namespace=dict.fromkeys(("version", "timeout_micros", "unit", "context")) | {"input": msgspec.UNSET},
    )
    return msgspec.json.Decoder(request).decode


def _response(outputs: list[bytes], answers: Sequence[Answer]) -> Response:
    parameters: dict[str, Any] = {"query_ids": [answer.query_id for answer in answers]}
    faults = {str(i): answer.fault for i, answer in enumerate(answers) if answer.fault is not None}
    if faults:
        parameters["defaults"] = {i: [fault.reason, fault.message] for i, fault in faults.items()}
    parameters.update(chosen(answers))
    text = b'{"predictions":[%b],"parameters":%b}' % (b",".join(outputs), msgspec.json.encode(parameters))
    if not faults:
        return Response(200, _HEADERS, text)
    return Response(200, [JSON, *marks_of({fault.reason for fault in faults.values()})], text)
