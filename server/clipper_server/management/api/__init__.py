"""The management API: `/api/v1/...`, as OpenAPI describes it, and Clipper's own calls under `/admin/...`.

Every call but the two that only say that management lives needs the cluster's bearer token. That also keeps
web pages out that a browser on this machine shows: one that posts here, be it under a name of its own that
it has pointed at 127.0.0.1, does not know the token, and no browser sends it unasked.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

import fastapi
import msgspec
from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field

from clipper_container import inputs
from clipper_container.errors import BadRequest, Unauthorized
from clipper_container.resources import Resources

from ...changes import Changes
from ...snapshot import DEFAULT_HANG_AFTER_S, DEFAULT_MAX_CACHED_INPUT, ApplicationSpec, Report
from ..containers import ContainerManager, Orchestrator, Runtime
from ..control import Control
from ..events import Events
from ..frontends import Frontends
from ..observations import PROMETHEUS, Observations, clipper_names
from ..reconciler import Reconciler
from ..series import Series
from ..specs import Specs, parse_batching
from ..state import Autoscaling, Event, Version
from . import answers, openapi, refusals
from .admin import Admin
from .bodies import Body, Limit

_V1 = "/api/v1"
FRONTENDS = f"{_V1}/frontends/addresses"
MAX_WAIT_S = 30.0
_BIG = 2**63 - 1  # SQLite's
EVENTS_AT_ONCE = 500
PING_S = 15.0  # a stream of events says something at least so often, for proxies and the dead

Who = Annotated[str, Header(alias="X-Clipper-Who", max_length=200)]
"""Who asks, for the history: a name that clients give."""


class NewApplication(Body):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    on_overload: Literal["default", "reject"] = "default"


class ApplicationChange(Body):
    """What is left out stays as it is."""

    latency_slo_micros: int | None = None
    default_output: Any = None


class Limits(Body):
    cpus: float | None = None
    memory: int | str | None = None
    gpus: int = 0
    devices: dict[str, int] = Field(default_factory=dict)
    shared_memory: int | str | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, str | int]] = Field(default_factory=list)


class NewVersion(Body):
    """`artifact` is None for a model that runs elsewhere and dials in."""

    version: str
    input_type: str
    artifact: str | None
    labels: list[str] = Field(default_factory=list)
    num_replicas: int = 1
    batching: str = "learned"
    batch_delay_micros: int = 0
    hang_after_s: float = DEFAULT_HANG_AFTER_S
    max_cached_input: int = DEFAULT_MAX_CACHED_INPUT
    resources: Limits = Field(default_factory=Limits)
    python: str = ""
    image: str = ""
    make_current: bool = True
    message: str = Field(default="", max_length=2000)


class CurrentVersion(Body):
    version: str
    message: str = Field(default="", max_length=2000)


class Message(Body):
    message: str = Field(default="", max_length=2000)


class NumReplicas(Body):
    num_replicas: int


class Bounds(Body):
    """With `cpu_percent`, of what each replica asks for, Kubernetes scales; else the measured load does."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int | None = None


class Batching(Body):
    batching: str
    batch_delay_micros: int = 0


