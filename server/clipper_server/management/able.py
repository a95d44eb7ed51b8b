"""Whether a version could answer: it has a replica, or one comes where it is asked for."""

from __future__ import annotations

from clipper_container.errors import BadRequest

from .frontends import Frontends
from .state import Version


def why_not(version: Version, frontends: Frontends) -> str | None:
    """A sentence, where it could not answer now; None where it could, or nobody knows."""
    if (why := without_replicas(version)) is not None:
        return why
    key = version.model, version.version
    sleeps = version.wakes and not version.num_replicas
    if sleeps or not frontends.serving() or frontends.ready_replicas(*key) or frontends.waking(*key):
        return None
    if version.artifact is None:
        return f"{version} runs elsewhere, and no replica of it has dialed in: start it there."
    return f"No replica of {version} is ready to answer. Its events and its log say why: wait until one is."


def check_able(version: Version, frontends: Frontends) -> None:
    """Raises BadRequest where it could not answer now."""
    if (why := why_not(version, frontends)) is not None:
        raise BadRequest(why)


def check_replicas(version: Version) -> None:
    """Raises BadRequest where it has no replicas and gets none by itself."""
    if (why := without_replicas(version)) is not None:
        raise BadRequest(why)


def without_replicas(version: Version) -> str | None:
    """A sentence, where it has no replicas and gets none by itself."""
    if version.num_replicas or version.artifact is None or version.wakes:
        return None
    return f"{version} has no replicas, and could answer nothing: set_num_replicas gives it some."
