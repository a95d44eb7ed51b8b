"""One request with feedback over HTTP: what is told, and what comes of it."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import parse_qs

import msgspec

from clipper_container.errors import BadRequest, TooLarge

from ..exchange import TOO_LARGE, Connection, Exchange
from ..protocols import JSON, Response
from ..protocols.json_body import Body
from ..slices import Steps, at_once
from .bodies import Entry, entries, update
from .checks import FULL, Refusal
from .desk import Desk

BAD = "Feedback processing error"
WAIT_S = 5.0
AT_ONCE = 64  # entries that are taken in one go

_HEADERS = (JSON,)


class Intake(Exchange):
    """With `?wait=true` it is answered when management has written what was taken."""

    __slots__ = ("_count", "_desk", "_open", "_refused", "_several", "_timer", "_wait")

    def __init__(
        self, connection: Connection, desk: Desk, headers: dict[bytes, bytes], keep_alive: bool, query: bytes
    ) -> None:
        super().__init__(connection, desk, headers, keep_alive)
        self._desk = desk
        self._wait = bool(query) and parse_qs(query).get(b"wait") == [b"true"]
        self._open = 1
        self._count = 0
        self._several = False
        self._refused: dict[int, Refusal] = {}
        self._timer: asyncio.TimerHandle | None = None

    def _ask(self, body: Body) -> None:
        try:
            if self._desk.updates:
                self._one(body)
            else:
                self._all(body)
        except TooLarge as error:
            self._bad(413, TOO_LARGE, str(error))
        except BadRequest as error:
            self._bad(400, BAD, str(error))
        except Exception:
            self._refuse(self._desk.application.broken().fault)

    def _one(self, body: Body) -> None:
        self._count = 1
        self._desk.update(update(body), self._wait, partial(self._taken, 0))
        self._watch()

    def _all(self, body: Body) -> None:
        found, self._several = entries(body)
        self._count = len(found)
        self._open = len(found) + 1
        work = self._take(found)
        if len(found) <= AT_ONCE:
            at_once(work)
        else:
            self._desk.application.parts.slices.add(work)

    def _take(self, found: list[Entry]) -> Steps[None]:
        try:
            for index, entry in enumerate(found):
                self._desk.take(entry, self._wait, partial(self._taken, index))
                yield
            self._settled()
            self._watch()
        except Exception:
            self._refuse(self._desk.application.broken().fault)

    def _taken(self, index: int, refusal: Refusal | None) -> None:
        if refusal is not None:
            self._refused[index] = refusal
        self._settled()

    def _settled(self) -> None:
        self._open -= 1
        if not self._open:
            if self._timer is not None:
                self._timer.cancel()
            self._respond(self._response())

    def _watch(self) -> None:
        if self._open > 0 and self._wait:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self._late)

    def _late(self) -> None:
        cause = (
            f"Management has not written the feedback within {WAIT_S:g} s. It waits here, in memory: send it "
            "again to be sure, for twice counts once."
        )
        self._respond(self._desk.refuse(503, "Management is silent", cause))

    def _response(self) -> Response:
        refused = [
            {"index": index, "code": code, "message": message}
            for index, (code, message) in sorted(self._refused.items())
        ]
        if self._count and len(refused) == self._count:
            first = self._refused[0]
            body: dict[str, object] = {"error": first.code, "cause": first.message}
            if self._several:
                body["refused"] = refused
            status = 503 if FULL in self._refused.values() else 400
        else:
            body = {"accepted": self._count - len(refused), "refused": refused}
            status = 200 if self._wait else 202
        return Response(status, _HEADERS, msgspec.json.encode(body))
