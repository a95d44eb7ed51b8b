"""What all deployers do: pickle, pack into an artifact, deploy."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipper_container import artifact
from clipper_container.errors import AlreadyExists, ArtifactError, BadRequest
from clipper_container.inputs import canonical
from clipper_container.plain import plain

from ..handles import ApplicationHandle, ModelHandle
from ..names import check_labels
from ..packages import in_file, name_of
from .arguments import Deployment, Endpoint
from .culprits import find_culprit
from .local_modules import by_value
from .pickling import dumps
from .shapes import check_function

if TYPE_CHECKING:
    from ..management import Application


def pack_and_deploy(call: Deployment | Endpoint) -> ModelHandle:
    """The model's handle.

    Raises BadRequest, also where the example input is not of the input type, and what packing the model and
    `ClipperConnection.deploy_model` raise.
    """
    if call.registry is not None:
        raise BadRequest(
            "registry: a deployer pushes no image, for what a model needs is made where it runs. Leave it "
            "out. build_model(container_registry=...) pushes an image."
        )
    check_labels(call.labels)
    call.check(canonical(call.input_type))
    with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
        path = Path(folder) / "artifact.zip"
        artifact.pack(
            path,
            loader=call.loader,
            input_type=call.input_type,
            requirements=_with(call.packages(), _packages(call.pkgs_to_install, call.requirements)),
            parts=call.parts(),
            example_input=call.example_input,
            size=call.size,
            names=call.names(),
        )
        deployed = call.clipper_conn.deploy_model(
            call.name,
            call.version,
            call.input_type,
            None if call.base_image == "default" else call.base_image,
            call.labels,
            call.num_replicas,
            call.batch_size,
            artifact=path,
            **call.options(),
        )
    return ModelHandle(call.clipper_conn, call.name, deployed)


def deploy_endpoint(call: Endpoint) -> ApplicationHandle:
    """Register an application, deploy a model and link them, all under one name; the application's handle.

    Where the deploy fails the application is removed again, and the error raised. One that is there
    already, and is as it is asked for, stays.
    """
    conn = call.clipper_conn
    there = False
    try:
        conn.register_application(call.name, call.input_type, call.default_output, call.objective)
    except AlreadyExists:
        there = _is_as_asked(conn.get_app_info(call.name), call)
        if not there:
            raise
    try:
        pack_and_deploy(call)
        if not there or call.name not in conn.get_linked_models(call.name):
            conn.link_model_to_app(call.name, call.name)
    except BaseException:
        if not there:
            conn.unregister_application(call.name)
        raise
    return ApplicationHandle(conn, call.name)


def _is_as_asked(found: Application | None, call: Endpoint) -> bool:
    return found is not None and (
        found["input_type"],
        found["default_output"],
        found["latency_slo_micros"],
    ) == (canonical(call.input_type), plain(call.default_output), call.objective)


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


def pickle_function(func: object, takes: Sequence[str] | None = None) -> bytes:
    """Raises BadRequest where it could not answer, called with what it `takes`; and as `pickle` does."""
    check_function(func, takes)
    return pickle(f"The function {getattr(func, '__name__', repr(func))!r}", func)


def pickled_function(func: object | None, takes: Sequence[str]) -> dict[str, bytes]:
    """The part of an artifact that is a function of what it `takes`; none where there is no function."""
    return {} if func is None else {"function.pickle": pickle_function(func, takes)}


def _with(needed: list[str], asked: list[str]) -> list[str]:
    """What is asked for, and what is needed and not named there."""
    names = set(map(name_of, asked))
    return [*asked, *(package for package in needed if name_of(package) not in names)]


def _packages(listed: Sequence[str] | None, asked: Sequence[str] | str | Path | None) -> list[str]:
    """What pip shall install for it. Raises BadRequest."""
    if isinstance(listed, str):
        raise BadRequest(f"pkgs_to_install must be a list: [{listed!r}].")
    return [*(listed or []), *(in_file(Path(asked)) if isinstance(asked, str | Path) else asked or [])]
