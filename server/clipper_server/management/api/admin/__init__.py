"""Clipper's own calls, `/admin/...`: a thin façade over Control, for programs that were written for Clipper.

Clipper's JSON in, its texts and JSON out, and failures as 400 with its sentences in plain text. What differs:
every call but `ping` needs the bearer token (401 without it); several models may be linked to one
application; what cannot be read, written or held is a 503 or 413, as everywhere; and a model that is added
here runs elsewhere and dials in, because what the cluster runs is an artifact, not an image.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import Field
from typing_extensions import TypedDict

from clipper_container import inputs
from clipper_container.errors import AlreadyExists, BadRequest, NotFound

from ....snapshot import ApplicationSpec
from ...control import Control
from ...observations import Observations, clipper_names
from ...specs import parse_batching
from ...state import Version
from .. import answers, refusals
from ..bodies import Body, check_value

NO_CONTAINER = "NO_CONTAINER"
DEFAULT_BATCH_SIZE = -1  # the cluster finds it out

Who = Annotated[str, Header(alias="X-Clipper-Who", max_length=200)]


class AddApp(Body):
    """`default_output` is a text, and the JSON value that it spells where it spells one."""

    name: str
    input_type: str
    default_output: str
    latency_slo_micros: int


class Name(Body):
    name: str


class AppName(Body):
    app_name: str


class Links(Body):
    app_name: str
    model_names: list[str]


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
    batch_size: int = DEFAULT_BATCH_SIZE


class ModelVersion(Body):
    model_name: str
    model_version: str


class ReplicaOf(ModelVersion):
    replica_id: int | str


class Verbose(Body):
    verbose: bool = False


class UserState(Body):
    app_name: str
    uid: int


class ClipperApplication(TypedDict):
    name: str
    input_type: str
    default_output: str
    latency_slo_micros: int
    linked_models: list[str]


class ClipperModel(TypedDict):
    """`container_name` is the digest of the artifact, or NO_CONTAINER for a model that runs elsewhere."""

    model_name: str
    model_version: str
    input_type: str
    labels: list[str]
    container_name: str
    model_data_path: str
    is_current_version: bool


class ClipperContainer(TypedDict):
    model_id: str
    model_name: str
    model_version: str
    model_replica_id: int | str
    input_type: str | None


class Nothing(TypedDict):
    """`{}`: what Clipper answers where there is none like that."""


class _PlainFailures(APIRoute):
    """Failures as Clipper has them: the sentence, in plain text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def plainly(request: Request) -> Response:
            try:
                return await handle(request)
            except refusals.KINDS as error:
                refusal, status = refusals.told(error)
                status = 400 if status in (404, 409) else status
                headers = refusals.headers(status)
                return PlainTextResponse(refusals.text(refusal), status, headers=headers)

        return plainly


