"""Deploys a class: an object of it, made in each replica, answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..operations import Operations
from ..options import DeployOptions
from .packaging import Deployment, deploy_endpoint, pack_and_deploy, pickle


def deploy_model_class(
    clipper_conn: Operations,
    name: str,
    version: object,
    input_type: str,
    model_class: type | str,
    init_args: Sequence[Any] = (),
    files: Sequence[str | Path] = (),
    base_image: str = "default",
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    num_replicas: int = 1,
    batch_size: int = -1,
    pkgs_to_install: Sequence[str] | None = None,
    *,
    requirements: Sequence[str] | str | Path | None = None,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Deploy a class, or the name of one, "package.module:Class", which its replicas can import.

    Each replica makes an object of it, with `init_args`, and asks that: its `predict(inputs)`, or the method
    for the input type that a `clipper_container.ModelContainerBase` has, such as `predict_doubles(inputs)`.
    Both return a list as long as `inputs`. `files` are files and folders that travel along; the folder in
    which they lie in the replica is its working directory, and modules in it can be imported. The other
    arguments are as in `deployers.python.deploy_python_closure`. Raises BadRequest, ArtifactError where the
    class or its arguments cannot be pickled, and what `ClipperConnection.deploy_model` raises.
    """
    deployment = Deployment(
        *(name, version, input_type, base_image, labels, registry, num_replicas, batch_size),
        *(pkgs_to_install, requirements, example_input, size, options),
    )
    parts = {"arguments.pickle": pickle("The arguments of the class", tuple(init_args))}
    if isinstance(model_class, str):
        module, colon, attribute = model_class.partition(":")
        if not (module and colon and attribute):
            raise BadRequest(f'model_class is written "package.module:Class", not {model_class!r}.')
        parts["class.json"] = json.dumps([module, attribute]).encode()
    elif isinstance(model_class, type):
        parts["class.pickle"] = pickle(f"The class {model_class.__name__!r}", model_class)
    else:
        raise BadRequest(
            f'model_class must be a class, or "package.module:Class", not {type(model_class).__name__}.'
        )
    pack_and_deploy(clipper_conn, deployment, loader="custom", parts=parts | _files(files))


def create_endpoint(
    clipper_conn: Operations,
    name: str,
    input_type: str,
    model_class: type | str,
    init_args: Sequence[Any] = (),
    files: Sequence[str | Path] = (),
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = 3_000_000,
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    base_image: str = "default",
    num_replicas: int = 1,
    batch_size: int = -1,
    pkgs_to_install: Sequence[str] | None = None,
    *,
    requirements: Sequence[str] | str | Path | None = None,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Register an application, deploy the class and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_model_class(
            *(clipper_conn, name, version, input_type, model_class, init_args, files),
            base_image=base_image,
            labels=labels,
            registry=registry,
            num_replicas=num_replicas,
            batch_size=batch_size,
            pkgs_to_install=pkgs_to_install,
            requirements=requirements,
            example_input=example_input,
            size=size,
            **options,
        )

    deploy_endpoint(clipper_conn, name, input_type, default_output, slo_micros, deploy)


def _files(files: Sequence[str | Path]) -> dict[str, bytes]:
    """The parts of the artifact that are files, under their names relative to what was given."""
    parts = {}
    for given in files:
        root = Path(given)
        found = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
        if not root.exists():
            raise BadRequest(f"files: there is no {root}.")
        for path in found:
            if "__pycache__" not in path.parts:
                parts[f"files/{path.relative_to(root.parent)}"] = path.read_bytes()
    return parts
