"""What Clipper has and this has not, each with the sentence that says what to use instead."""

from __future__ import annotations

from typing import Any, NoReturn

from clipper_container.errors import BadRequest

_IMAGES = (
    "Here no image has to be built: a deployer, such as deployers.python.deploy_python_closure, packages a "
    "model and deploys it, and pkgs_to_install gives it its packages."
)
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


class Refusals:
    """Methods of Clipper's connection that raise BadRequest."""

    def build_model(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: no image has to be built."""
        raise BadRequest(f"build_model() makes images. {_IMAGES}")

    def build_and_deploy_model(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: no image has to be built."""
        raise BadRequest(f"build_and_deploy_model() makes images. {_IMAGES}")
