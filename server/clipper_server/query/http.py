"""HTTP in and out: uvicorn's protocol, with a way of its own for the predictions.

A prediction, or feedback, is an exchange (`exchange.py`), read, answered and written in callbacks, with no
coroutine, task or ASGI message: that is most of what uvicorn spends on a request. Everything else goes
through ASGI as it always does. Both kinds may follow one another on one connection, in order. Here is what a
connection is: how it begins, how long it may be silent, whose turn it is, and how it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .cors import CORS
from .exchange import Exchange
from .hosts import Hosts
from .intake.desk import Desk
from .intake.exchange import Intake
from .prediction import Prediction
from .protocols import Adapter, Response
from .protocols.answering import lines

SILENT_S = 30.0  # a client that says nothing for so long, before its first request or amid one, is left
IDLE_S = 75.0  # ... and so long between two requests, for clients keep theirs for up to a minute
LINGER_S = 1.0  # ... and so long, where the frontend is about to end
MAX_HEAD = 1 << 16  # bytes of a request's target and headers
_CHUNK = 1 << 18  # bytes that an event loop hands over at once, at most


class Routes(Protocol):
    """Where the HTTP side finds the applications: by path, without the query string.

    `desks` take feedback.
    """

    @property
    def cors(self) -> CORS | None: ...

    @property
    def routes(self) -> Mapping[bytes, Adapter]: ...

    @property
    def desks(self) -> Mapping[bytes, Desk]: ...


class HTTPProtocol(HttpToolsProtocol):
    """A connection. `routes` tells the predictions' paths from all others; `lost` is told of its end.

    What has a Host that is not welcome goes to the ASGI application, which refuses it.
    """

    def __init__(
        self, *args: Any, routes: Routes, hosts: Hosts, lost: Callable[[], None] = lambda: None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.routes = routes
        self._hosts = hosts
        self._lost = lost
        self._in_request = False
        self._in_head = False
        self._had = 0  # bytes that have come, without ...
        self._chunk = 0  # ... those that are being read
        self._head_at = 0  # what had come before the head began, and later before the last of the body
        self._too_long = False
        self._leaving = False
        self._heard_at = 0.0
        self._head: tuple[int, object, object, bytes] | None = None
        self._response_waits = False  # for a client that does not read
        self._unread = 0  # bytes of answers, when one looked last, and ...
        self._read_at = 0.0  # ... since when they are as many
        self._turn: Any = None  # the exchange, or uvicorn's cycle, that is being answered

    # In

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._heard_at = self.loop.time()
        self._look_again(min(IDLE_S, SILENT_S))

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        self._chunk = len(data)
        super().data_received(data)
        self._had += self._chunk
        if self._in_request and self._had - self._head_at > MAX_HEAD + _CHUNK and not self._too_long:
            self._too_long = True  # and it may have no end, as trailers may, and what is said of a chunk
            self.send_400_response("")

    def _unset_keepalive_if_required(self) -> None:
        """Nothing, for one timer serves the whole connection: it looks whether anybody was heard since."""

    def _look_again(self, in_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(in_s, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        if self._is_stuck():
            self.transport.abort()  # what it will not read it would never let go
            return
        cycle: Any = self.cycle
        waits = cycle is not None and not cycle.response_complete and not self._in_request
        if self._leaving:
            allowed_s = SILENT_S if self._in_request else LINGER_S
        else:
            allowed_s = SILENT_S if self._in_request or cycle is None else IDLE_S
        left_s = self._heard_at + allowed_s - self.loop.time()
        if left_s <= 0 and not waits and not self.transport.is_closing():
            self.transport.close()  # ... once all is read that was written
        self._look_again(max(left_s, (LINGER_S if self._leaving else min(IDLE_S, SILENT_S)) / 4))

    def shutdown(self) -> None:
        """Have the client go elsewhere: its next answer says so, and it loses none that way.

        Closing at once would lose the request that is on its way here; only who has been silent is closed.
        """
        self._leaving = True
        cycle: Any = self.cycle
        if isinstance(cycle, RequestResponseCycle):
            cycle.keep_alive = False
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self.timeout_keep_alive_handler()

    def _is_stuck(self) -> bool:
        """Whether the client has read nothing for so long of what waits for it."""
        waiting = self.transport.get_write_buffer_size()
        now = self.loop.time()
        if waiting != self._unread or not waiting:
            self._unread, self._read_at = waiting, now
        return now - self._read_at >= SILENT_S

    def on_message_begin(self) -> None:
        self._in_request = self._in_head = True
        self._head_at = self._had
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._had + self._chunk - self._head_at > MAX_HEAD:  # which may be a body: now one counts
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEAD:
                self._too_long = True
                raise ValueError("the head is too long")  # the parser reads no more, and uvicorn refuses it
        adapter, desk, query = None, None, b""
        if self.parser.get_method() == b"POST":
            path, _, query = self.url.partition(b"?")
            routes = self.routes.routes
            adapter = routes.get(path)
            if adapter is None:
                ours = _in_our_spelling(path)
                adapter, desk = routes.get(ours), self.routes.desks.get(ours)
        found = dict(self.headers)
        if (adapter is None and desk is None) or not self._hosts.welcome(found.get(b"host")):
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            super().on_headers_complete()
            if self._leaving and isinstance(self.cycle, RequestResponseCycle):
                self.cycle.keep_alive = False
            return
        before: Any = self.cycle
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        exchange: Exchange
        if adapter is not None:
            exchange = Prediction(self, adapter, found, keep_alive)
        else:
            assert desk is not None
            exchange = Intake(self, desk, found, keep_alive, query)
        self.cycle = exchange  # type: ignore[assignment]
        if before is None or before.response_complete:
            exchange.begun = True
            self._turn = exchange
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
        length = found.get(b"content-length")
        if length is not None and int(length) > exchange.max_body and exchange.begun:
            exchange.too_large()
        elif self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._head_at = self._had
        cycle: Any = self.cycle
        if isinstance(cycle, Exchange):
            cycle.receive(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        cycle: Any = self.cycle
        if isinstance(cycle, Exchange):
            cycle.complete()
        else:
            super().on_message_complete()

    # Out

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where it cannot read a request."""
        if not self._too_long:
            super().send_400_response(msg)
            return
        if self.cycle is None or self.cycle.response_complete:  # or a client takes it for another answer
            text = b"The path and the headers have %d bytes at most." % MAX_HEAD
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text)
            )
        self.transport.close()

    def write_response(self, exchange: Exchange, response: Response) -> None:
        """Raises ValueError, and has written nothing, where a header would write others."""
        if self.transport.is_closing():
            return
        status, headers, body, rest, own, closes = response
        dated = self.server_state.default_headers
        head = self._head
        if head is None or head[0] != status or head[1] is not headers or head[2] is not dated:
            text = b"%b%b\r\ncontent-length: " % (STATUS_LINE[status][:-2], lines((*dated, *headers)))
            # The same for all good answers of a second.
            self._head = head = status, headers, dated, text
        exchange.response_complete = True
        keep_alive = exchange.keep_alive and not closes and (not self._leaving or bool(self.pipeline))
        ending = b"\r\n\r\n" if keep_alive else b"\r\nconnection: close\r\n\r\n"
        length = len(body) + sum(map(len, rest)) if rest else len(body)
        self.transport.write(b"%b%d%b%b%b" % (head[3], length, own, ending, body))
        if rest:
            self.transport.writelines(rest)
        if not keep_alive:
            self.transport.close()
        if self.flow.write_paused:
            self._response_waits = True
        else:
            self.on_response_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._heard_at = self.loop.time()
        if self.pipeline:
            self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())
        elif self.flow.read_paused:
            self.flow.resume_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._response_waits:
            self._response_waits = False
            self.on_response_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._turn = cycle
        if isinstance(cycle, Exchange):
            # Not at once: a long pipeline of answers that are at hand would be a deep recursion.
            self.loop.call_soon(cycle.begin)
        else:
            super()._start_asgi_task(cycle, app)

    # The end

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        for cycle in (self._turn, *(waiting for waiting, _ in self.pipeline)):
            if isinstance(cycle, Exchange):
                cycle.cancel()
            elif cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._turn = None
        self.pipeline.clear()
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment] # it knows this connection: a circle


def _in_our_spelling(path: bytes) -> bytes:
    """Of a path that may have percent-encoding and a fragment, or be in absolute form (RFC 9112)."""
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return unquote_to_bytes(path.partition(b"#")[0])
