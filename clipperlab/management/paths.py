"""Where in the API a thing is. Names are checked here, so that they can stand in a URL: BadRequest."""

from __future__ import annotations

from ..names import check_name


def application(name: str) -> str:
    return f"/applications/{check_name('application', name)}"


def model(name: str) -> str:
    return f"/models/{check_name('model', name)}"


def version(name: str, version: object) -> str:
    return f"{model(name)}/versions/{check_name('version', version)}"
