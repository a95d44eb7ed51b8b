"""Deploys a class: an object of it, made in each replica, answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest

from ..files import reading
from ..handles import ApplicationHandle, ModelHandle
from . import folders
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .packaging import deploy_endpoint, pack_and_deploy, pickle


@dataclass(frozen=True)
class ModelClass(Model):
    """A class, or its name.

    model_class
        A class, or the name of one, "package.module:Class", which the replicas can import. Each makes an
        object of it and asks that: its `predict(inputs)`, or the method for the input type that a
        `clipper_container.ModelContainerBase` has, such as `predict_doubles(inputs)`. Both return a list as
        long as `inputs`.
    init_args
        What the class is called with.
    files
        Files and folders that travel along, without what is hidden in these. The folder in which they lie in
        the replica is its working directory, and modules in it can be imported.
    """

    loader = "custom"
    model_class: type | str
    init_args: Sequence[Any] = ()
    files: Sequence[str | Path] = ()

    def parts(self) -> dict[str, bytes]:
        arguments = pickle("The arguments of the class", tuple(self.init_args))
        return {"arguments.pickle": arguments, **_named_or_pickled(self.model_class), **_files(self.files)}


@dataclass(frozen=True)
class _Deployment(Deployment, ModelClass, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, ModelClass, EndpointHead): ...


@called_with(_Deployment)
def deploy_model_class(call: _Deployment) -> ModelHandle:
    """Deploy a class, or the name of one, "package.module:Class", an object of which answers in each replica.

    Raises BadRequest, ArtifactError where the class or its arguments cannot be pickled, and what
    `ClipperConnection.deploy_model` raises.

    >>> class Mean:
    ...     def predict(self, inputs):
    ...         return [float(x.mean()) for x in inputs]
    >>> handle = deployers.custom.deploy_model_class(conn, "means", 1, "doubles", Mean)
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a class and link them: all under one name, or nothing.

    Raises what `deploy_model_class` raises, or AlreadyExists for another application of that name.

    >>> class Mean:
    ...     def predict(self, inputs):
    ...         return [float(x.mean()) for x in inputs]
    >>> app = deployers.custom.create_endpoint(conn, "means", "doubles", Mean, default_output=0)
    """
    return deploy_endpoint(call)


def _named_or_pickled(model_class: object) -> dict[str, bytes]:
    if isinstance(model_class, str):
        module, colon, attribute = model_class.partition(":")
        if not (module and colon and attribute):
            raise BadRequest(f'model_class is written "package.module:Class", not {model_class!r}.')
        return {"class.json": json.dumps([module, attribute]).encode()}
    if isinstance(model_class, type):
        return {"class.pickle": pickle(f"The class {model_class.__name__!r}", model_class)}
    raise BadRequest(
        f'model_class must be a class, or "package.module:Class", not {type(model_class).__name__}.'
    )


def _files(files: Sequence[str | Path]) -> dict[str, bytes]:
    """The parts of the artifact that are files, under their names relative to what was given."""
    parts: dict[str, bytes] = {}
    for given in files:
        root = Path(given)
        if not root.exists():
            raise BadRequest(f"files: there is no {root}.")
        if root.is_file():
            with reading(root):
                parts[f"files/{root.name}"] = root.read_bytes()
        else:
            parts |= folders.files(root, f"files/{root.name}")
    return parts
