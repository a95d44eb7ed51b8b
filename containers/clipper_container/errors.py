"""The one error tree. Each error is a sentence that says what happened and what to do next.

ClipperException
├── UnconnectedException    no cluster is attached to this connection
├── ClusterError            the cluster did not start, stop or answer
├── BadRequest              a name, type or value that cannot be accepted        HTTP 400
├── TooLarge                a request that would cost too much                   HTTP 413
├── Unauthorized            the token is missing or wrong                        HTTP 401
├── NotFound                no application, model, version or artifact like that HTTP 404
├── AlreadyExists           it is there already, and is never overwritten        HTTP 409
├── DeployError             a version did not come up; carries its own traceback HTTP 422
├── ArtifactError           a model cannot be packaged, or its package not loaded    HTTP 400
├── NoRoom                  the disk is too full for it                          HTTP 507
├── CallFailed              a model that another one called has no output
└── WireError               the other end of the wire speaks another protocol, or garbage

Over HTTP an error travels as {"error": <class name>, "message": <sentence>} and comes out as the same
class at the other end (`from_name`).
"""

from __future__ import annotations


class ClipperException(Exception):
    """The root: catch this to catch everything that Clipper Lab raises on purpose."""

    http_status = 500


class UnconnectedException(ClipperException):
    """A call that needs a running cluster was made before `start_clipper()` or `connect()`."""


class ClusterError(ClipperException):
    """The cluster did not start, did not stop, or does not answer."""

    http_status = 503


class BadRequest(ClipperException):
    """A name, an input type or a value that cannot be accepted."""

    http_status = 400


class TooLarge(ClipperException):
    """A request would cost more than one may cost. Send it in parts."""

    http_status = 413


class Unauthorized(ClipperException):
    """The bearer token is missing or wrong."""

    http_status = 401


class NotFound(ClipperException):
    """No application, model, version or artifact has that name."""

    http_status = 404


class AlreadyExists(ClipperException):
    """The name is taken. Versions are immutable: deploy the change under a new version."""

    http_status = 409


class DeployError(ClipperException):
    """A version did not come up. The message ends with the model's own traceback, where there is one."""

    http_status = 422


class ArtifactError(ClipperException):
    """A model cannot be packaged, or a package cannot be loaded here."""

    http_status = 400


class NoRoom(ClipperException):
    """The disk has no room for an upload. Nothing of it was kept."""

    http_status = 507


class WireError(ClipperException):
    """The other end of a wire connection sent something that this end cannot accept."""


class CallFailed(ClipperException):
    """The `model` that was called has no output. `reason` is that of a default output, such as deadline; or
    undeclared, bad_input, too_deep, not_needed or frontend_gone, where it was not asked.
    """

    def __init__(self, message: str, model: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.model}: {self.args[0]}" if self.model else str(self.args[0])


def from_name(name: str, message: str) -> ClipperException:
    """The error that travelled as `name` and `message`; the root class for a name not known here."""
    classes = {c.__name__: c for c in ClipperException.__subclasses__()}
    return classes.get(name, ClipperException)(message)