class Admin:
    """The calls. `replicas` lists those that run here and those that have dialled in."""

    def __init__(
        self,
        control: Control,
        observations: Observations,
        replicas: Callable[[], Awaitable[list[answers.Replica]]],
    ) -> None:
        self._control = control
        self._observations = observations
        self._replicas = replicas

    def build(self, *secured: Callable[..., Any]) -> APIRouter:
        """The routes; all but `ping` depend on `secured`."""
        router = APIRouter(prefix="/admin", route_class=_PlainFailures, tags=["Clipper's own calls"])
        router.add_api_route("/ping", self.ping, response_class=PlainTextResponse, operation_id="admin_ping")
        texts = (
            *(self.add_app, self.delete_app, self.add_model_links, self.delete_model_links),
            *(self.add_model, self.delete_versioned_model, self.set_model_version, self.get_state),
        )
        others = (
            *(self.get_linked_models, self.get_all_applications, self.get_all_models),
            *(self.get_all_containers, self.get_application, self.get_model, self.get_container),
        )
        for call in (*texts, *others, self.metrics):
            name = call.__name__
            router.add_api_route(
                f"/{name}",
                call,
                methods=["GET" if name == "metrics" else "POST"],
                dependencies=[Depends(check) for check in secured],
                operation_id=f"admin_{name}",
                responses=_FAILURES,
                response_class=PlainTextResponse if call in texts else JSONResponse,
            )
        return router

    async def ping(self) -> str:
        """Management answers. Needs no token."""
        return "PONG"

    # Applications

    async def add_app(self, new: AddApp) -> str:
        """Make an endpoint."""
        if self._control.state.application(new.name) is not None:
            raise AlreadyExists(f"application '{new.name}' already exists")
        await self._control.register_application(
            ApplicationSpec(
                new.name,
                inputs.canonical(new.input_type),
                _value(new.default_output),
                new.latency_slo_micros,
                [],
            )
        )
        return f"Successfully added application with name '{new.name}'"

    async def delete_app(self, wanted: Name) -> str:
        """Remove an endpoint."""
        self._application(wanted.name, f"Application '{wanted.name}' does not exist")
        await self._control.unregister_application(wanted.name)
        return f"Successfully deleted application with name '{wanted.name}'"

    async def add_model_links(self, links: Links) -> str:
        """Link models to an application: all of them, or none. In Clipper it is one model at most."""
        app, names = links.app_name, links.model_names
        application = self._application(app, f"No app with name '{app}' exists.")
        if not names:
            raise BadRequest(
                f"Please provide the name of the model that you want to link to the application '{app}'"
            )
        for name in names:
            version = next((v for v in self._versions() if v.model == name), None)
            if version is None:
                raise NotFound(f"No model with name '{name}' exists.")
            if version.input_type != application.input_type:
                raise BadRequest(
                    f"Model with name '{name}' has incompatible input_type '{version.input_type}'. "
                    f"Requested app to link to has input_type '{application.input_type}'."
                )
        await self._control.link(app, *names)
        if len(names) == 1:
            return f"Successfully linked model with name '{names[0]}' to application '{app}'"
        quoted = ", ".join(f"'{name}'" for name in names)
        return f"Successfully linked models with names {quoted} to application '{app}'"

    async def delete_model_links(self, links: Links) -> str:
        """Remove links: all of them, or none."""
        self._application(links.app_name, f"No app with name {links.app_name} exists.")
        await self._control.unlink(links.app_name, *links.model_names)
        return "Success!"

    async def get_linked_models(self, wanted: AppName) -> list[str]:
        """The names of an application's models."""
        name = wanted.app_name
        return self._application(name, f"No application with name '{name}' exists.").linked_models

    async def get_all_applications(self, wanted: Verbose) -> list[str] | list[ClipperApplication]:
        """The names of all applications; with `verbose` what they are."""
        applications = self._control.state.applications()
        if wanted.verbose:
            return [_application(application) for application in applications]
        return [application.name for application in applications]

    async def get_application(self, wanted: Name) -> ClipperApplication | Nothing:
        """What an application is; an empty object where there is none of that name."""
        found = self._control.state.application(wanted.name)
        return {} if found is None else _application(found)

    # Models

    async def add_model(self, new: AddModel, x_clipper_who: Who = "") -> str:
        """Register a version of a model that runs elsewhere and dials in. It is current at once."""
        if new.batch_size <= 0 and new.batch_size != DEFAULT_BATCH_SIZE:
            raise BadRequest("The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1")
        if new.container_name not in ("", NO_CONTAINER):
            raise BadRequest(
                f"This call registers models that run elsewhere, so container_name must be {NO_CONTAINER}. "
                "What the cluster is to run is deployed with POST /api/v1/models/{model}/versions."
            )
        if any(v.version == new.model_version for v in self._versions() if v.model == new.model_name):
            raise AlreadyExists(
                f"model with name '{new.model_name}' and version '{new.model_version}' already exists"
            )
        batching = {DEFAULT_BATCH_SIZE: "learned", 1: "off"}.get(new.batch_size, f"fixed({new.batch_size})")
        input_type = inputs.canonical(new.input_type)
        await self._control.deploy(
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
        if self._control.state.version(wanted.model_name, wanted.model_version) is None:
            raise NotFound(f"{subject} does not exist")
        await self._control.remove_version(wanted.model_name, wanted.model_version, x_clipper_who)
        return f"Successfully deleted {subject}"

    async def set_model_version(self, wanted: ModelVersion, x_clipper_who: Who = "") -> str:
        """Go back or forward to a version."""
        model, version = wanted.model_name, wanted.model_version
        versions = [v.version for v in self._versions() if v.model == model]
        if not versions:
            raise NotFound(f"Cannot set version for nonexistent model '{model}'")
        if version not in versions:
            raise NotFound(f"Cannot set non-existent version '{version}' for model with name '{model}'")
        await self._control.set_current(model, version, x_clipper_who, "")
        return f"Successfully set model with name '{model}' to version '{version}'"

    async def get_all_models(self, wanted: Verbose) -> list[str] | list[ClipperModel]:
        """All versions as `model:version`; with `verbose` what they are."""
        if wanted.verbose:
            return [self._model(version) for version in self._versions()]
        return [str(version) for version in self._versions()]

    async def get_model(self, wanted: ModelVersion) -> ClipperModel | Nothing:
        """What a version is; an empty object where there is none like that."""
        for version in self._versions():
            if (version.model, version.version) == (wanted.model_name, wanted.model_version):
                return self._model(version)
        return {}

    async def get_all_containers(self, wanted: Verbose) -> list[str] | list[ClipperContainer]:
        """All replicas as `model:version:replica`; with `verbose` what they are."""
        replicas = await self._replicas()
        if wanted.verbose:
            return [_container(replica) for replica in replicas]
        return [f"{replica['model_id']}:{replica['model_replica_id']}" for replica in replicas]

    async def get_container(self, wanted: ReplicaOf) -> ClipperContainer | Nothing:
        """What a replica is; an empty object where there is none like that."""
        for replica in await self._replicas():
            if (replica["model_name"], replica["model_version"], replica["model_replica_id"]) == (
                *(wanted.model_name, wanted.model_version, str(wanted.replica_id)),
            ):
                return _container(replica)
        return {}

    async def get_state(self, wanted: UserState) -> str:
        """Always 400: nothing here keeps a state for each user."""
        raise BadRequest(
            f"Nothing is kept for user {wanted.uid} of application {wanted.app_name!r}: no application has a "
            "state for each user. /admin/get_application tells what there is."
        )

    async def metrics(self) -> dict[str, Any]:
        """The metrics of all live query frontends, under Clipper's names."""
        return clipper_names(await self._observations.metrics())

    def _application(self, name: str, otherwise: str) -> ApplicationSpec:
        found = self._control.state.application(name)
        if found is None:
            raise NotFound(otherwise)
        return found

    def _versions(self) -> list[Version]:
        """Those that Clipper would know of."""
        return [version for version in self._control.state.versions() if version.state != "failed"]

    def _model(self, version: Version) -> ClipperModel:
        return {
            "model_name": version.model,
            "model_version": version.version,
            "input_type": version.input_type,
            "labels": version.labels,
            "container_name": version.artifact or NO_CONTAINER,
            "model_data_path": "DEPRECATED",
            "is_current_version": self._control.state.current().get(version.model) == version.version,
        }


_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    for status, description in (
        (400, "Why not, in a sentence."),
        (401, "The bearer token is missing or wrong."),
        (413, "The body is too large."),
        (503, "Management cannot use its files."),
    )
}


def _application(application: ApplicationSpec) -> ClipperApplication:
    return {
        "name": application.name,
        "input_type": application.input_type,
        "default_output": _text(application.default_output),
        "latency_slo_micros": application.latency_slo_micros,
        "linked_models": application.linked_models,
    }


def _container(replica: answers.Replica) -> ClipperContainer:
    name = replica["model_replica_id"]
    return {
        "model_id": replica["model_id"],
        "model_name": replica["model_name"],
        "model_version": replica["model_version"],
        "model_replica_id": int(name) if name.isdecimal() else name,
        "input_type": replica["input_type"],
    }


def _value(text: str) -> Any:
    """As Clipper reads a text where it answers with it: the JSON that it is, or else the text itself."""
    try:
        value = msgspec.json.decode(text)
        check_value(value)
    except (ValueError, RecursionError):
        return text
    return value


def _text(value: Any) -> str:
    """The other way round."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
