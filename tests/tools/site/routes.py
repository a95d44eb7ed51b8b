"""The page of the management API, of its OpenAPI."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

from clipper_server.management.api import API

HEAD = """# REST

## Asking

Queries go to the query port, 1337 where it is free. `/openapi.json` there describes each application with its
type and an example.

| to | send |
|---|---|
| ask | `POST /{application}/predict` with `{"input": X}` or an `"input_batch"`: [more](../how-to/ask.md) |
| ask by another protocol | what [protocols](../protocols.md) says |
| give feedback | `POST /{application}/feedback` with a `feedback_token`: [more](../how-to/feedback.md) |
| look whether it lives | `GET /health` |
| measure | `GET /metrics`, for Prometheus: [metrics](metrics.md) |

| status | when |
|---|---|
| 200 | there is an answer for each input; one that is no model's says its [reason](codes.md) |
| 400 | the query does not fit; `cause` says what was expected |
| 404 | there is no such application |
| 413 | the query is larger than one may be |
| 421 | the Host is none of this machine's: see the [threat model](../threat-model.md) |
| 429 | there is no room, and the application refuses such queries; `Retry-After` says when to ask again |
| 500 | a fault of ours |

## Management

At management's port, 1338 where it is free, with the bearer token that `cluster.json` in the cluster's folder
holds. `/openapi.json` there says what is below for programs, with the types of answers.

"""


def page() -> str:
    api = API(*(MagicMock() for _ in range(15))).build().openapi()
    parts = [HEAD, api["info"]["description"], ""]
    for path, methods in sorted(api["paths"].items()):
        parts += [_operation(method.upper(), path, said) for method, said in methods.items()]
    return "\n".join(parts)


def _operation(method: str, path: str, said: dict[str, Any]) -> str:
    lines = [f"### `{method} {path}`\n", " ".join(said.get("description", "").split()) + "\n"]
    for parameter in said.get("parameters", ()):
        if parameter["in"] == "query":
            default = parameter["schema"].get("default")
            by_default = "" if default is None else f", by default `{default}`"
            kind = parameter["schema"].get("type", "")
            lines.append(f"- in the query, `{parameter['name']}`: {kind}{by_default}")
    body = said.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        lines.append(f"- in the body, {media}{f': `{name}`' if name else ''}")
    lines.append(f"- statuses: {', '.join(sorted(said['responses']))}\n")
    return "\n".join(lines)
