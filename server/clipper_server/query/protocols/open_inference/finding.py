"""Models as clients name them: an application, and perhaps a version of the models that it may ask."""

from __future__ import annotations

from clipper_container.errors import NotFound

from ...application import Application
from .. import Served
from . import OpenInferenceProtocol, infer_path


def find(served: Served, name: str, version: str | None = None) -> Application:
    """Raises NotFound."""
    found = served.applications.get(name)
    if found is None:
        raise NotFound(f"Model with name {name} does not exist.")
    if version is not None and version not in served.versions_of(found):
        raise NotFound(f"Model with name {name} and version {version} does not exist.")
    return found


def adapter_of(served: Served, name: str, version: str | None) -> OpenInferenceProtocol:
    """Of one that was found."""
    found = served.routes[infer_path(name, version).encode()]
    assert isinstance(found, OpenInferenceProtocol)
    return found


def is_ready(application: Application, version: str | None) -> bool:
    return any(queue.ready for queue in application.queues(version))
