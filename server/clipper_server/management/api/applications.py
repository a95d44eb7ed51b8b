"""Applications, and their links to models."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from fastapi import APIRouter

from clipper_container import inputs
from clipper_container.errors import BadRequest

from ...snapshot import ApplicationSpec
from ..control import Control, find
from . import answers, openapi
from .bodies import Body, Whole


class NewApplication(Body):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: Whole
    on_overload: Literal["default", "reject"] = "default"


class ApplicationChange(Body):
    """What is left out stays as it is."""

    latency_slo_micros: Whole | None = None
    default_output: Any = None


class Applications:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._state = control.state

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/applications", self.applications, 200),
            ("POST", "/applications", self.register_application, 201),
            ("GET", "/applications/{name}", self.application, 200),
            ("PATCH", "/applications/{name}", self.update_application, 200),
            ("DELETE", "/applications/{name}", self.unregister_application, 204),
            ("PUT", "/applications/{name}/links/{model}", self.link, 200),
            ("DELETE", "/applications/{name}/links/{model}", self.unlink, 200),
        )

    async def applications(self) -> list[answers.Application]:
        """All applications, and the models that are linked to them."""
        return [msgspec.to_builtins(application) for application in self._state.applications()]

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
        registered = await self._control.applications.register(application)
        return _builtins(registered)

    async def application(self, name: str) -> answers.Application:
        """One application."""
        return _builtins(find.application(self._state, name))

    async def update_application(self, name: str, change: ApplicationChange) -> answers.Application:
        """Give it another latency objective or default output, for the queries that come from now on."""
        fields = change.model_dump(exclude_unset=True)
        if fields.get("latency_slo_micros", 0) is None:
            raise BadRequest("The latency objective is a number of microseconds: leave it out to keep it.")
        application = msgspec.structs.replace(find.application(self._state, name), **fields)
        return _builtins(await self._control.applications.update(application))

    async def unregister_application(self, name: str) -> None:
        """Remove an endpoint."""
        await self._control.applications.unregister(name)

    async def link(self, name: str, model: str) -> answers.Application:
        """Let the application ask the model too. Their input types must be the same."""
        return _builtins(await self._control.applications.link(name, model))

    async def unlink(self, name: str, model: str) -> answers.Application:
        """Let the application ask the model no longer."""
        return _builtins(await self._control.applications.unlink(name, model))


def _builtins(application: ApplicationSpec) -> answers.Application:
    fields: answers.Application = msgspec.to_builtins(application)
    return fields
