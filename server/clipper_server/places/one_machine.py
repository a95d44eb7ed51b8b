"""What replicas cannot ask of a place that is one machine."""

from __future__ import annotations

from clipper_container.errors import BadRequest
from clipper_container.resources import Resources


def check(resources: Resources) -> None:
    """Raises BadRequest where a replica is to choose among nodes."""
    if resources.node_selector or resources.tolerations:
        raise BadRequest(
            "node_selector and tolerations choose among the nodes of a Kubernetes cluster, and here is one "
            "machine. Leave them out."
        )