class API:
    """The routes, over the parts of management."""

    def __init__(
        self,
        cluster_name: str,
        specs: Specs,
        control: Control,
        reconciler: Reconciler,
        frontends: Frontends,
        manager: ContainerManager,
        changes: Changes,
        events: Events,
        observations: Observations,
        series: Series,
    ) -> None:
        self._cluster_name = cluster_name
        self._specs = specs
        self._control = control
        self._reconciler = reconciler
        self._frontends = frontends
        self._manager = manager
        self._changes = changes
        self._events = events
        self._observations = observations
        self._series = series

    def build(self) -> fastapi.FastAPI:
        app = openapi.App(
            title="Clipper Lab management",
            version="1",
            description=openapi.ABOUT,
            generate_unique_id_function=lambda route: route.name,
        )
        app.add_middleware(Limit, exempt=f"{_V1}/artifacts/")
        for kind in refusals.KINDS:
            app.add_exception_handler(kind, refusals.as_json)
        app.add_api_route(f"{_V1}/health", self.health)
        # The replicas' ways in have checks of their own: a credential is good for one artifact.
        path = "/artifacts/{digest}"
        app.add_api_route(
            _V1 + path,
            self.get_artifact,
            response_class=FileResponse,
            dependencies=[Depends(openapi.BEARER)],
            **openapi.of_route("GET", path, self.get_artifact),
        )
        app.add_api_route(
            FRONTENDS,
            self.wires,
            dependencies=[Depends(openapi.BEARER)],
            **openapi.of_route("GET", FRONTENDS.removeprefix(_V1), self.wires),
        )
        routes: list[tuple[str, str, Callable[..., Awaitable[Any]], int]] = [
            ("GET", "/cluster", self.cluster, 200),
            ("GET", "/overview", self.overview, 200),
            ("GET", "/logs", self.logs, 200),
            ("GET", "/logs/{name}", self.log, 200),
            ("GET", "/events", self.events, 200),
            ("GET", "/events/stream", self.event_stream, 200),
            ("PUT", "/artifacts/{digest}", self.put_artifact, 200),
            ("GET", "/applications", self.applications, 200),
            ("POST", "/applications", self.register_application, 201),
            ("GET", "/applications/{name}", self.application, 200),
            ("PATCH", "/applications/{name}", self.update_application, 200),
            ("DELETE", "/applications/{name}", self.unregister_application, 204),
            ("PUT", "/applications/{name}/links/{model}", self.link, 200),
            ("DELETE", "/applications/{name}/links/{model}", self.unlink, 200),
            ("GET", "/models", self.models, 200),
            ("POST", "/models/{model}/versions", self.deploy, 202),
            ("GET", "/models/{model}/versions/{version}", self.version, 200),
            ("DELETE", "/models/{model}/versions/{version}", self.remove_version, 204),
            ("GET", "/models/{model}/versions/{version}/example", self.example, 200),
            ("GET", "/models/{model}/history", self.history, 200),
            ("PUT", "/models/{model}/current", self.set_current, 200),
            ("POST", "/models/{model}/rollback", self.roll_back, 200),
            ("PUT", "/models/{model}/versions/{version}/autoscaling", self.set_autoscaling, 202),
            ("DELETE", "/models/{model}/versions/{version}/autoscaling", self.stop_autoscaling, 202),
            ("GET", "/models/{model}/versions/{version}/credential", self.credential, 200),
            ("PUT", "/models/{model}/versions/{version}/replicas", self.set_num_replicas, 202),
            ("PUT", "/models/{model}/versions/{version}/batching", self.set_batching, 200),
            ("GET", "/models/{model}/versions/{version}/batching", self.batching, 200),
            ("GET", "/queries/{query_id}", self.why, 200),
            ("GET", "/metrics", self.metrics, 200),
            ("GET", "/instance", self.inspect, 200),
            ("GET", "/replicas", self.replicas, 200),
            ("GET", "/frontends/{frontend}/snapshot", self.snapshot, 200),
            ("POST", "/frontends/{frontend}/report", self.report, 204),
            ("PUT", "/frontends/{frontend}/number", self.number, 200),
        ]
        token = (openapi.BEARER, self._check_token)
        secured = fastapi.APIRouter(prefix=_V1, dependencies=[Depends(check) for check in token])
        for method, path, endpoint, status in routes:
            described = openapi.of_route(method, path, endpoint)
            secured.add_api_route(path, endpoint, methods=[method], status_code=status, **described)
        app.include_router(secured)
        app.include_router(Admin(self._control, self._observations, self.replicas).build(*token))
        return app

    async def _check_token(self, request: Request) -> None:
        if not hmac.compare_digest(_bearer(request), self._specs.token.encode()):
            raise Unauthorized("The bearer token is missing or wrong. It is in the cluster's cluster.json.")

    async def health(self) -> answers.Health:
        """Management answers. Needs no token."""
        return {"status": "ok"}

    async def cluster(self) -> answers.Cluster:
        """What runs, and what happened last."""
        heard = {report.frontend: report for report in self._frontends.live()}
        frontends: list[answers.Frontend] = [
            {
                "id": status.labels["frontend"],
                "pid": status.pid,
                "state": "serving"
                if (r := heard.get(status.labels["frontend"])) and r.serving
                else "starting",
                "revision": r.revision if r else None,
                "metrics": r.private if r else None,
            }
            for status in self._reconciler.frontends()
        ]
        return {
            "cluster_name": self._cluster_name,
            "revision": self._control.state.revision,
            "query": self._specs.for_clients[1],
            "management": self._specs.for_clients[0],
            "frontends": frontends,
            "applications": len(self._control.state.applications()),
            "models": len({version.model for version in self._control.state.versions()}),
            "replicas": len(self._reconciler.replicas()),
            "warnings": self._reconciler.troubles(),
            "events": [_event(event) for event in self._events.last(20)],
        }

    async def overview(
        self,
        after_event: Annotated[int | None, Query(ge=0, le=_BIG)] = None,
        after_point: Annotated[int | None, Query(ge=0, le=_BIG)] = None,
        wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
    ) -> answers.Overview:
        """What there is, what happened, and how it went: for views, which ask again and again.

        With the last event and point that they have they get what is newer; with `wait_s` too, when there
        is something, or after that time. A point comes every second.
        """

        def is_newer() -> bool:
            return bool(
                (after_event is None or self._events.newest() > after_event)
                or (after_point is None or self._series.after(after_point))
            )

        if wait_s:
            await self._changes.wait_for(is_newer, wait_s)
        events = await self.events(after_event)
        points: list[answers.Point] = msgspec.to_builtins(self._series.after(after_point))
        return {
            "cluster": await self.cluster(),
            "applications": await self.applications(),
            "models": await self.models(),
            "replicas": await self.replicas(),
            "events": events,
            "points": points,
        }

    async def events(
        self,
        after: Annotated[int | None, Query(ge=0, le=_BIG)] = None,
        limit: Annotated[int, Query(ge=1, le=EVENTS_AT_ONCE)] = 100,
        wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0,
    ) -> list[answers.Event]:
        """What happened last; or after an event, waiting for one where `wait_s` says so. The oldest first."""
        if after is None:
            return [_event(event) for event in self._events.last(limit)]
        return [_event(event) for event in await self._events.after(after, limit, wait_s)]

    async def event_stream(
        self,
        request: Request,
        after: Annotated[int | None, Query(ge=0, le=_BIG)] = None,
        last_event_id: Annotated[int | None, Header(ge=0, le=_BIG)] = None,
    ) -> openapi.EventStream:
        """What happens from now on, or after an event, as server-sent events."""
        newest = self._events.last(1)
        begin = last_event_id if after is None else after
        if begin is None:
            begin = newest[0].id if newest else 0
        headers = {"Cache-Control": "no-store"}
        return openapi.EventStream(self._stream(begin), headers=headers)

    async def _stream(self, after: int) -> AsyncIterator[str]:
        yield ": these are the events of the cluster\n\n"
        while not self._changes.closed:
            events = await self._events.after(after, EVENTS_AT_ONCE, PING_S)
            for event in events:
                after = event.id
                yield f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(_event(event))}\n\n"
            if not events:
                yield ": nothing happened\n\n"

    async def logs(self) -> dict[str, str]:
        """The last part of each process's log."""
        return await self._manager.logs()

    async def log(self, name: str, after: Annotated[int, Query(ge=0, le=_BIG)] = 0) -> answers.Log:
        """A process's log from a position on, and the position to go on from."""
        text, position = await self._manager.log(name, after)
        return {"text": text, "position": position}

    async def put_artifact(self, digest: str, request: Request) -> answers.Artifact:
        """Upload an artifact, as the raw body, under its own digest."""
        size = await self._control.artifacts.put(digest, request.stream(), _announced(request))
        return {"digest": digest, "size": size}

    async def get_artifact(self, digest: str, request: Request) -> FileResponse:
        """Download an artifact, with the cluster's token or the credential of a version that uses it."""
        if not self._is_replica(request, digest):
            raise Unauthorized("The bearer token is missing, or not good for this artifact.")
        path = self._control.artifacts.path(digest)
        return FileResponse(path, media_type="application/octet-stream")

    async def wires(self, request: Request) -> answers.Wires:
        """Where replicas dial query frontends, on Kubernetes: with the token, or a replica's credential."""
        if not self._is_replica(request):
            raise Unauthorized("The bearer token is missing, or not that of a replica.")
        return {"addresses": self._orchestrator().wires()}

    def _is_replica(self, request: Request, digest: str | None = None) -> bool:
        """Whether it has the cluster's token, or the credential of a version: of that artifact, if given."""
        token = _bearer(request)
        allowed = [self._specs.token] + [
            self._specs.replica_token(version.model, version.version)
            for version in self._control.state.versions()
            if digest is None or version.artifact == digest
        ]
        return any(hmac.compare_digest(token, good.encode()) for good in allowed)

    async def applications(self) -> list[answers.Application]:
        """All applications, and the models that are linked to them."""
        return [msgspec.to_builtins(application) for application in self._control.state.applications()]

    async def register_application(self, new: NewApplication) -> answers.Application:
        """Make an endpoint. It answers with the default output until a model is linked."""
        application = ApplicationSpec(
            new.name,
            inputs.canonical(new.input_type),
            new.default_output,
            new.latency_slo_micros,
            [],
            new.on_overload,
        )
        registered = await self._control.register_application(application)
        return _builtins(registered)

    async def application(self, name: str) -> answers.Application:
        """One application."""
        return _builtins(self._control.application(name))

    async def update_application(self, name: str, change: ApplicationChange) -> answers.Application:
        """Give it another latency objective or default output, for the queries that come from now on."""
        fields = change.model_dump(exclude_unset=True)
        if fields.get("latency_slo_micros", 0) is None:
            raise BadRequest("The latency objective is a number of microseconds: leave it out to keep it.")
        application = msgspec.structs.replace(self._control.application(name), **fields)
        return _builtins(await self._control.update_application(application))

    async def unregister_application(self, name: str) -> None:
        """Remove an endpoint."""
        await self._control.unregister_application(name)

    async def link(self, name: str, model: str) -> answers.Application:
        """Let the application ask the model too. Their input types must be the same."""
        return _builtins(await self._control.link(name, model))

    async def unlink(self, name: str, model: str) -> answers.Application:
        """Let the application ask the model no longer."""
        return _builtins(await self._control.unlink(name, model))

    async def models(self) -> list[answers.Version]:
        """Every version of every model."""
        return [self._describe(version) for version in self._control.state.versions()]

    async def deploy(self, model: str, new: NewVersion, x_clipper_who: Who = "") -> answers.Version:
        """Start a version. Ask for it with `wait_s` to learn what became of it."""
        version = Version(
            model,
            new.version,
            inputs.canonical(new.input_type),
            new.artifact,
            new.labels,
            new.num_replicas if new.artifact is not None else 0,
            parse_batching(new.batching, new.batch_delay_micros),
            hang_after_s=new.hang_after_s,
            max_cached_input=new.max_cached_input,
            resources=Resources.of(**new.resources.model_dump()),
            runtime=Runtime(new.python, image=new.image),
            deployed_by=x_clipper_who,
            message=new.message,
            make_current=new.make_current,
        )
        await self._control.deploy(version)
        return await self.version(model, new.version)

    async def version(
        self, model: str, version: str, wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 0
    ) -> answers.Version:
        """One version; with `wait_s`, when its replicas are ready or it failed, or after that time."""

        def ready() -> int:
            return self._reconciler.ready(model, version)

        if wait_s:
            return self._describe(await self._control.settled(model, version, ready, wait_s))
        return self._describe(self._control.version(model, version))

    def _describe(self, version: Version) -> answers.Version:
        ready = self._reconciler.ready(version.model, version.version)
        num_replicas = version.num_replicas
        if version.artifact is None:
            ready = len(self._frontends.ready_replicas(version.model, version.version))
            num_replicas = ready  # as many as dial in
        state: str = version.state
        error, ended = version.error, ""
        if state == "ready" and ready < num_replicas:
            state, ended = "starting", self._reconciler.last_end(version.model, version.version)
            if (words := self._reconciler.crash_loop(version.model, version.version)) is not None:
                state, error = "crashing", f"Its replicas crash again and again. Last words: {words}"
                ended = ""
        bounds = version.autoscaling
        return {
            "model_name": version.model,
            "model_version": version.version,
            "input_type": version.input_type,
            "labels": version.labels,
            "artifact": version.artifact,
            "batching": str(version.batching),
            "batch_delay_micros": version.batching.delay_micros,
            "size": version.size,
            "hang_after_s": version.hang_after_s,
            "max_cached_input": version.max_cached_input,
            "num_replicas": num_replicas,
            "ready_replicas": ready,
            "autoscaling": [bounds.min_replicas, bounds.max_replicas] if bounds else None,
            "cpu_percent": bounds.cpu_percent if bounds else None,
            "resources": msgspec.to_builtins(version.resources),
            "python": version.runtime.python,
            "image": version.runtime.image,
            "requirements": list(version.runtime.requirements),
            "deployed_by": version.deployed_by,
            "message": version.message,
            "state": state,
            "preparing": self._reconciler.preparing(version),
            "warnings": [
                *self._frontends.warnings(version.model, version.version),
                *([ended] if ended else []),
                *self._reconciler.troubles(version.model, version.version),
            ],
            "error": error,
            "is_current_version": self._control.state.current().get(version.model) == version.version,
        }

    async def example(self, model: str, version: str) -> answers.Example:
        """The input that was packaged with it as an example; null where there is none."""
        return {"input": self._control.example_input(model, version)}

    async def remove_version(self, model: str, version: str, x_clipper_who: Who = "") -> None:
        """Stop its replicas and forget it."""
        await self._control.remove_version(model, version, x_clipper_who)

    async def history(self, model: str) -> list[answers.Move]:
        """Who made which version current, when and why; the last move at the end."""
        return [msgspec.to_builtins(move) for move in self._control.history(model)]

    async def set_current(
        self, model: str, current: CurrentVersion, x_clipper_who: Who = ""
    ) -> answers.Version:
        """Go back or forward: a move of the pointer to a version whose replicas run."""
        moved = await self._control.set_current(model, current.version, x_clipper_who, current.message)
        return self._describe(moved)

    async def roll_back(self, model: str, why: Message, x_clipper_who: Who = "") -> answers.Version:
        """Go back to the version before the current one."""
        return self._describe(await self._control.roll_back(model, x_clipper_who, why.message))

    async def set_autoscaling(self, model: str, version: str, bounds: Bounds) -> answers.Version:
        """Let the number of replicas follow the load, between bounds."""
        wanted = Autoscaling(bounds.min_replicas, bounds.max_replicas, bounds.cpu_percent)
        return self._describe(await self._control.set_autoscaling(model, version, wanted))

    async def stop_autoscaling(self, model: str, version: str) -> answers.Version:
        """Leave the number of replicas as it is now."""
        return self._describe(await self._control.set_autoscaling(model, version, None))

    async def credential(self, model: str, version: str) -> dict[str, str]:
        """With what a model that runs elsewhere on this machine dials in."""
        found = self._control.version(model, version)
        if found.artifact is not None:
            raise BadRequest(f"{found} runs in containers of the cluster. register_model is for others.")
        return self._specs.outside(model, version)

    async def set_num_replicas(self, model: str, version: str, count: NumReplicas) -> answers.Version:
        """Start or stop replicas. Ask for the version with `wait_s` to learn when they are ready."""
        return self._describe(await self._control.set_num_replicas(model, version, count.num_replicas))

    async def set_batching(self, model: str, version: str, batching: Batching) -> answers.Version:
        """Form batches in another way from now on, without a restart."""
        spec = parse_batching(batching.batching, batching.batch_delay_micros)
        return self._describe(await self._control.set_batching(model, version, spec))

    async def batching(self, model: str, version: str) -> list[dict[str, Any]]:
        """How each live query frontend forms batches, and what they took."""
        self._control.version(model, version)
        return await self._observations.batching(model, version)

    async def why(self, query_id: int) -> dict[str, Any]:
        """The path of one of the last queries, with times."""
        return await self._observations.why(query_id)

    async def metrics(self) -> Response:
        """The metrics of all live query frontends, in Prometheus's format."""
        return Response(await self._observations.metrics(), media_type=PROMETHEUS)

    async def inspect(self) -> dict[str, Any]:
        """The same, summed up under Clipper's names."""
        return clipper_names(await self._observations.metrics())

    async def replicas(self) -> list[answers.Replica]:
        """Every replica that runs here, and those that run elsewhere and have dialled in."""
        found = [
            self._replica(**status.labels, state=state, pid=status.pid or None)
            for status, state in self._reconciler.replicas()
        ]
        for version in self._control.state.versions():
            if version.artifact is None:
                ready = self._frontends.ready_replicas(version.model, version.version)
                for name in self._frontends.seen(version.model, version.version):
                    state = "ready" if name in ready else "starting"
                    found.append(self._replica(version.model, version.version, name, state, None))
        return found

    def _replica(
        self, model: str, version: str, replica: str, state: str, pid: int | None
    ) -> answers.Replica:
        deployed = self._control.state.version(model, version)
        return {
            "model_id": f"{model}:{version}",
            "model_name": model,
            "model_version": version,
            "model_replica_id": replica,
            "input_type": deployed.input_type if deployed else None,
            "state": state,
            "pid": pid,
            "num_predictions": self._frontends.answered(model, version, replica),
            "gpu": msgspec.to_builtins(self._frontends.gpu(model, version, replica)),
        }

    async def snapshot(
        self, frontend: str, after: int, wait_s: Annotated[float, Query(ge=0, le=MAX_WAIT_S)]
    ) -> Response:
        """For query frontends: the next snapshot after a revision, or 204 after `wait_s` seconds."""
        newer = await self._changes.wait_for(lambda: self._control.state.revision != after, wait_s)
        if not newer:
            return Response(status_code=204)
        return Response(msgspec.json.encode(self._control.snapshot()), media_type="application/json")

    async def report(self, frontend: str, request: Request) -> None:
        """For query frontends: what they see."""
        try:
            report = msgspec.json.decode(await request.body(), type=Report)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadRequest(f"This is no report of a query frontend: {error}.") from None
        self._frontends.on_report(report)

    async def number(self, frontend: str) -> answers.Number:
        """For query frontends that know their name alone: the number in their query ids."""
        return {"number": self._orchestrator().number(frontend)}

    def _orchestrator(self) -> Orchestrator:
        if not isinstance(self._manager, Orchestrator):
            raise BadRequest("The parts of this cluster are told their numbers, and where the others are.")
        return self._manager


def _builtins(application: ApplicationSpec) -> answers.Application:
    fields: answers.Application = msgspec.to_builtins(application)
    return fields


def _event(event: Event) -> answers.Event:
    fields: answers.Event = msgspec.to_builtins(event)
    return fields


def _announced(request: Request) -> int:
    """The size that the client gives its body, in bytes; 0 where it does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _bearer(request: Request) -> bytes:
    """The token, also from a header of our own: the Kubernetes API server's proxy takes the other one out."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.headers.get("x-clipper-token", "")
    return token.encode()
