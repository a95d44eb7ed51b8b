"""Clipper's JSON over HTTP: `POST /{application}/predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from clipper_container.errors import BadRequest

from ..application import Application
from ..limits import DEFAULT, Limits
from ..request import Answer, Choice, Request
from ..slices import SMALL, Steps
from . import JSON, Headers, Response, may_be_cached, timeout_s, unit
from .contexts import Given, context
from .json_body import UNREAD, Body, unmarked, unread
from .sets import Sets

_HEADERS = (JSON,)
_PLAIN = b'{"query_id":%d,"output":%b,"default":false}'
_BATCH, _END = b'{"batch_predictions":[', b"]}"
_EXPECTED = (
    'Expected JSON: {"input": X} or {"input_batch": [X, ...]}, where X is %s; '
    'optionally "version": "a version", "timeout_micros": a number, "unit": whom it is for, and '
    '"context": what requests are told apart by.'
)


class ClipperProtocol:
    name = "clipper"

    def __init__(self, application: Application, limits: Limits = DEFAULT) -> None:
        self.application = application
        self.max_body = limits.json
        self.limits = limits
        self._type = kind = application.input_type
        self._decode = _decoder(kind.json, list[kind.json])  # type: ignore[name-defined]

    @staticmethod
    def paths(application: str) -> list[str]:
        return [f"/{application}/predict", f"/{application}/predict/"]

    def parse(self, headers: Headers, body: Body) -> Request:
        try:
            try:
                request = self._decode(body)
            except msgspec.DecodeError as error:
                request = self._decode(unmarked(body, error))
            is_batch = request.input is msgspec.UNSET
            if is_batch == (request.input_batch is msgspec.UNSET):
                raise BadRequest(f'Give either "input" or "input_batch". {self._expected()}')
            if is_batch:
                self.limits.check_inputs(len(request.input_batch))
            kind = self._type
            tensors = kind.encode_all(request.input_batch) if is_batch else [kind.encode(request.input)]
        except UNREAD as error:
            raise unread(error, body, self._expected(), "The input does not fit") from None
        version = request.version
        such, numbers = context(self.application, headers, request.context, version)
        return Request(
            self.name,
            tensors,
            version if version.__class__ is not int else str(version),
            timeout_s(headers, request.timeout_micros),
            may_be_cached(headers),
            form=is_batch,
            unit=unit(headers, request.unit) if self.application.asks_for_units else None,
            context=such,
            features=numbers,
        )

    def _expected(self) -> str:
        return _EXPECTED % self._type.expects

    def encode(self, request: Request, answers: Sequence[Answer]) -> Response:
        if not request.form:
            return Response(200, _HEADERS, self._answer(answers[0]))
        return Response(200, _HEADERS, b"".join((_BATCH, self._answers(answers), _END)))

    def encode_in_steps(self, request: Request, answers: Sequence[Answer]) -> Steps[Response]:
        if not request.form:  # one answer, which is large
            return self.encode(request, answers)
        parts: list[bytes] = []
        for start in range(0, len(answers), SMALL):
            parts.append(self._answers(answers[start : start + SMALL]))
            parts.append(b",")
            yield
        parts[-1] = _END
        return Response(200, _HEADERS, _BATCH, parts)

    def _answers(self, answers: Sequence[Answer]) -> bytes:
        return b",".join(
            [
                _PLAIN % (answer.query_id, answer.output)
                if answer.fault is None and answer.choice is None and not (answer.token or answer.partial)
                else self._answer(answer)
                for answer in answers
            ]
        )

    def _answer(self, answer: Answer) -> bytes:
        choice = b"" if answer.choice is None else _of(answer.choice)
        if answer.token is not None:
            choice += b',"feedback_token":"%b"' % answer.token.encode()
        if answer.partial:
            choice += b',"partial":true'
        if answer.fault is None:
            assert isinstance(answer.output, bytes)  # it did not ask for tensors
            text = b'{"query_id":%d,"output":%b,"default":false%b}'
            return text % (answer.query_id, answer.output, choice)
        why = msgspec.json.encode(answer.fault.message), msgspec.json.encode(answer.fault.reason)
        text = b'{"query_id":%d,"output":%b,"default":true,"default_explanation":%b,"default_reason":%b%b}'
        return text % (answer.query_id, self.application.default_output, *why, choice)

    def refuse(self, status: int, error: str, cause: str) -> Response:
        return Response(status, _HEADERS, msgspec.json.encode({"error": error, "cause": cause}))


class SetsOverClipper(ClipperProtocol):
    """The same for inputs that have names, which are inputs as soon as they are read."""

    def __init__(self, application: Application, limits: Limits = DEFAULT) -> None:
        super().__init__(application, limits)
        self._sets = Sets(application, limits)
        self._type = replace(self._type, encode=_as_it_is)
        self._request = _decoder(Any, Any)
        self._decode = self._framed

    def _framed(self, body: Body) -> Any:
        request = self._request(body)
        version = None if request.version is None else str(request.version)
        if request.input is not msgspec.UNSET:
            request.input = self._sets.of_rows([request.input], version)[0]
        if request.input_batch is not msgspec.UNSET:
            request.input_batch = self._sets.of_json(request.input_batch, version)
        return request

    def _expected(self) -> str:
        expected = _EXPECTED % self._sets.words()
        return f"{expected} A batch may be an object of columns too, each a list."


def _decoder(one: Any, several: Any) -> Callable[[Body], Any]:
    request: Any = msgspec.defstruct(
        "Request",
        [
            ("input", one | msgspec.UnsetType, msgspec.UNSET),
            ("input_batch", several | msgspec.UnsetType, msgspec.UNSET),
            ("version", str | int | None, None),
            ("timeout_micros", int | None, None),
            ("unit", str | int | None, None),
            ("context", Given, None),
        ],
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(request).decode


def _as_it_is(value: Any) -> Any:
    return value


_COUNTS = b',"models":{"asked":%d,"used":%d}'


def _of(choice: Choice) -> bytes:
    """What an answer tells of the choice that was made for it."""
    return _written(choice) if choice[1] is not None else _plainly(choice)


def _written(choice: Choice) -> bytes:
    model, confidence, asked, used = choice
    told = b"" if model is None else b',"model":%b' % msgspec.json.encode(model)
    if confidence is not None:
        told += b',"confidence":%b' % msgspec.json.encode(round(confidence, 6))
    return told if model is not None and asked == 1 else told + _COUNTS % (asked, used)


_plainly = lru_cache(1024)(_written)  # without a confidence there are few
