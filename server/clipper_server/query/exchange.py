"""One request and its response over HTTP, in callbacks: read, unpacked, refused. Who it is for answers it."""

from __future__ import annotations

from typing import Protocol

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.wire import Fault

from .cors import CORS
from .incoming import Incoming
from .limits import too_long
from .protocols import Endpoint, Response
from .protocols.json_body import Body
from .request import BROKEN
from .slices import Steps
from .unpacking import ENCODINGS, unpacked

BAD, TOO_LARGE = "Query processing error", "Request too large"


class Site(Protocol):
    """Which other sites' pages may read what is answered."""

    @property
    def cors(self) -> CORS | None: ...


class Connection(Protocol):
    """What an exchange needs of the connection that it came by."""

    @property
    def routes(self) -> Site: ...

    def write_response(self, exchange: Exchange, response: Response) -> None:
        """Raises ValueError, and has written nothing, where a header would write others."""


class _Event:
    """Stands in for the asyncio.Event of uvicorn's own cycle; nobody waits for ours."""

    def set(self) -> None:
        pass


class Exchange:
    """One request and its response, in the place of uvicorn's RequestResponseCycle.

    A kind of it fills in `_prepare`, `_ask` and `_let_go`. With `super()` in the place of those, and an ABC,
    a query took 5 % more of the frontend's time.
    """

    __slots__ = (
        *("keep_alive", "response_complete", "disconnected", "begun"),
        *("_connection", "_endpoint", "_headers", "_body", "_complete"),
    )
    message_event = _Event()

    def __init__(
        self, connection: Connection, endpoint: Endpoint, headers: dict[bytes, bytes], keep_alive: bool
    ) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.begun = False  # it is this exchange's turn on its connection
        self._connection = connection
        self._endpoint = endpoint
        self._headers = headers
        self._body = Incoming(endpoint.max_body, endpoint.application.parts.slices)
        self._complete = False
        self._prepare()

    def _prepare(self) -> None:
        """Set what this kind of exchange keeps besides."""

    @property
    def max_body(self) -> int:
        return self._endpoint.max_body

    def begin(self) -> None:
        self.begun = True
        if self._complete:
            self._answer()

    def receive(self, part: bytes) -> None:
        if self._body.size + len(part) > self._endpoint.max_body:
            self.too_large()
        elif not self.response_complete:
            self._body.add(part)

    def complete(self) -> None:
        self._complete = True
        if self.begun and not self.response_complete:
            self._answer()

    def too_large(self) -> None:
        self._body.clear()
        self.keep_alive = False  # what still comes of it is not read
        if not self.response_complete:
            cause = too_long(None, self._endpoint.max_body)
            self._respond(self._endpoint.refuse(413, TOO_LARGE, cause))

    def _answer(self) -> None:
        body = self._body.take()
        encoding = self._headers.get(b"content-encoding")
        if encoding is None or (encoding := encoding.lower()) == b"identity":
            self._ask(body)
        elif encoding in ENCODINGS:
            self._endpoint.application.parts.slices.add(self._unpack(encoding, body))
        else:
            self._bad(415, "Unsupported media type", _not_unpacked(encoding))

    def _unpack(self, encoding: bytes, packed: Body) -> Steps[None]:
        body: Body = b""
        try:
            if not self.disconnected:
                body = yield from unpacked(
                    encoding, packed, self._endpoint.max_body, self._endpoint.application.parts.slices
                )
        except TooLarge as error:
            self._bad(413, TOO_LARGE, str(error))
        except BadRequest as error:
            self._bad(400, BAD, str(error))
        except Exception:
            self._refuse(self._endpoint.application.broken().fault)
        else:
            if not self.disconnected:
                self._ask(body)

    def _ask(self, body: Body) -> None:
        """All of the request is there."""
        raise NotImplementedError

    def _bad(self, status: int, error: str, cause: str) -> None:
        self._endpoint.application.metrics.bad_requests += 1
        response = self._endpoint.refuse(status, error, cause)
        if status == 415:
            response = _with_header(response, b"accept-encoding", b"gzip, deflate")
        self._respond(response)

    def _refuse(self, fault: Fault | None) -> None:
        assert fault is not None
        if fault.reason == BROKEN:
            self._respond(self._endpoint.refuse(500, "Internal error", fault.message))
            return
        response = self._endpoint.refuse(429, "Too many requests", fault.message)
        retry_after = b"%d" % self._endpoint.application.retry_after_s()
        self._respond(_with_header(response, b"retry-after", retry_after))

    def _respond(self, response: Response) -> None:
        if not self.disconnected and not self.response_complete:
            if (cors := self._connection.routes.cors) is not None:
                headers = [*response.headers, *cors.headers(self._headers.get(b"origin"))]
                response = response._replace(headers=headers)
            self._connection.write_response(self, response)
        self._let_go()

    def _let_go(self) -> None:
        """The connection goes on, and need not keep what was answered."""

    def cancel(self) -> None:
        """The client is gone."""
        self.disconnected = True


def _with_header(response: Response, name: bytes, value: bytes) -> Response:
    return response._replace(headers=[*response.headers, (name, value)])


def _not_unpacked(encoding: bytes) -> str:
    return (
        f"The header Content-Encoding says {encoding.decode('latin-1')!r}. Send the body as it is, or packed "
        "by gzip or deflate."
    )
