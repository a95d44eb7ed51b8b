"""What Clipper has and this has not, each with the sentence that says what to use instead."""

from __future__ import annotations

from typing import Any

from clipper_container.errors import BadRequest

START_ARGUMENTS = {
    "query_frontend_image": "The query frontend comes with clipperlab: there is no image to choose.",
    "mgmt_frontend_image": "The management frontend comes with clipperlab: there is no image to choose.",
    "frontend_exporter_image": "Query frontends serve /metrics in Prometheus's format themselves.",
    "qf_http_thread_pool_size": "A query frontend has one event loop: use num_frontend_replicas.",
    "qf_http_timeout_request": "Requests end with their application's latency objective (slo_micros).",
    "qf_http_timeout_content": "Requests end with their application's latency objective (slo_micros).",
}


def refuse_start_arguments(given: dict[str, Any]) -> None:
    """Raises BadRequest for an argument that Clipper's start_clipper has, TypeError for others."""
    for name in given:
        if name in START_ARGUMENTS:
            raise BadRequest(f"start_clipper() takes no {name}. {START_ARGUMENTS[name]} Leave it out.")
        raise TypeError(f"start_clipper() got an unexpected keyword argument {name!r}")
