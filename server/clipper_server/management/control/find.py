"""What an operation is about: found by its name, or an error that says which names there are."""

from __future__ import annotations

from clipper_container.errors import NotFound

from ...snapshot import ApplicationSpec
from ..state import State, Version


def application(state: State, name: str) -> ApplicationSpec:
    """Raises NotFound."""
    found = state.application(name)
    if found is None:
        known = ", ".join(a.name for a in state.applications()) or "none yet"
        raise NotFound(f"There is no application {name!r}. Applications: {known}.")
    return found


def version(state: State, model: str, name: str) -> Version:
    """Raises NotFound."""
    found = state.version(model, name)
    if found is None:
        known = ", ".join(v.version for v in state.versions() if v.model == model)
        have = f"Its versions: {known}." if known else "That model has no versions: deploy one."
        raise NotFound(f"There is no version {name!r} of model {model!r}. {have}")
    return found


def versions(state: State, model: str) -> list[Version]:
    """Those that did not fail, the oldest first. Raises NotFound where there is none."""
    found = [v for v in state.versions() if v.model == model and v.state != "failed"]
    if not found:
        known = ", ".join(sorted({v.model for v in state.versions()})) or "none yet"
        raise NotFound(f"There is no model {model!r}. Models: {known}. Deploy it first.")
    return found
