"""What all deployers do: pickle, pack into an artifact, deploy."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cloudpickle

from clipper_container import artifact
from clipper_container.errors import ArtifactError

from ..connection import ClipperConnection
from ..options import DeployOptions
from .culprits import find_culprit


@dataclass(frozen=True)
class Deployment:
    """What to deploy it as; the fields are the arguments of `ClipperConnection.deploy_model`."""

    name: str
    version: object
    input_type: str
    labels: Sequence[str] | None
    num_replicas: int
    batch_size: int
    options: DeployOptions


def pack_and_deploy(
    clipper_conn: ClipperConnection,
    deployment: Deployment,
    *,
    loader: str,
    parts: dict[str, bytes],
    example_input: object | None,
    size: str | None,
) -> None:
    """Raises what `deploy_model` raises, and BadRequest where the example input is not of the input type."""
    with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
        path = Path(folder) / "artifact.zip"
        artifact.pack(
            path,
            loader=loader,
            input_type=deployment.input_type,
            parts=parts,
            example_input=example_input,
            size=size,
        )
        clipper_conn.deploy_model(
            deployment.name,
            deployment.version,
            deployment.input_type,
            path,
            deployment.labels,
            deployment.num_replicas,
            deployment.batch_size,
            **deployment.options,
        )


def pickle(what: str, value: object) -> bytes:
    """`value`, pickled by value where it was defined in a notebook or script.

    Raises ArtifactError that names the part of it that cannot be pickled, with the original error as its
    cause. `what` begins its sentence: "The function 'predict'".
    """
    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception as error:
        culprit = find_culprit(value)
        if culprit is None:
            raise ArtifactError(
                f"{what} cannot be packaged: {error}. Leave out of it what belongs to this process alone, "
                "such as a lock, a connection or an open file."
            ) from error
        raise ArtifactError(
            f"{what} cannot be packaged: {culprit} cannot be pickled ({error}). Make it inside the function, "
            "or pass on what it is made from, such as a path or an address: locks, connections and open "
            "files belong to this process alone."
        ) from error
    return pickled
