"""Deploys pipelines: functions that call models.

What comes before a call, between calls and after them is plain Python. For those who think in graphs,
`sequence`, `switch` and `fan_out` make such functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from clipper_container.calls import Models
from clipper_container.errors import BadRequest
from clipper_container.graphs import fan_out, sequence, switch

from ..handles import ApplicationHandle, ModelHandle
from ..operations import Operations
from ..options import DeployOptions
from .arguments import DEFAULT_SLO_MICROS, Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .packaging import deploy_endpoint, pack_and_deploy, pickled_function

__all__ = ["create_endpoint", "deploy_pipeline", "fan_out", "sequence", "switch"]


class Options(DeployOptions, total=False):
    """Those of all deployers: what its replicas are, and what they run in."""

    base_image: str
    labels: Sequence[str]
    num_replicas: int
    pkgs_to_install: Sequence[str]
    requirements: Sequence[str] | str | Path


Answer = Callable[[Any, Models], Awaitable[Any]]
CONCURRENCY = 64


@dataclass(frozen=True)
class Pipeline(Model):
    """A function that calls models."""

    loader = "pipeline"
    answer: Answer

    def parts(self) -> dict[str, bytes]:
        if not inspect.iscoroutinefunction(self.answer):
            raise BadRequest(
                "A pipeline is `async def answer(query, models)`, for it waits for models: "
                f"{getattr(self.answer, '__name__', 'this')!r} is no such function."
            )
        return pickled_function(self.answer, ("query", "models"))


@dataclass(frozen=True)
class _Deployment(Deployment, Pipeline, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Pipeline, EndpointHead): ...


def deploy_pipeline(
    clipper_conn: Operations,
    name: str,
    version: object,
    answer: Answer,
    *,
    input_type: str = "json",
    **options: Unpack[Options],
) -> ModelHandle:
    """Deploy `async def answer(query, models)`, which calls the models that it `uses`, as a model's version.

    `await models["a"](input)` is that model's output for one input; several at once by `asyncio.gather`. With
    `default=` it is that where there is no output in time, and the answer then says that it is partial. What
    the function returns is the output.

    Each replica works on `concurrency` queries at once, 64 by default. `DeployOptions` tells of `uses`, of
    `stages` and of the others; beside them are `num_replicas`, `pkgs_to_install`, `requirements`, `labels`
    and `base_image`, as in all deployers. Raises ArtifactError where the function cannot be pickled;
    BadRequest for what is no such function; and what `ClipperConnection.deploy_model` raises.

    >>> async def answer(query, models):
    ...     return {"digit": await models["digits"](query)}
    >>> handle = deployers.pipeline.deploy_pipeline(conn, "reads", 1, answer, uses=["digits"])
    """
    return pack_and_deploy(_Deployment(clipper_conn, name, version, input_type, answer, **_given(options)))


def create_endpoint(
    clipper_conn: Operations,
    name: str,
    answer: Answer,
    *,
    input_type: str = "json",
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = DEFAULT_SLO_MICROS,
    slo_ms: float | None = None,
    **options: Unpack[Options],
) -> ApplicationHandle:
    """Register an application, deploy a pipeline and link them: all under one name.

    As with all deployers, the latency objective is in microseconds, or with `slo_ms` in milliseconds, and
    what is there already as it is asked for stays. Raises what `deploy_pipeline` raises, or AlreadyExists
    for another application of that name.

    >>> async def answer(query, models):
    ...     return {"digit": await models["digits"](query)}
    >>> app = deployers.pipeline.create_endpoint(conn, "reads", answer, uses=["digits"], slo_ms=20_000)
    >>> app.predict(X[0].tolist())["output"]
    {'digit': 0}
    """
    call = _Endpoint(
        *(clipper_conn, name, input_type, answer),
        default_output=default_output,
        version=version,
        slo_micros=slo_micros,
        slo_ms=slo_ms,
        **_given(options),
    )
    return deploy_endpoint(call)


def _given(options: Options) -> dict[str, Any]:
    """What a pipeline is where it was not said otherwise. Raises BadRequest."""
    for option in ("uses", "stages"):
        if isinstance(named := options.get(option), str):
            raise BadRequest(f"{option} must be a list: [{named!r}], not {named!r}.")
    stages = [[stage] if isinstance(stage, str) else list(stage) for stage in options.get("stages", ())]
    given: dict[str, Any] = {"concurrency": CONCURRENCY, "batching": "off", **options, "stages": stages}
    if not given.get("uses"):
        raise BadRequest('uses= names the models that the pipeline calls, such as uses=["detect", "read"].')
    return {**given, "uses": list(given["uses"])}
