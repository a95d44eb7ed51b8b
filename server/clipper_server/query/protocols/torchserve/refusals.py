"""Answers in JSON as TorchServe writes them, over several lines, and what it calls its errors."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import JSON, Refused, Response
from ..answering import new_id

TYPES = {
    400: "BadRequestException",
    401: "InvalidKeyException",
    404: "ModelNotFoundException",
    405: "MethodNotAllowedException",
    408: "RequestTimeoutException",
    409: "ConflictStatusException",
    413: "RequestEntityTooLargeException",
    415: "UnsupportedMediaTypeException",
    503: "ServiceUnavailableException",
    507: "InsufficientStorageException",
}
VERSION, RESOURCE = "ModelVersionNotFoundException", "ResourceNotFoundException"
DEFAULT_VERSION = "InvalidModelVersionException"


class Told(Exception):
    """A refusal that none of our own errors is; without a `kind` as its status is called."""

    def __init__(self, status: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


_HEADERS = (JSON,)


def request_id() -> bytes:
    """A header line."""
    return b"\r\nx-request-id: %b" % new_id()


def written(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def answer(value: Any, status: int = 200) -> Response:
    return Response(status, _HEADERS, written(value), own=request_id())


def refusal(status: int, message: str, kind: str = "") -> Response:
    if status == 429:
        status = 503
    kind = kind or TYPES.get(status, "InternalServerException")
    return answer({"code": status, "type": kind, "message": message}, status)._replace(closes=True)


def no_model(name: str) -> Told:
    return Told(404, f"Model not found: {name}")


def no_worker(name: str) -> Refused:
    advice = "Please use scale workers API to add workers."
    return Refused(refusal(503, f'Model "{name}" has no worker to serve inference request. {advice}'))


def no_version(name: str, version: str) -> Told:
    return Told(404, f"Model version: {version} does not exist for model: {name}", VERSION)
