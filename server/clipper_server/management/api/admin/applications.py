"""Clipper's calls about applications and their links."""

from __future__ import annotations

from typing_extensions import TypedDict

from clipper_container import inputs
from clipper_container.errors import AlreadyExists, BadRequest

from ....snapshot import ApplicationSpec
from ...control import Control, fit
from ..bodies import Body, Whole
from .clippers import Name, Nothing, Verbose, as_text, as_value, known_versions, no_such


class AddApp(Body):
    """`default_output` is a text, and the JSON value that it spells where it spells one."""

    name: str
    input_type: str
    default_output: str
    latency_slo_micros: Whole


class AppName(Body):
    app_name: str


class Links(Body):
    app_name: str
    model_names: list[str]


class ClipperApplication(TypedDict):
    name: str
    input_type: str
    default_output: str
    latency_slo_micros: int
    linked_models: list[str]


class Applications:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._state = control.state

    async def add_app(self, new: AddApp) -> str:
        """Make an endpoint."""
        if self._state.application(new.name) is not None:
            raise AlreadyExists(f"application '{new.name}' already exists")
        await self._control.applications.register(
            ApplicationSpec(
                new.name,
                inputs.canonical(new.input_type),
                as_value(new.default_output),
                new.latency_slo_micros,
                [],
            )
        )
        return f"Successfully added application with name '{new.name}'"

    async def delete_app(self, wanted: Name) -> str:
        """Remove an endpoint."""
        self._application(wanted.name, f"Application '{wanted.name}' does not exist")
        await self._control.applications.unregister(wanted.name)
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
            models = dict.fromkeys(version.model for version in known_versions(self._state))
            if name not in models:
                raise no_such(f"No model with name '{name}' exists.", name, models)
            for version in fit.deciding(self._state, name):
                if version.input_type != application.input_type:
                    raise BadRequest(
                        f"Model with name '{name}' has incompatible input_type '{version.input_type}'. "
                        f"Requested app to link to has input_type '{application.input_type}'."
                    )
        await self._control.applications.link(app, *names)
        if len(names) == 1:
            return f"Successfully linked model with name '{names[0]}' to application '{app}'"
        quoted = ", ".join(f"'{name}'" for name in names)
        return f"Successfully linked models with names {quoted} to application '{app}'"

    async def delete_model_links(self, links: Links) -> str:
        """Remove links: all of them, or none."""
        self._application(links.app_name, f"No app with name {links.app_name} exists.")
        await self._control.applications.unlink(links.app_name, *links.model_names)
        return "Success!"

    async def get_linked_models(self, wanted: AppName) -> list[str]:
        """The names of an application's models."""
        name = wanted.app_name
        return self._application(name, f"No application with name '{name}' exists.").linked_models

    async def get_all_applications(self, wanted: Verbose) -> list[str] | list[ClipperApplication]:
        """The names of all applications; with `verbose` what they are."""
        applications = self._state.applications()
        if wanted.verbose:
            return [_application(application) for application in applications]
        return [application.name for application in applications]

    async def get_application(self, wanted: Name) -> ClipperApplication | Nothing:
        """What an application is; an empty object where there is none of that name."""
        found = self._state.application(wanted.name)
        return {} if found is None else _application(found)

    def _application(self, name: str, otherwise: str) -> ApplicationSpec:
        found = self._state.application(name)
        if found is None:
            raise no_such(otherwise, name, (each.name for each in self._state.applications()))
        return found


def _application(application: ApplicationSpec) -> ClipperApplication:
    return {
        "name": application.name,
        "input_type": application.input_type,
        "default_output": as_text(application.default_output),
        "latency_slo_micros": application.latency_slo_micros,
        "linked_models": application.linked_models,
    }
