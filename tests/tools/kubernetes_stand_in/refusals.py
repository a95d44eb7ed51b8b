"""What the API server refuses, as it says it: a Status with a code, a reason and a message."""

from __future__ import annotations

from typing import Any

from .resources import Resource


class Refusal(Exception):
    def __init__(self, code: int, reason: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.retry_after_s = code, reason, message, retry_after_s

    def status(self) -> dict[str, Any]:
        details = {} if self.retry_after_s is None else {"retryAfterSeconds": self.retry_after_s}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource} "{name}" not found')


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')


def conflict(resource: Resource, name: str) -> Refusal:
    return Refusal(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource} "{name}": the object has been modified; please apply '
        "your changes to the latest version and try again",
    )


def invalid(resource: Resource, name: str, why: str) -> Refusal:
    group = f".{resource.group}" if resource.group else ""
    return Refusal(422, "Invalid", f'{resource.kind}{group} "{name}" is invalid: {why}')


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    return Refusal(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}')


def bad_request(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)


def expired(asked: int, oldest: int) -> Refusal:
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_many(message: str, retry_after_s: int) -> Refusal:
    return Refusal(429, "TooManyRequests", message, retry_after_s)
