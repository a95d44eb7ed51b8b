"""What goes wrong in a request, as one of our errors: a sentence, and the status that goes with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from clipper_container.errors import BadRequest, ClipperException, ClusterError, NotFound

from ...methods import allowed

KINDS = (
    *(ClipperException, RequestValidationError, HTTPException, ClientDisconnect),
    *(sqlite3.Error, OSError),
)
"""What is told to the client. Any other exception is a fault of ours: 500, and a traceback in the log."""


def told(error: Exception) -> tuple[ClipperException, int]:
    """One of `KINDS` as an error of ours, and its HTTP status."""
    if isinstance(error, ClipperException):
        return error, error.http_status
    if isinstance(error, RequestValidationError):
        problems = "; ".join(map(_problem, error.errors()))
        return BadRequest(f"The request does not fit: {problems}."), 400
    if isinstance(error, HTTPException):
        kind = NotFound if error.status_code == 404 else BadRequest
        return kind(_SENTENCES.get(error.status_code, str(error.detail))), error.status_code
    if isinstance(error, ClientDisconnect):
        return BadRequest("The request was cut short. Send it again."), 400
    sentence = f"Management cannot write or read its files: {error}. See that the disk has room."
    return ClusterError(sentence), ClusterError.http_status


def _problem(found: Mapping[str, Any]) -> str:
    """A field's name, and what is wrong with it."""
    if found["type"] == "json_invalid":
        return f"it is no JSON ({found['ctx']['error']}, at character {found['loc'][-1]})"
    name = ".".join(map(str, found["loc"][1:] or found["loc"]))  # the first word is where it stands: body
    return f"{name}: {found['msg'].removeprefix('Value error, ')}"


_SENTENCES = {
    400: "The body is no JSON that can be read. Send a JSON object in UTF-8, not nested too deep.",
    404: "There is no such address here. /docs tells which there are.",
    405: "This address does not take that method. /docs tells which it takes.",
}


def text(error: ClipperException) -> str:
    """Its sentence, as UTF-8 can hold it: clients send halves of characters, and are quoted."""
    return str(error).encode(errors="backslashreplace").decode()


def headers(status: int) -> dict[str, str]:
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}


async def as_json(request: Request, error: Exception) -> JSONResponse:
    """`{"error": <class name>, "message": <sentence>}`, from which clients make the same exception again."""
    refusal, status = told(error)
    body = {"error": type(refusal).__name__, "message": text(refusal)}
    extra = dict(getattr(error, "headers", None) or {})
    if status == 405:
        extra["Allow"] = ", ".join(allowed(request))
    return JSONResponse(body, status, headers={**extra, **headers(status)})
