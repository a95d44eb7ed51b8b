"""Which model a client means: an application, a version by its number or by its label."""

from __future__ import annotations

from ...application import Application
from ...cors import CORS
from .. import Served
from . import paths
from .model import Model
from .paths import Named
from .refusals import no_label, no_servable, no_versions

AVAILABLE, LOADING = "AVAILABLE", "LOADING"


class Models:
    """Of one frontend. What was made of the snapshot before is forgotten by `configure`."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._made: dict[tuple[str, str | None], Model] = {}

    @property
    def cors(self) -> CORS | None:
        return self._served.cors

    def configure(self) -> None:
        self._made.clear()

    def find(self, named: Named) -> Model:
        """Raises Refused where there is no such application, version or label."""
        application = self._served.applications.get(named.model)
        if application is None:
            raise no_servable(named.model, named.version)
        version = named.version
        if named.label is not None:
            version = self._labelled(application, named.label)
        elif version is not None and version not in self._served.versions_of(application):
            raise no_servable(named.model, version)
        key = named.model, version
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Model(application, version, self._served.limits)
        return found

    def states(self, named: Named) -> list[tuple[str, str]]:
        """Versions, the newest first, and the state of each. Raises Refused."""
        application = self._served.applications.get(named.model)
        if application is None:
            raise no_versions(named.model)
        if named.label is not None:
            versions = [self._labelled(application, named.label)]
        else:
            versions = [v for v in self._served.versions_of(application) if paths.is_number(v)]
            versions.sort(key=int, reverse=True)
            if named.version is not None:
                versions = [version for version in versions if version == named.version]
            if not versions:
                raise no_versions(named.model, named.version)
        return [(version, self._state(application, version)) for version in versions]

    @staticmethod
    def _state(application: Application, version: str) -> str:
        able = any(queue.able for queue in application.queues(version))
        return AVAILABLE if able else LOADING

    def _labelled(self, application: Application, label: str) -> str:
        for model in dict.fromkeys(arm.model for arm in application.policy.arms):
            version = self._served.labels.get(model, {}).get(label)
            if version is not None:
                return version
        raise no_label(label)
