"""Kubernetes' own schemas, by which each of its versions takes an object, or not; each is loaded once."""

from __future__ import annotations

import functools
import re
from typing import Any


@functools.cache
def validator(kind: str, api_version: str, version: str) -> Any:
    """jsonschema's, strict: it knows no field that Kubernetes does not know. None for an unknown kind."""
    import jsonschema  # late: it takes a second and a half
    from kubernetes_validate import utils

    folder, registry = _definitions(version)
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = utils.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(schema, registry=registry)


@functools.cache
def _definitions(version: str) -> tuple[str, Any]:
    from kubernetes_validate import utils

    known = [found for found in utils.all_versions() if utils.major_minor(found) == version]
    folder = f"kubernetes-json-schema/v{known[-1]}-local-strict"
    definitions = utils.schema_contents(f"{folder}/_definitions.json", version)
    return folder, (utils.Resource.from_contents(definitions) @ utils.Registry()).crawl()


def validate(manifest: dict[str, Any], version: str) -> None:
    """Raises jsonschema.ValidationError."""
    found = validator(manifest["kind"], manifest["apiVersion"], version)
    assert found is not None, f"Kubernetes {version} has no {manifest['apiVersion']} {manifest['kind']}"
    found.validate(manifest)
