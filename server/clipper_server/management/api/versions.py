"""Versions of models: deployed, looked at, removed."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from clipper_container import inputs, variables
from clipper_container.resources import Resources

from ...places import Runtime
from ...snapshot import DEFAULT_HANG_AFTER_S, DEFAULT_MAX_CACHED_INPUT
from ...turns import Turn
from ..control import Control, find
from ..running import Running
from ..specs import parse_batching
from ..state import Version
from . import answers, openapi
from .bodies import Body, Number, Whole
from .describe import Describe
from .parameters import WaitS, Who


class Limits(Body):
    cpus: Number | None = None
    memory: int | str | None = None
    gpus: Whole = 0
    devices: dict[str, Whole] = Field(default_factory=dict)
    shared_memory: int | str | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, str | int]] = Field(default_factory=list)


class NewVersion(Body):
    """`artifact` is None for a model that runs elsewhere and dials in."""

    version: str
    input_type: str
    artifact: str | None
    labels: list[str] = Field(default_factory=list)
    num_replicas: Whole = 1
    batching: str = "learned"
    batch_delay_micros: Whole = 0
    hang_after_s: Number = DEFAULT_HANG_AFTER_S
    max_cached_input: Whole = DEFAULT_MAX_CACHED_INPUT
    concurrency: Whole = 1
    uses: list[str] = Field(default_factory=list)
    stages: list[list[str]] = Field(default_factory=list)
    resources: Limits = Field(default_factory=Limits)
    python: str = ""
    image: str = ""
    env: dict[str, str] = Field(default_factory=dict)
    make_current: bool = True
    message: str = Field(default="", max_length=2000)


class Named(Body):
    model: str
    version: str


class Removal(Body):
    versions: list[Named]


class Versions:
    def __init__(self, control: Control, running: Running, describe: Describe) -> None:
        self._control = control
        self._running = running
        self._describe = describe
        self._state = control.state

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/models", self.models, 200),
            ("POST", "/models/{model}/versions", self.deploy, 202),
            ("GET", "/models/{model}/versions/{version}", self.version, 200),
            ("DELETE", "/models/{model}/versions/{version}", self.remove_version, 204),
            ("POST", "/removals", self.remove_versions, 204),
            ("GET", "/models/{model}/versions/{version}/example", self.example, 200),
        )

    async def models(self) -> list[answers.Version]:
        """Every version of every model."""
        found, turn = [], Turn()
        for version in self._state.versions():
            found.append(self._describe(version))
            await turn.pause()
        return found

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
            concurrency=new.concurrency,
            uses=new.uses,
            stages=new.stages,
            resources=Resources.of(**new.resources.model_dump()),
            runtime=Runtime(new.python, image=new.image),
            env=variables.read(new.env),
            deployed_by=x_clipper_who,
            message=new.message,
            make_current=new.make_current,
        )
        await self._control.versions.deploy(version)
        return await self.version(model, new.version)

    async def version(self, model: str, version: str, wait_s: WaitS = 0) -> answers.Version:
        """One version; with `wait_s`, when its replicas are ready or it failed, or after that time."""

        def ready() -> int:
            return self._running.ready(model, version)

        if wait_s:
            return self._describe(await self._control.versions.settled(model, version, ready, wait_s))
        return self._describe(find.version(self._state, model, version))

    async def remove_version(self, model: str, version: str, x_clipper_who: Who = "") -> None:
        """Stop its replicas and forget it."""
        await self._control.versions.remove([(model, version)], x_clipper_who)

    async def remove_versions(self, removal: Removal, x_clipper_who: Who = "") -> None:
        """Stop the replicas of these versions and forget them, in this order; none where one is refused."""
        versions = [(named.model, named.version) for named in removal.versions]
        await self._control.versions.remove(versions, x_clipper_who)

    async def example(self, model: str, version: str) -> answers.Example:
        """The input that was packaged with it as an example; null where there is none."""
        return {"input": self._control.versions.example_input(model, version)}
