"""What can be asked at the port for queries, as OpenAPI describes it: applications, with type and example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

import clipper_server
from clipper_container.inputs import SETS

from .application import Application
from .configuration import Configuration
from .protocols.sets import Sets

_TEXT = {"type": "string"}
_REFUSED = {
    "400": "The query does not fit; `cause` says what was expected.",
    "413": "The query is larger than one may be.",
    "429": "There is no room, and the application refuses such queries: Retry-After says when to come again.",
}
_ERROR = {
    "type": "object",
    "required": ["error", "cause"],
    "properties": {"error": _TEXT, "cause": _TEXT},
}
_ABOUT = (
    "Applications of this cluster. An answer comes within an application's latency objective: the output of "
    "a model, or the default output and the reason for it."
)


def described(configuration: Configuration) -> dict[str, Any]:
    """All that is served at this moment."""
    paths: dict[str, Any] = {}
    for name, application in sorted(configuration.applications.items()):
        paths[f"/{name}/predict"] = {"post": _predict(application, Sets(application, configuration.limits))}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clipper Lab", "version": clipper_server.__version__, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }


def _predict(application: Application, sets: Sets) -> dict[str, Any]:
    kind = application.input_type
    models = ", ".join(application.spec.linked_models) or "no model yet"
    one = _input(application, sets)
    batch = {"type": "array", "items": one}
    said = {"version": {"type": ["string", "integer"]}, "timeout_micros": {"type": "integer", "minimum": 1}}
    said |= {"unit": {"type": ["string", "integer"]}, "context": {}}
    content: dict[str, Any] = {
        "schema": {
            "oneOf": [
                _object({"input": one}, said),
                _object({"input_batch": batch}, said),
            ]
        }
    }
    if (example := next(_examples(application), None)) is not None:
        content["examples"] = {
            "one": {"value": {"input": example}},
            "several": {"value": {"input_batch": [example, example]}},
        }
    responses: dict[str, Any] = {
        status: {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}
        for status, text in _REFUSED.items()
    }
    responses["200"] = {"description": "The answer.", "content": _json(_answers())}
    return {
        "operationId": f"predict_{application.name}",
        "summary": f"Ask {application.name}",
        "description": (
            f"Input type {kind.name}: {sets.words() if kind.name in SETS else kind.expects}. "
            f"Objective {application.objective_s * 1000:g} ms. Default output "
            f"{application.default_output.decode()[:200]}. Linked: {models}."
        ),
        "tags": [application.name],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": responses,
    }


def _input(application: Application, sets: Sets) -> dict[str, Any]:
    kind = application.input_type
    found: dict[str, Any] = msgspec.json.schema(kind.json)
    if kind.name in SETS and (fields := sets.fields(None)) is not None:
        names = list(fields.types)
        found = {"type": "object", "required": names, "properties": {key: {} for key in names}}
    return {**found, "description": kind.expects}


def _examples(application: Application) -> Iterator[Any]:
    return (queue.spec.example for queue in application.queues() if queue.spec.example is not None)


def _answers() -> dict[str, Any]:
    one = _object(
        {"query_id": {"type": "integer"}, "output": {}, "default": {"type": "boolean"}},
        {
            "default_reason": _TEXT,
            "default_explanation": _TEXT,
            "model": _TEXT,
            "confidence": {"type": "number"},
            "feedback_token": _TEXT,
            "partial": {"type": "boolean"},
        },
    )
    return {"oneOf": [one, _object({"batch_predictions": {"type": "array", "items": one}}, {})]}


def _object(required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required | optional}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
