"""Whether a model takes what its applications send: their input types are the same."""

from __future__ import annotations

from clipper_container.errors import BadRequest

from ..state import State, Version
from . import find, uses


def deciding(state: State, model: str) -> list[Version]:
    """The versions whose input type decides over a link. Raises NotFound.

    The current one, and those that become current when they are ready; where there are none, the newest.
    """
    versions = find.versions(state, model)
    current = state.current().get(model)
    found = [v for v in versions if v.version == current or (v.state == "starting" and v.make_current)]
    return found or versions[-1:]


def fits(state: State, version: Version) -> bool:
    """Whether it may be current: all applications that its model is linked to send what it takes."""
    return _misfit(state, version) is None and uses.circle(state, version) is None


def check_fits(state: State, version: Version) -> None:
    """Raises BadRequest, with the reason, where it may not be current."""
    application = _misfit(state, version)
    if application is not None:
        raise BadRequest(
            f"Model {version.model} is linked to application {application[0]}, which takes {application[1]}: "
            f"version {version.version} takes {version.input_type}, and cannot be current. Unlink the model "
            "first, or link another one."
        )
    if (why := uses.circle(state, version)) is not None:
        raise BadRequest(why)


def _misfit(state: State, version: Version) -> tuple[str, str] | None:
    """The name and the input type of an application that sends something else."""
    for application in state.applications():
        if version.model in application.linked_models and application.input_type != version.input_type:
            return application.name, application.input_type
    return None
