"""What an operation is about: found by its name, or an error that says which names there are."""

from __future__ import annotations

from clipper_container.errors import NotFound
from clipper_container.near import meant, unknown

from ...snapshot import ApplicationSpec
from ..state import State, Version


def application(state: State, name: str) -> ApplicationSpec:
    """Raises NotFound."""
    found = state.application(name)
    if found is None:
        known = (each.name for each in state.applications())
        raise NotFound(unknown("application", name, "Applications", known))
    return found


def version(state: State, model: str, name: str) -> Version:
    """Raises NotFound."""
    found = state.version(model, name)
    if found is None:
        known = [v.version for v in state.versions() if v.model == model]
        if known:
            told = f"{meant(name, known)} Its versions: {', '.join(known)}."
        else:
            models = dict.fromkeys(v.model for v in state.versions())
            told = f"{meant(model, models)} That model has no versions: deploy one."
        raise NotFound(f"There is no version {name!r} of model {model!r}.{told}")
    return found


def versions(state: State, model: str) -> list[Version]:
    """Those that did not fail, the oldest first. Raises NotFound where there is none."""
    found = [v for v in state.versions() if v.model == model and v.state != "failed"]
    if not found:
        known = sorted({v.model for v in state.versions()})
        raise NotFound(f"{unknown('model', model, 'Models', known)} Deploy it first.")
    return found
