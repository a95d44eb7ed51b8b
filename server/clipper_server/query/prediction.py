"""One prediction over HTTP: what is asked, and how the answers go back."""

from __future__ import annotations

from clipper_container.errors import BadRequest, TooLarge

from .exchange import BAD, TOO_LARGE, Exchange
from .protocols import Adapter, Refused
from .protocols.json_body import Body
from .query import Query
from .request import Answer, Request, are_small
from .slices import Steps, let_go


class Prediction(Exchange):
    __slots__ = ("_query", "_request")
    _endpoint: Adapter

    def _prepare(self) -> None:
        self._request: Request | None = None
        self._query: Query | None = None

    def _ask(self, body: Body) -> None:
        adapter = self._endpoint
        try:
            self._request = adapter.parse(self._headers, body)
            self._query = adapter.application.ask(self._request, self._on_answers)
        except Refused as error:
            adapter.application.metrics.bad_requests += 1
            self._respond(error.response)
        except TooLarge as error:
            self._bad(413, TOO_LARGE, str(error))
        except BadRequest as error:
            self._bad(400, BAD, str(error))
        except Exception:
            self._refuse(adapter.application.broken().fault)

    def _on_answers(self, answers: list[Answer]) -> None:
        application = self._endpoint.application
        if (fault := application.refusal(answers)) is not None:
            self._refuse(fault)
            return
        assert self._request is not None
        if not are_small(answers):
            application.parts.slices.add(self._write(self._request, answers))
            return
        try:
            self._respond(self._endpoint.encode(self._request, answers))
        except Exception:
            self._refuse(application.broken().fault)

    def _write(self, request: Request, answers: list[Answer]) -> Steps[None]:
        try:
            if not self.disconnected:
                self._respond((yield from self._endpoint.encode_in_steps(request, answers)))
        except Exception:
            self._refuse(self._endpoint.application.broken().fault)
        yield from let_go(answers)
        yield from let_go(request.tensors)

    def _let_go(self) -> None:
        self._request = self._query = None

    def cancel(self) -> None:
        super().cancel()
        if self._query is not None:
            self._query.cancel()
