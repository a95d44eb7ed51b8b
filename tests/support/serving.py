"""A protocol with ports of its own without the ports: what is asked is answered by functions at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.inputs import INPUT_TYPES
from clipper_container.named import DTYPES
from clipper_container.plain import as_json
from clipper_container.tensors import Tensor, array_tensor, decode
from clipper_container.wire import Fault
from clipper_server.query.application import Application
from clipper_server.query.cors import CORS
from clipper_server.query.limits import DEFAULT, Limits
from clipper_server.query.protocols import Adapter, Response, Served
from clipper_server.query.request import Answer, Request
from clipper_server.query.slices import at_once

Function = Callable[[Any], Any]
"""A model: of the inputs as a container has them. A Fault in the place of an output has the default."""


class Fakes(NamedTuple):
    """What a frontend serves: applications of one model each, with its versions."""

    applications: dict[str, Any]
    labels: dict[str, dict[str, str]]
    routes: dict[bytes, Adapter] = {}  # noqa: RUF012 - nobody changes it
    limits: Limits = DEFAULT
    cors: CORS | None = None
    pass_on: Any = None
    is_local: bool = True
    keys: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    def versions_of(self, application: Any) -> list[str]:
        return sorted(application.functions)


def served(*applications: Any, labels: dict[str, dict[str, str]] | None = None) -> Served:
    return cast(Served, Fakes({application.name: application for application in applications}, labels or {}))


def application(
    name: str,
    input_type: str,
    versions: dict[str, Function],
    *,
    current: str | None = None,
    columns: dict[str, str] | None = None,
    example: object = None,
    default: object = None,
    absent: Sequence[str] = (),
) -> Any:
    """One of the model `name`. `example` is an output of it; `absent` versions have no replicas."""
    current = current or list(versions)[-1]
    queues = {
        version: SimpleNamespace(
            spec=SimpleNamespace(version=version, columns=columns), able=version not in absent
        )
        for version in versions
    }
    told = None if example is None else _output(example)
    made = SimpleNamespace(
        name=name,
        spec=SimpleNamespace(name=name, input_type=input_type),
        policy=SimpleNamespace(arms=[SimpleNamespace(model=name)]),
        input_type=INPUT_TYPES[input_type],
        default_output=msgspec.json.encode(default),
        asks_for_units=False,
        asks_for_contexts=False,
        features=0,
        functions=versions,
        metrics=SimpleNamespace(bad_requests=0),
        rejects=lambda fault: fault.reason == "overload",
        retry_after_s=lambda: 1,
        example=lambda _version: told if not isinstance(told, Tensor) else (told.dtype, told.shape),
        queues=lambda version=None: [q for v, q in queues.items() if v == (version or current)],
        all_queues=lambda: list(queues.values()),
        parts=SimpleNamespace(slices=SimpleNamespace(result=_done)),
    )
    made.ask = lambda request, reply: reply(_answers(request, versions, current))
    as_one: Any = made
    made.outputs = partial(Application.outputs, as_one)
    made.answers, made.refusal = partial(Application.answers, as_one), partial(Application.refusal, as_one)
    return made


async def _done(work: Any) -> Any:
    return at_once(work)


def _answers(request: Request, versions: dict[str, Function], current: str) -> list[Answer]:
    version = request.version or current
    given = [decode(1, [t.dtype], [t.shape], t.data)[0] for t in request.tensors]
    outputs = versions[version](given) if given else []
    assert len(outputs) == len(given)
    assert request.raw
    return [
        Answer(i, None, output, version)
        if isinstance(output, Fault)
        else Answer(i, _output(output), None, version)
        for i, output in enumerate(outputs)
    ]


def _output(value: Any) -> Any:
    """As a container sends it where tensors are asked for."""
    if isinstance(value, bytes | str):
        data = value if isinstance(value, bytes) else value.encode()
        return Tensor(data, (len(data),), "bytes" if isinstance(value, bytes) else "str")
    if isinstance(value, np.ndarray | np.generic | int | float) and np.asarray(value).dtype.str in DTYPES:
        return array_tensor(value)
    return as_json(value)


def post(routes: Any, path: str, body: bytes, headers: dict[str, str] | None = None) -> Response | None:
    """As an exchange does it; None where the path is for the ASGI application."""
    adapter = routes.get(path.encode())
    if adapter is None:
        return None
    given = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    found: list[list[Answer]] = []
    try:
        request = adapter.parse(given, body)
        adapter.application.ask(request, found.append)
    except TooLarge as error:
        return cast(Response, adapter.refuse(413, "", str(error)))
    except BadRequest as error:
        return cast(Response, adapter.refuse(400, "", str(error)))
    at_step = at_once(adapter.encode_in_steps(request, found[0]))
    at_once_ = adapter.encode(request, found[0])
    assert b"".join((at_step.body, *at_step.rest)) == b"".join((at_once_.body, *at_once_.rest))
    return cast(Response, at_once_)


def tell(
    app: Any, method: str, path: str, headers: Sequence[tuple[bytes, bytes]] = (), whole: bool = False
) -> Any:
    """Status and JSON of what an ASGI application answers; or, as a `whole`, also its headers."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
    }
    asyncio.run(app(scope, receive, send))
    start, *bodies = sent
    assert dict(start["headers"])[b"content-type"] == b"application/json"
    text = b"".join(message.get("body", b"") for message in bodies)
    told = start["status"], json.loads(text or b"null")
    return (*told, dict(start["headers"])) if whole else told
