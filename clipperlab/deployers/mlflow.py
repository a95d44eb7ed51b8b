"""Deploys models that MLflow has saved: a folder with an MLmodel file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from ..operations import Operations
from .arguments import DEFAULT_SLO_MICROS, Deployment, DeploymentHead, Endpoint, EndpointHead, Model, Options
from .folders import files
from .mlflow_models import Described, described
from .packaging import deploy_endpoint, pack_and_deploy


@dataclass(frozen=True)
class Pyfunc(Model):
    """A model of MLflow's that has the flavor python_function."""

    loader = "mlflow"
    folder: str | Path

    @cached_property
    def described(self) -> Described:
        return described(Path(self.folder))

    def parts(self) -> dict[str, bytes]:
        return files(Path(self.folder), "model")

    def packages(self) -> list[str]:
        return self.described.packages

    def names(self) -> dict[str, str] | None:
        return self.described.names


@dataclass(frozen=True)
class _Deployment(Deployment, Pyfunc, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Pyfunc, EndpointHead): ...


def deploy_pyfunc(
    clipper_conn: Operations,
    name: str,
    version: object,
    folder: str | Path,
    *,
    input_type: str | None = None,
    **options: Unpack[Options],
) -> ModelHandle:
    """Deploy a model that MLflow has saved in `folder`; mlflow.pyfunc.load_model loads it, and it predicts.

    Its replicas have the packages that its requirements.txt names, and mlflow-skinny where none of those is
    MLflow. The input type is as its signature says: named columns are a dataframe, or json where some hold
    lists, objects or moments; named tensors are named, and one tensor is an ndarray. Without a signature
    `input_type` says it, and its `predict` gets the inputs as they come. The example that it was saved with
    is the `example_input`, where none is given. Raises BadRequest, and what
    `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.mlflow.deploy_pyfunc(conn, "saved", 1, "model")
    """
    given = _given(folder, input_type, options)
    return pack_and_deploy(_Deployment(clipper_conn, name, version, given.pop("input_type"), folder, **given))


def create_endpoint(
    clipper_conn: Operations,
    name: str,
    folder: str | Path,
    *,
    input_type: str | None = None,
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = DEFAULT_SLO_MICROS,
    slo_ms: float | None = None,
    **options: Unpack[Options],
) -> ApplicationHandle:
    """Register an application, deploy a model of MLflow's and link them: all under one name, or nothing.

    Raises what `deploy_pyfunc` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.mlflow.create_endpoint(conn, "saved", "model", slo_ms=500)
    """
    given = _given(folder, input_type, options)
    call = _Endpoint(
        *(clipper_conn, name, given.pop("input_type"), folder),
        default_output=default_output,
        version=version,
        slo_micros=slo_micros,
        slo_ms=slo_ms,
        **given,
    )
    return deploy_endpoint(call)


def _given(folder: str | Path, input_type: str | None, options: Options) -> dict[str, Any]:
    """The options, with what the folder tells where it was not said otherwise. Raises BadRequest."""
    found = described(Path(folder))
    if input_type is None and found.input_type is None:
        raise BadRequest(
            f"The model in {folder} has no signature, which would tell its inputs. Give input_type=, such as "
            '"dataframe" with an example_input; or save it with signature=.'
        )
    of_its_own = input_type is None or input_type == found.input_type
    example = {"example_input": found.example} if of_its_own and found.example is not None else {}
    return {"input_type": input_type or found.input_type, **example, **options}
