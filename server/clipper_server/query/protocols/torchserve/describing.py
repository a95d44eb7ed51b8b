"""What is told of models: a list, a description, counts, and how one asks."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

import clipper_server

from ...application import Application
from ...batching import MAX_BATCH
from ...limits import Limits
from ...queue import ModelQueue
from .. import Served
from ..rows import Rows
from .managing import find, number

LISTED = 100
_COUNTERS = {
    "ts_inference_requests_total": "Inputs that came for the version, to this query frontend.",
    "ts_inference_latency_microseconds": "How long they took, in sum.",
    "ts_queue_latency_microseconds": "How long they waited, in sum.",
}


def listed(served: Served, query: Mapping[str, str]) -> dict[str, Any]:
    """A page of the models. Raises BadRequest."""
    names = sorted(name for name, each in served.applications.items() if served.versions_of(each))
    start, limit = number(query, "next_page_token", 0), number(query, "limit", LISTED)
    end = start + (limit or LISTED)
    found: dict[str, Any] = {"nextPageToken": str(end)} if end < len(names) else {}
    found["models"] = [
        {"modelName": name, "modelUrl": _url(served.applications[name])} for name in names[start:end]
    ]
    return found


def _url(application: Application) -> str:
    return next((queue.name for queue in application.queues()), "")


def described(served: Served, name: str, version: str | None) -> list[dict[str, Any]]:
    """The current version, or that one, or "all". Raises Told."""
    application = find(served, name, None if version == "all" else version)
    queues = application.all_queues() if version == "all" else application.queues(version)
    return [_described(name, queue) for queue in queues]


def _described(name: str, queue: ModelQueue) -> dict[str, Any]:
    spec = queue.spec
    batching = spec.batching
    waiting = queue.waiting.count
    return {
        "modelName": name,
        "modelVersion": spec.version,
        "modelUrl": queue.name,
        "runtime": "python",
        "minWorkers": spec.num_replicas,
        "maxWorkers": spec.num_replicas,
        "batchSize": {"fixed": batching.size, "off": 1}.get(batching.way, MAX_BATCH),
        "maxBatchDelay": batching.delay_micros // 1000,
        "loadedAtStartup": False,
        "workers": [{"id": replica.name, "status": "READY"} for replica in queue.ready],
        "jobQueueStatus": {
            "remainingCapacity": max(0, queue.admission.most - waiting),
            "pendingRequests": waiting,
        },
    }


def metrics(served: Served, names: Collection[str]) -> str:
    """The counters of that name, or all, as Prometheus reads them."""
    lines: list[str] = []
    for name, about in _COUNTERS.items():
        if not names or name in names:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} counter", *_samples(served, name)]
    return "\n".join([*lines, ""])


def _samples(served: Served, name: str) -> Iterator[str]:
    """Each version's once, by its model's name: several applications may ask it."""
    host = msgspec.json.encode(socket.gethostname()).decode()
    asked = {
        queue.name: queue
        for application in served.applications.values()
        for queue in application.all_queues()
    }
    for _, queue in sorted(asked.items()):
        did = queue.metrics
        value = {
            "ts_inference_requests_total": queue.asked() + did.hits + did.joined,
            "ts_inference_latency_microseconds": round(1e6 * did.latency.sum),
            "ts_queue_latency_microseconds": round(1e6 * did.queue_delay.sum),
        }[name]
        model, version = (
            msgspec.json.encode(text).decode() for text in (queue.spec.model, queue.spec.version)
        )
        yield f"{name}{{model_name={model},model_version={version},hostname={host}}} {value}"


def api(applications: Mapping[str, Application], limits: Limits) -> dict[str, Any]:
    """How these are asked, as OpenAPI describes it."""
    return {
        "openapi": "3.0.1",
        "info": {"title": "Clipper Lab", "version": clipper_server.__version__},
        "paths": {
            f"/predictions/{name}": {
                "post": {
                    "operationId": "predictions",
                    "requestBody": {
                        "description": f"One input: {Rows(application, limits).words()}.",
                        "content": {"*/*": {"schema": {}}},
                    },
                    "responses": {"200": {"description": "Its output.", "content": {"*/*": {"schema": {}}}}},
                }
            }
            for name, application in sorted(applications.items())
        },
    }
