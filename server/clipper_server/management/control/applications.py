"""Applications, and the models that are linked to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipper_container.near import meant

from ...snapshot import ApplicationSpec
from ..state import State
from . import find, fit
from .names import check_name
from .policies import check_unlink
from .publisher import Publisher


class Applications:
    """The endpoints of a cluster. `forget` is called with the name of one that is removed."""

    def __init__(self, state: State, publisher: Publisher, forget: Callable[[str], Awaitable[None]]) -> None:
        self._state = state
        self._publisher = publisher
        self._forget = forget

    async def register(self, application: ApplicationSpec) -> ApplicationSpec:
        check_name("application", application.name)
        _check_objective(application)
        if self._state.application(application.name) is not None:
            raise AlreadyExists(
                f"There is an application {application.name!r} already. Remove it with "
                "unregister_application, or use another name."
            )
        self._state.add_application(application)
        await self._publisher.publish(
            "application", f"Registered application {application.name}.", application=application.name
        )
        return find.application(self._state, application.name)

    async def update(self, application: ApplicationSpec) -> ApplicationSpec:
        """Another objective or default output, for the queries that come from now on."""
        find.application(self._state, application.name)
        _check_objective(application)
        self._state.update_application(application)
        objective = f"{application.latency_slo_micros / 1000:g} ms"
        default = msgspec.json.encode(application.default_output).decode()[:100]
        text = (
            f"Application {application.name} has the objective {objective} and the default output {default}."
        )
        await self._publisher.publish("application", text, application=application.name)
        return find.application(self._state, application.name)

    async def unregister(self, name: str) -> None:
        find.application(self._state, name)
        self._state.remove_application(name)
        await self._forget(name)
        await self._publisher.publish("application", f"Removed application {name}.", application=name)

    async def link(self, application: str, *models: str) -> ApplicationSpec:
        """Link all of the models, or none."""
        spec = find.application(self._state, application)
        for model in models:
            deciding = fit.deciding(self._state, model)
            if model in spec.linked_models or models.count(model) > 1:
                raise AlreadyExists(f"A model with name {model} is already linked to '{application}'.")
            for version in deciding:
                if version.input_type != spec.input_type:
                    raise BadRequest(
                        f"Model {model} takes {version.input_type} in version {version.version}, and "
                        f"application {application} {spec.input_type}: their input types must be the same."
                    )
        self._state.link(application, *models)
        for model in models:
            text = f"Linked model {model} to application {application}."
            self._publisher.announce("link", text, application=application, model=model)
        await self._publisher.acknowledged()
        return find.application(self._state, application)

    async def unlink(self, application: str, *models: str) -> ApplicationSpec:
        """Unlink all of the models, or none."""
        spec = find.application(self._state, application)
        for model in models:
            if model not in spec.linked_models:
                near = meant(model, spec.linked_models)
                raise NotFound(
                    f"Cannot remove nonexistent link between app {application} and model {model}.{near}"
                )
        check_unlink(spec, models)
        self._state.unlink(application, *models)
        for model in models:
            text = f"Unlinked model {model} from application {application}."
            self._publisher.announce("link", text, application=application, model=model)
        await self._publisher.acknowledged()
        return find.application(self._state, application)


def _check_objective(application: ApplicationSpec) -> None:
    if application.latency_slo_micros <= 0:
        raise BadRequest("The latency objective is in microseconds, and must be above 0.")
