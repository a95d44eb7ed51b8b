"""Whether a query frontend has all models that are to be there."""

from __future__ import annotations

from . import Served


def is_ready(served: Served) -> bool:
    """Whether each version that is asked and is to have replicas has one that is ready."""
    return all(
        queue.ready or not queue.spec.num_replicas
        for application in served.applications.values()
        for queue in application.queues()
    )
