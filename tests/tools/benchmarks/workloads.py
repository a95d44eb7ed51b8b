"""All workloads by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import (
    batch,
    cache,
    feedback,
    forest,
    idle,
    image,
    noop,
    overload,
    pipelines,
    policies,
    protocols,
    remote,
    replicas,
    rollout,
    rows,
    shadow,
    step,
)
from .bench import Bench, Outcome

WORKLOADS: Mapping[str, Callable[[Bench], Outcome]] = {
    "noop": noop.run,
    "rows": rows.run,
    "policies": policies.run,
    "pipelines": pipelines.run,
    "feedback": feedback.run,
    "shadow": shadow.run,
    "rollout": rollout.run,
    "forest": forest.run,
    "image": image.run,
    "batch": batch.run,
    "protocols": protocols.run,
    "remote": remote.run,
    "cache": cache.run,
    "overload": overload.run,
    "step": step.run,
    "replicas": replicas.run,
    "idle": idle.run,
}
