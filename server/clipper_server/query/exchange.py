"""One prediction's request and response over HTTP, in callbacks: read, asked, answered, refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.wire import Fault

from .cors import CORS
from .incoming import Incoming
from .limits import too_long
from .protocols import Adapter, Response
from .protocols.json_body import Body
from .query import Query
from .request import BROKEN, Answer, Request
from .slices import SMALL, Steps, let_go
from .unpacking import ENCODINGS, unpacked

BAD, TOO_LARGE = "Query processing error", "Request too large"


class Routes(Protocol):
    """Where the HTTP side finds the applications: by path, without the query string."""

    cors: CORS | None

    @property
    def routes(self) -> Mapping[bytes, Adapter]: ...


class Connection(Protocol):
    """What an exchange needs of the connection that it came by."""

    routes: Routes

    def write_response(self, exchange: Exchange, response: Response) -> None:
        """Raises ValueError, and has written nothing, where a header would write others."""


class _Event:
    """Stands in for the asyncio.Event of uvicorn's own cycle; nobody waits for ours."""

    def set(self) -> None:
        pass


class Exchange:
    """One prediction's request and response, in the place of uvicorn's RequestResponseCycle."""

    __slots__ = (
        *("keep_alive", "response_complete", "disconnected", "begun"),
        *("_connection", "_adapter", "_headers", "_body", "_complete", "_request", "_query"),
    )
    message_event = _Event()

    def __init__(
        self, connection: Connection, adapter: Adapter, headers: dict[bytes, bytes], keep_alive: bool
    ) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.begun = False  # it is this exchange's turn on its connection
        self._connection = connection
        self._adapter = adapter
        self._headers = headers
        self._body = Incoming(adapter.max_body, adapter.application.parts.slices)
        self._complete = False
        self._request: Request | None = None
        self._query: Query | None = None

    def begin(self) -> None:
        self.begun = True
        if self._complete:
            self._answer()

    def receive(self, part: bytes) -> None:
        if self._body.size + len(part) > self._adapter.max_body:
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
            cause = too_long(None, self._adapter.max_body)
            self._respond(self._adapter.refuse(413, TOO_LARGE, cause))

    def _answer(self) -> None:
        body = self._body.take()
        encoding = self._headers.get(b"content-encoding")
        if encoding is None or (encoding := encoding.lower()) == b"identity":
            self._ask(body)
        elif encoding in ENCODINGS:
            self._adapter.application.parts.slices.add(self._unpack(encoding, body))
        else:
            self._bad(415, "Unsupported media type", _not_unpacked(encoding))

    def _unpack(self, encoding: bytes, packed: Body) -> Steps[None]:
        body: Body = b""
        try:
            if not self.disconnected:
                body = yield from unpacked(
                    encoding, packed, self._adapter.max_body, self._adapter.application.parts.slices
                )
        except TooLarge as error:
            self._bad(413, TOO_LARGE, str(error))
        except BadRequest as error:
            self._bad(400, BAD, str(error))
        except Exception:
            self._refuse(self._adapter.application.broken().fault)
        else:
            if not self.disconnected:
                self._ask(body)

    def _ask(self, body: Body) -> None:
        adapter = self._adapter
        try:
            self._request = adapter.parse(self._headers, body)
            self._query = adapter.application.ask(self._request, self._on_answers)
        except TooLarge as error:
            self._bad(413, TOO_LARGE, str(error))
        except BadRequest as error:
            self._bad(400, BAD, str(error))
        except Exception:
            self._refuse(adapter.application.broken().fault)

    def _bad(self, status: int, error: str, cause: str) -> None:
        self._adapter.application.metrics.bad_requests += 1
        response = self._adapter.refuse(status, error, cause)
        if status == 415:
            response = _with_header(response, b"accept-encoding", b"gzip, deflate")
        self._respond(response)

    def _on_answers(self, answers: list[Answer]) -> None:
        application = self._adapter.application
        for answer in answers:
            if answer.fault is not None and application.rejects(answer.fault):
                self._refuse(answer.fault)
                return
        assert self._request is not None
        if len(answers) > SMALL:
            application.parts.slices.add(self._write(self._request, answers))
            return
        try:
            self._respond(self._adapter.encode(self._request, answers))
        except Exception:
            self._refuse(application.broken().fault)

    def _write(self, request: Request, answers: list[Answer]) -> Steps[None]:
        try:
            if not self.disconnected:
                self._respond((yield from self._adapter.encode_in_steps(request, answers)))
        except Exception:
            self._refuse(self._adapter.application.broken().fault)
        yield from let_go(answers)
        yield from let_go(request.tensors)

    def _refuse(self, fault: Fault | None) -> None:
        assert fault is not None
        if fault.reason == BROKEN:
            self._respond(self._adapter.refuse(500, "Internal error", fault.message))
            return
        response = self._adapter.refuse(429, "Too many requests", fault.message)
        retry_after = b"%d" % self._adapter.application.retry_after_s()
        self._respond(_with_header(response, b"retry-after", retry_after))

    def _respond(self, response: Response) -> None:
        if not self.disconnected and not self.response_complete:
            if (cors := self._connection.routes.cors) is not None:
                headers = [*response.headers, *cors.headers(self._headers.get(b"origin"))]
                response = response._replace(headers=headers)
            self._connection.write_response(self, response)
        # The connection goes on, and need not keep them.
        self._request = self._query = None

    def cancel(self) -> None:
        """The client is gone."""
        self.disconnected = True
        if self._query is not None:
            self._query.cancel()


def _with_header(response: Response, name: bytes, value: bytes) -> Response:
    return response._replace(headers=[*response.headers, (name, value)])


def _not_unpacked(encoding: bytes) -> str:
    return (
        f"The header Content-Encoding says {encoding.decode('latin-1')!r}. Send the body as it is, or packed "
        "by gzip or deflate."
    )
