"""An application as swagger describes it: in version 2, 3 or 3.1."""

from __future__ import annotations

from typing import Any

import clipper_server
from clipper_container.fields import ANY, CODES, TEXT

from ...application import Application
from ...limits import Limits
from ..rows import Rows

VERSIONS = {"2": "2.0", "3": "3.0.3", "3.1": "3.1.0"}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_ROWS: dict[str, Any] = {
    "integers": {"type": "array", "items": {"type": "integer"}},
    "floats": _NUMBERS,
    "doubles": _NUMBERS,
    "bytes": {"type": "string", "format": "byte"},
    "strings": {"type": "string"},
}
"""Of each input type the schema of a row; of all others it may be anything."""
_ERROR = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}


def described(application: Application, limits: Limits, version: str, path: str) -> dict[str, Any]:
    """What is posted to `path`."""
    row = _row(Rows(application, limits), application)
    body = {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": row}}}
    example = next((q.spec.example for q in application.queues() if q.spec.example is not None), None)
    if example is not None:
        body["example"] = {"data": [example]}
    outputs: dict[str, Any] = {"type": "array", "items": {}}
    about = {"title": application.name, "version": clipper_server.__version__}
    said: dict[str, Any] = {"operationId": "RunMLService", "description": "Scores rows."}
    if version == "2":
        responses = {
            "200": {"description": "The outputs.", "schema": outputs},
            "default": {"description": "Why it is not answered.", "schema": _ERROR},
        }
        given = {"in": "body", "name": "serviceInputPayload", "required": True, "schema": body}
        said |= {"parameters": [given], "responses": responses}
        types = {"consumes": ["application/json"], "produces": ["application/json"]}
        return {"swagger": VERSIONS[version], "info": about, **types, "paths": _paths(said, path)}
    said |= {
        "requestBody": {"required": True, "content": _json(body)},
        "responses": {
            "200": {"description": "The outputs.", "content": _json(outputs)},
            "default": {"description": "Why it is not answered.", "content": _json(_ERROR)},
        },
    }
    return {"openapi": VERSIONS[version], "info": about, "paths": _paths(said, path)}


def _paths(said: dict[str, Any], path: str) -> dict[str, Any]:
    health = {"operationId": "ServiceHealthCheck", "responses": {"200": {"description": "Healthy"}}}
    return {"/": {"get": health}, path: {"post": said}}


def _row(rows: Rows, application: Application) -> dict[str, Any]:
    found = dict(_ROWS.get(application.input_type.name, {}))
    if rows.sets is not None:
        found = {"type": "object"}
        if (columns := rows.sets.fields(None)) is not None:
            properties = {name: _column(kind) for name, kind in columns.types.items()}
            found |= {"required": list(properties), "properties": properties}
    return {**found, "description": rows.words()}


def _column(kind: str) -> dict[str, str]:
    if kind == ANY:
        return {}
    if kind == TEXT:
        return {"type": "string"}
    code = CODES[kind]
    if "b" in code:
        return {"type": "boolean"}
    return {"type": "number" if "f" in code else "integer"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
