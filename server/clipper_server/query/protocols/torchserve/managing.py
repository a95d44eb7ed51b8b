"""What management is asked for: versions are registered, scaled, moved and unregistered.

Each goes on to management with the caller's token. Nothing is fetched: the URL with which a client registers
is the name of a version that is deployed, model:version, as a description of it has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from clipper_container.errors import BadRequest

from ...application import Application
from ...queue import ModelQueue
from .. import Headers, Served
from ..passing import model_of, path_of, token_of
from .refusals import DEFAULT_VERSION, VERSION, Told, no_model, no_version

WAITS_S = 120.0
_LOOKS_EVERY_S = 0.05
_MOST = 1_000_000
_HOW = (
    "Models are deployed from Python, with deployers.mar.deploy_archive: nothing is fetched for a client. A "
    "url may be model:version, of one that is deployed, which becomes the default version."
)
_UPDATES = "Processing worker updates..."
Query = Mapping[str, str]
Said = tuple[int, str]
"""A status, and the words."""


def find(served: Served, name: str, version: str | None = None) -> Application:
    """Raises Told. One whose models have no version is none here."""
    found = served.applications.get(name)
    if found is None or not served.versions_of(found):
        raise no_model(name)
    if version is not None and version not in served.versions_of(found):
        raise no_version(name, version)
    return found


async def register(served: Served, query: Query, headers: Headers) -> Said:
    """Make the version current that the URL names, with the batches and the workers that are asked for."""
    token = token_of(headers)
    url = query.get("url")
    if not url:
        raise BadRequest("Parameter url is required.")
    model, _, version = url.rpartition(":")
    name = query.get("model_name") or model
    application = served.applications.get(name)
    if (
        application is None
        or model_of(application) != model
        or version not in served.versions_of(application)
    ):
        raise BadRequest(_HOW)
    if given := [each for each in ("handler", "runtime") if query.get(each)]:
        raise BadRequest(f"The {' and '.join(given)} of a version is its archive's: leave it out.")
    size, delay_ms = number(query, "batch_size", 1), number(query, "max_batch_delay", 100)
    workers = number(query, "initial_workers", 0)
    if "batch_size" in query:
        batching: dict[str, Any] = {"batching": f"fixed({size})", "batch_delay_micros": 1000 * delay_ms}
        if size == 1:
            batching = {"batching": "off"}
        await served.pass_on("PUT", path_of(model, "versions", version, "batching"), token, batching)
    if "initial_workers" in query:
        await _scale(served, model, version, workers, token)
    await _move(served, model, version, token)
    if "initial_workers" not in query:
        workers = _queue(application, version).spec.num_replicas
    elif workers and not await _are_there(application, version, workers, query, WAITS_S):
        return 202, _UPDATES
    more = "" if workers else ". Use scale workers API to add workers for the model."
    return 200, f'Model "{name}" Version: {version} registered with {workers} initial workers{more}'


async def scale(served: Served, name: str, version: str | None, query: Query, headers: Headers) -> Said:
    """Have so many replicas: TorchServe starts `min_worker` too, whatever `max_worker` is."""
    token = token_of(headers)
    application = find(served, name, version)
    low = number(query, "min_worker", 1)
    if number(query, "max_worker", low) < low:
        raise BadRequest("max_worker cannot be less than min_worker.")
    if number(query, "number_gpu", 0):
        raise BadRequest('GPUs are given to a version where it is deployed: resources={"gpus": 1}.')
    waits_s = _timeout_s(query)
    model = model_of(application)
    which = _queue(application, version).spec.version
    await _scale(served, model, which, low, token)
    if not _is_true(query, "synchronous"):
        return 202, _UPDATES
    if not await _are_there(application, which, low, query, waits_s):
        return 206, "Workers scaling in progress..."
    of = "" if version is None else f", version: {version}"
    return 200, f"Workers scaled to {low} for model: {name}{of}"


async def set_default(served: Served, name: str, version: str | None, _: Query, headers: Headers) -> Said:
    token = token_of(headers)
    application = find(served, name)
    assert version is not None
    if version not in served.versions_of(application):
        raise Told(404, f"Model version {version} does not exist for model {name}", VERSION)
    await _move(served, model_of(application), version, token)
    return 200, f'Default version successfully updated for model "{name}" to "{version}"'


async def unregister(served: Served, name: str, version: str | None, _: Query, headers: Headers) -> Said:
    """Remove a version for good: one that is not current, or the only one."""
    token = token_of(headers)
    application = find(served, name, version)
    model = model_of(application)
    which = _queue(application, version).spec.version
    if which == _queue(application, None).spec.version and len(served.versions_of(application)) > 1:
        raise Told(403, f"Cannot remove default version for model {name}", DEFAULT_VERSION)
    await served.pass_on("DELETE", path_of(model, "versions", which), token)
    return 200, f'Model "{name}" unregistered'


async def _move(served: Served, model: str, version: str, token: str) -> None:
    body = {"version": version, "message": "A client of TorchServe set it as the default."}
    await served.pass_on("PUT", path_of(model, "current"), token, body)


async def _scale(served: Served, model: str, version: str, count: int, token: str) -> None:
    path = path_of(model, "versions", version, "replicas")
    await served.pass_on("PUT", path, token, {"num_replicas": count})


def _queue(application: Application, version: str | None) -> ModelQueue:
    """That of the version, or of the current one. Raises Told."""
    found = application.queues(version)
    if not found:
        raise no_version(application.name, version or "default")
    return found[0]


async def _are_there(
    application: Application, version: str, count: int, query: Query, waits_s: float
) -> bool:
    """Whether so many replicas are ready, and no others, once one has waited for them if that is asked."""
    if not _is_true(query, "synchronous"):
        return False
    loop = asyncio.get_running_loop()
    until = loop.time() + waits_s
    while True:
        queues = application.queues(version)
        if queues and (queues[0].spec.num_replicas, len(queues[0].ready)) == (count, count):
            return True
        if loop.time() >= until:
            return False
        await asyncio.sleep(_LOOKS_EVERY_S)


def _timeout_s(query: Query) -> float:
    """Below 0 is for ever, which ends at our own time."""
    given = query.get("timeout", "-1")
    return WAITS_S if given.startswith("-") else min(WAITS_S, float(number(query, "timeout", 0)))


def number(query: Query, name: str, otherwise: int) -> int:
    given = query.get(name)
    if given is None or given == "":
        return otherwise
    if not (given.isascii() and given.isdigit()) or len(given) > 7 or int(given) > _MOST:
        raise BadRequest(f"The parameter {name} is a whole number up to {_MOST}, not {given[:50]!r}.")
    return int(given)


def _is_true(query: Query, name: str) -> bool:
    return query.get(name, "").lower() == "true"
