"""Which models there are, and what loads and unloads them.

Models are deployed from Python. What is here, a load makes current, and an unload removes; both are
management's to do, with the token that the caller sent, and with no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from clipper_container.errors import BadRequest

from .. import Headers, Served
from ..passing import HOW, model_of, path_of, token_of
from .finding import find, is_ready


def index(served: Served, *, ready: bool = False) -> list[dict[str, str]]:
    """All versions of all models, or those that are ready."""
    found = []
    for name, application in sorted(served.applications.items()):
        versions = served.versions_of(application)
        for version in versions:
            if is_ready(application, version):
                found.append({"name": name, "version": version, "state": "READY", "reason": ""})
            elif not ready:
                reason = "It has no replica that is ready."
                found.append({"name": name, "version": version, "state": "UNAVAILABLE", "reason": reason})
        if not versions and not ready:
            reason = application.unlinked().message
            found.append({"name": name, "version": "", "state": "UNAVAILABLE", "reason": reason})
    return found


class _Specific(msgspec.Struct, forbid_unknown_fields=True):
    versions: Annotated[list[int | str], msgspec.Meta(min_length=1, max_length=1)]


class _Policy(msgspec.Struct, forbid_unknown_fields=True):
    specific: _Specific


class _Configured(msgspec.Struct, forbid_unknown_fields=True):
    version_policy: _Policy


async def load(served: Served, name: str, parameters: Mapping[str, Any], headers: Headers) -> None:
    """Make the version current that the parameters name. Without one it is enough that one is ready."""
    if any(key.startswith("file:") for key in parameters):
        raise BadRequest(f"{HOW}: send no files.")
    version = _version(parameters)
    if (config := parameters.get("config")) is not None:
        version = _configured(config)
    application = find(served, name, version)
    if version is None:
        if not is_ready(application, None):
            raise BadRequest(
                f"Model with name {name} is not ready. Deploy a version of a model that it is linked to."
            )
        return
    body = {"version": version, "message": "A client of Open Inference loaded it."}
    await served.pass_on("PUT", path_of(model_of(application), "current"), token_of(headers), body)


async def unload(served: Served, name: str, parameters: Mapping[str, Any], headers: Headers) -> None:
    """Remove the version that the parameters name. Where it was current, the one before it is."""
    version = _version(parameters)
    application = find(served, name, version)
    if version is None:
        raise BadRequest(
            f'Say which version of {name} goes, by the parameter "version". From Python, stop_models stops a '
            "whole model, and delete_application an application."
        )
    await served.pass_on("DELETE", path_of(model_of(application), "versions", version), token_of(headers))


def _version(parameters: Mapping[str, Any]) -> str | None:
    version = parameters.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, str | int)):
        raise BadRequest('The parameter "version" is a text.')
    return None if version is None else str(version)


def _configured(config: Any) -> str:
    """The version that Triton's configuration names, which may say nothing else: so its clients have it."""
    try:
        return str(msgspec.json.decode(config, type=_Configured).version_policy.specific.versions[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        wanted = '{"version_policy": {"specific": {"versions": [1]}}}'
        raise BadRequest(f"{HOW}. A configuration may say which version is current, as {wanted}.") from None
