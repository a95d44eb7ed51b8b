"""What is refused, in TensorFlow Serving's words and by its codes, which are gRPC's."""

from __future__ import annotations

from clipper_container.errors import BadRequest

INVALID, NOT_FOUND, FAILED = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"
HTTP = {
    "OK": 200,
    INVALID: 400,
    FAILED: 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    NOT_FOUND: 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The HTTP status of each code."""


class Refused(BadRequest):
    """A request that is not answered; `code` says why."""

    def __init__(self, message: str, code: str = INVALID) -> None:
        super().__init__(message)
        self.code = code

    @property
    def http_status(self) -> int:  # type: ignore[override]
        return HTTP[self.code]


def no_servable(name: str, version: str | None) -> Refused:
    which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return Refused(f"Servable not found for request: {which}", NOT_FOUND)


def no_label(label: str) -> Refused:
    return Refused(f"Unrecognized servable version label: {label}")


def no_versions(name: str, version: str | None = None) -> Refused:
    """Whose state was asked for."""
    which = f"model {name}" if version is None else f"version {version} of model {name}"
    return Refused(f"Could not find {'any versions of ' if version is None else ''}{which}", NOT_FOUND)


def no_signature(name: str) -> Refused:
    return Refused(f'Serving signature name: "{name}" not found in signature def')


def malformed(method: str, path: str) -> Refused:
    return Refused(f"Malformed request: {method} {path}")
