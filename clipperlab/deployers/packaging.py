"""What all deployers do: pickle, pack into an artifact, deploy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipper_container import artifact
from clipper_container.errors import ArtifactError, BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .culprits import find_culprit
from .local_modules import by_value
from .pickling import dumps
from .shapes import check_function


@dataclass(frozen=True)
class Deployment:
    """What to deploy it as. The fields are the arguments that all deployers have.

    `requirements` is a list, or the path of a file as pip has it. Raises BadRequest.
    """

    name: str
    version: object
    input_type: str
    base_image: str = "default"
    labels: Sequence[str] | None = None
    registry: str | None = None
    num_replicas: int = 1
    batch_size: int = -1
    pkgs_to_install: Sequence[str] | None = None
    requirements: Sequence[str] | str | Path | None = None
    example_input: object | None = None
    size: str | None = None
    options: DeployOptions = field(default_factory=DeployOptions)

    def __post_init__(self) -> None:
        if self.registry is not None:
            raise BadRequest(
                "registry: a deployer pushes no image, for what a model needs is made where it runs. Leave "
                "it out. build_model(container_registry=...) pushes an image."
            )
        if isinstance(self.pkgs_to_install, str):
            raise BadRequest(f"pkgs_to_install must be a list: [{self.pkgs_to_install!r}].")

    def packages(self) -> list[str]:
        """What pip shall install for it."""
        asked = self.requirements
        listed = _read(Path(asked)) if isinstance(asked, str | Path) else list(asked or [])
        return [*(self.pkgs_to_install or []), *listed]


def pack_and_deploy(
    clipper_conn: ClipperConnection, deployment: Deployment, *, loader: str, parts: dict[str, bytes]
) -> None:
    """Raises what `deploy_model` raises, and BadRequest where the example input is not of the input type."""
    with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
        path = Path(folder) / "artifact.zip"
        artifact.pack(
            path,
            loader=loader,
            input_type=deployment.input_type,
            parts=parts,
            example_input=deployment.example_input,
            size=deployment.size,
            requirements=deployment.packages(),
        )
        clipper_conn.deploy_model(
            deployment.name,
            deployment.version,
            deployment.input_type,
            None if deployment.base_image == "default" else deployment.base_image,
            deployment.labels,
            deployment.num_replicas,
            deployment.batch_size,
            artifact=path,
            **deployment.options,
        )


def deploy_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    default_output: object,
    slo_micros: int,
    deploy: Callable[[], None],
) -> None:
    """Register an application, deploy a model and link them, all under one name.

    Where the deploy fails the application is removed again, and the error raised.
    """
    clipper_conn.register_application(name, input_type, default_output, slo_micros)
    try:
        deploy()
        clipper_conn.link_model_to_app(name, name)
    except BaseException:
        clipper_conn.unregister_application(name)
        raise


def pickle(what: str, value: object) -> bytes:
    """`value`, pickled by value where it was defined in a notebook or script, or in a module beside it.

    Raises ArtifactError that names the part of it that cannot be pickled, with the original error as its
    cause. `what` begins its sentence: "The function 'predict'".
    """
    with by_value():
        try:
            pickled: bytes = dumps(value)
        except Exception as error:
            culprit = find_culprit(value)
            if culprit is None:
                raise ArtifactError(
                    f"{what} cannot be packaged: {error}. Leave out of it what belongs to this process "
                    "alone, such as a lock, a connection or an open file."
                ) from error
            raise ArtifactError(
                f"{what} cannot be packaged: {culprit} cannot be pickled ({error}). Make it inside the "
                "function, or pass on what it is made from, such as a path or an address: locks, connections "
                "and open files belong to this process alone."
            ) from error
    return pickled


def pickle_function(func: object, takes: int | None = None) -> bytes:
    """Raises BadRequest where it could not answer, called with so many values; and as `pickle` does."""
    check_function(func, takes)
    return pickle(f"The function {getattr(func, '__name__', repr(func))!r}", func)


def _read(path: Path) -> list[str]:
    """The packages in a file. Raises BadRequest where it cannot be read, or says more than that."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise BadRequest(
            f"The requirements cannot be read: {error}. Give a list, or a file's path."
        ) from None
    found = [line.partition(" #")[0].strip() for line in lines]
    found = [line for line in found if line and not line.startswith("#")]
    for line in found:
        if line.startswith("-"):
            raise BadRequest(
                f"{path} has the line {line!r}: only packages can be given here, one a line. pip's own "
                "settings belong into pip's configuration where the cluster runs."
            )
    return found
