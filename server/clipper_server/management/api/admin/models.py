"""Clipper's calls about the versions of models."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from clipper_container import inputs
from clipper_container.errors import AlreadyExists, BadRequest

from ...control import Control
from ...specs import parse_batching
from ...state import Version
from ..bodies import Body, Whole
from ..parameters import Who
from .clippers import ModelVersion, Nothing, Verbose, known_versions, no_version

NO_CONTAINER = "NO_CONTAINER"
DEFAULT_BATCH_SIZE = -1  # the cluster finds it out


class AddModel(Body):
    """`batch_size` is -1 for one that is learned, 1 for no batching, or a fixed one.

    `model_data_path` is unused, as it is in Clipper.
    """

    model_name: str
    model_version: str
    input_type: str
    labels: list[str] = Field(default_factory=list)
    container_name: str = NO_CONTAINER
    model_data_path: str = ""
    batch_size: Whole = DEFAULT_BATCH_SIZE


class ClipperModel(TypedDict):
    """`container_name` is the digest of the artifact, or NO_CONTAINER for a model that runs elsewhere."""

    model_name: str
    model_version: str
    input_type: str
    labels: list[str]
    container_name: str
    model_data_path: str
    is_current_version: bool


class Models:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._state = control.state

    async def add_model(self, new: AddModel, x_clipper_who: Who = "") -> str:
        """Register a version of a model that runs elsewhere and dials in. It is current at once."""
        if new.batch_size <= 0 and new.batch_size != DEFAULT_BATCH_SIZE:
            raise BadRequest("The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1")
        if new.container_name not in ("", NO_CONTAINER):
            raise BadRequest(
                f"This call registers models that run elsewhere, so container_name must be {NO_CONTAINER}. "
                "What the cluster is to run is deployed with POST /api/v1/models/{model}/versions."
            )
        known = [str(version) for version in known_versions(self._state)]
        if f"{new.model_name}:{new.model_version}" in known:
            raise AlreadyExists(
                f"model with name '{new.model_name}' and version '{new.model_version}' already exists"
            )
        batching = {DEFAULT_BATCH_SIZE: "learned", 1: "off"}.get(new.batch_size, f"fixed({new.batch_size})")
        input_type = inputs.canonical(new.input_type)
        await self._control.versions.deploy(
            Version(
                *(new.model_name, new.model_version, input_type, None, new.labels, 0),
                batching=parse_batching(batching, 0),
                deployed_by=x_clipper_who,
            )
        )
        return f"Successfully added model with name '{new.model_name}' and input type '{input_type}'"

    async def delete_versioned_model(self, wanted: ModelVersion, x_clipper_who: Who = "") -> str:
        """Stop a version's replicas and forget it."""
        subject = f"model with name '{wanted.model_name}' and version '{wanted.model_version}'"
        if self._state.version(wanted.model_name, wanted.model_version) is None:
            raise no_version(f"{subject} does not exist", wanted, self._state.versions())
        await self._control.versions.remove([(wanted.model_name, wanted.model_version)], x_clipper_who)
        return f"Successfully deleted {subject}"

    async def set_model_version(self, wanted: ModelVersion, x_clipper_who: Who = "") -> str:
        """Go back or forward to a version."""
        model, version = wanted.model_name, wanted.model_version
        known = known_versions(self._state)
        if all(found.model != model for found in known):
            raise no_version(f"Cannot set version for nonexistent model '{model}'", wanted, known)
        if all((found.model, found.version) != (model, version) for found in known):
            said = f"Cannot set non-existent version '{version}' for model with name '{model}'"
            raise no_version(said, wanted, known)
        await self._control.current.set(model, version, x_clipper_who, "")
        return f"Successfully set model with name '{model}' to version '{version}'"

    async def get_all_models(self, wanted: Verbose) -> list[str] | list[ClipperModel]:
        """All versions as `model:version`; with `verbose` what they are."""
        if wanted.verbose:
            return [self._model(version) for version in known_versions(self._state)]
        return [str(version) for version in known_versions(self._state)]

    async def get_model(self, wanted: ModelVersion) -> ClipperModel | Nothing:
        """What a version is; an empty object where there is none like that."""
        for version in known_versions(self._state):
            if (version.model, version.version) == (wanted.model_name, wanted.model_version):
                return self._model(version)
        return {}

    def _model(self, version: Version) -> ClipperModel:
        return {
            "model_name": version.model,
            "model_version": version.version,
            "input_type": version.input_type,
            "labels": version.labels,
            "container_name": version.artifact or NO_CONTAINER,
            "model_data_path": "DEPRECATED",
            "is_current_version": self._state.current().get(version.model) == version.version,
        }
