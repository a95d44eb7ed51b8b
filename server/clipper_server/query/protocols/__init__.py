"""Protocols: thin adapters between bytes over HTTP and the one internal request.

An adapter is bound to one application, and has the paths at which it answers. It knows nothing of queues,
and the application nothing of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from starlette.types import ASGIApp

from clipper_container.errors import BadRequest

from ..application import Application
from ..cors import CORS
from ..limits import Limits
from ..request import Answer, Request
from ..slices import Steps
from .json_body import Body

if TYPE_CHECKING:
    from .protos import Protos
    from .rpc import Method, Stream

Headers = Mapping[bytes, bytes]
"""A request's headers, with names in lower case. Of several of one name the last counts."""

JSON = (b"content-type", b"application/json")
MAX_TIMEOUT_MICROS = 86_400_000_000
MAX_UNIT = 256


class Response(NamedTuple):
    """`headers` are all but content-length and those in `own`, which are this answer's alone: lines, as
    `answering.lines` writes them. Where `headers` are the same object as the last time, they are not written
    anew: that is most of what a small answer costs.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    rest: Sequence[bytes] = ()  # of a large body: to join its parts takes milliseconds
    own: bytes = b""
    closes: bool = False  # its connection, where all of the request was read

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Also those in `own`, and that the connection is closed."""
        own = (line.partition(b": ") for line in self.own.split(b"\r\n")[1:])
        end = [(b"connection", b"close")] if self.closes else []
        return [*self.headers, *((name, value) for name, _, value in own), *end]


class Refused(BadRequest):
    """A request that is not answered, and what its client gets where `Endpoint.refuse` does not know it."""

    def __init__(self, response: Response) -> None:
        super().__init__(bytes(response.body[:200]).decode("utf-8", "replace"))
        self.response = response


class Endpoint(Protocol):
    """What takes requests for one application."""

    application: Application
    limits: Limits
    max_body: int  # bytes

    def refuse(self, status: int, error: str, cause: str) -> Response:
        """What the client gets for a request that is not answered. `error` is short, `cause` a sentence."""


class Adapter(Endpoint, Protocol):
    def parse(self, headers: Headers, body: Body) -> Request:
        """The request. Raises BadRequest with what was expected, Refused, or TooLarge."""

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        """What the client gets: one answer for each input of its request."""

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        """The same, for many answers."""


class PassOn(Protocol):
    """Has management do what a client asks, by its API, with the token that the client sent.

    Raises what management refuses it with, or ClusterError.
    """

    async def __call__(self, method: str, path: str, token: str, body: object = None) -> None: ...


class Served(Protocol):
    """What a protocol needs to know of what a frontend serves."""

    @property
    def applications(self) -> Mapping[str, Application]: ...

    @property
    def routes(self) -> Mapping[bytes, Adapter]:
        """Those at the query port, by path."""

    @property
    def limits(self) -> Limits: ...

    @property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """By model: which version each label names."""

    @property
    def cors(self) -> CORS | None: ...

    @property
    def is_local(self) -> bool:
        """Whether programs of this machine alone reach its ports."""

    @property
    def keys(self) -> Mapping[str, str]:
        """With which requests may be signed: secrets by their ids."""

    def versions_of(self, application: Application) -> list[str]: ...

    @property
    def pass_on(self) -> PassOn: ...


class Spoken(Protocol):
    """A protocol with ports of its own, as a frontend speaks it.

    Of REST it has adapters for what is answered without a coroutine, by path, and an ASGI application for all
    else; of gRPC its messages, and methods by path, each of which has bytes and gives bytes, or streams
    of them where the messages' descriptions say so. What it has not is empty, or None.
    """

    routes: Mapping[bytes, Adapter]
    app: ASGIApp | None
    protos: Protos | None
    methods: Mapping[str, Method | Stream]

    def configure(self) -> None:
        """What is served has changed."""


def timeout_s(headers: Headers, micros: int | None) -> float | None:
    """The time that the request leaves for its answer, by header or by a field in microseconds."""
    given = headers.get(b"x-request-timeout-seconds")
    if given is None:
        if micros is not None and not 0 < micros <= MAX_TIMEOUT_MICROS:
            raise BadRequest(
                f"A timeout must be from 1 to {MAX_TIMEOUT_MICROS} microseconds, which is a day."
            )
        return None if micros is None else micros / 1e6
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        text = given.decode("latin-1")
        raise BadRequest(f"The header X-Request-Timeout-Seconds must be a number above 0, not {text!r}.")
    return seconds


def may_be_cached(headers: Headers) -> bool:
    given = headers.get(b"cache-control")
    return given is None or b"no-cache" not in given.lower()


def unit(headers: Headers, given: str | int | None) -> str | None:
    """Whom the request is for: a user, a session, a device, by a field or by a header."""
    if given is None:
        header = headers.get(b"x-clipper-unit")
        if header is None:
            return None
        given = header.decode("utf-8", "replace")
    text = str(given)
    if len(text) > MAX_UNIT:
        raise BadRequest(f"A unit has {MAX_UNIT} letters at most, and this one {len(text)}.")
    return text
