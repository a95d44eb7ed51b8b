"""Labels of versions: names by which clients ask for one, and that can be moved."""

from __future__ import annotations

from clipper_container.errors import BadRequest, NotFound
from clipper_container.near import meant

from ..state import State, Version
from . import find
from .names import check_version_label
from .publisher import Publisher, by, subject


class Labels:
    """A label is a model's, and names one of its versions that is deployed."""

    def __init__(self, state: State, publisher: Publisher) -> None:
        self._state = state
        self._publisher = publisher

    async def set(self, model: str, label: str, version: str, who: str) -> Version:
        """Raises NotFound, or BadRequest where the version cannot answer."""
        check_version_label(label)
        found = find.version(self._state, model, version)
        if found.state != "ready":
            raise BadRequest(f"{found} cannot have a label: it is {found.state}.")
        before = self._state.version_labels().get(model, {}).get(label)
        if before != version:
            self._state.set_version_label(model, label, version)
            moved = "" if before is None else f", and {model}:{before} no more"
            text = f"{found} has the label {label}{moved}{by(who, '')}."
            await self._publisher.publish("label", text, **subject(found))
        return found

    async def remove(self, model: str, label: str, who: str) -> None:
        """Raises NotFound."""
        labels = self._state.version_labels().get(model, {})
        if label not in labels:
            find.versions(self._state, model)
            known = ", ".join(labels) or "none yet"
            near = meant(label, labels)
            raise NotFound(f"No version of model {model} has the label {label!r}.{near} Its labels: {known}.")
        self._state.set_version_label(model, label, None)
        text = f"{model}:{labels[label]} has the label {label} no more{by(who, '')}."
        await self._publisher.publish("label", text, model=model, version=labels[label])


def of(state: State, model: str, version: str) -> list[str]:
    """Those of a version."""
    labels = state.version_labels().get(model, {})
    return [label for label, named in labels.items() if named == version]


def check_remove(state: State, version: Version) -> None:
    """Raises BadRequest: who asks by the label would be refused from then on."""
    if labels := of(state, version.model, version.version):
        named = f"the label{'s' if len(labels) > 1 else ''} {', '.join(labels)}"
        raise BadRequest(
            f"{version} cannot be removed, as clients ask for it by {named}. Move it by set_version_label, "
            f'or take it away: set_version_label("{version.model}", None, "{labels[0]}").'
        )
