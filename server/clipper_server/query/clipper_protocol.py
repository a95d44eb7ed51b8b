"""Clipper's JSON over HTTP: one body in, one body out."""

from __future__ import annotations

from typing import Any

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.inputs import InputType, Tensor

from .application import Answer, Application


class Parser:
    """Parses request bodies for one input type."""

    def __init__(self, input_type: InputType) -> None:
        self._type = input_type
        request: Any = msgspec.defstruct(
            "Request",
            [
                ("input", input_type.json | msgspec.UnsetType, msgspec.UNSET),
                ("input_batch", list[input_type.json] | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[name-defined]
                ("version", str | msgspec.UnsetType, msgspec.UNSET),
            ],
            forbid_unknown_fields=True,
        )
        self._decode = msgspec.json.Decoder(request).decode

    def parse(self, body: bytes) -> tuple[list[Tensor], bool, str | None]:
        """The inputs, whether they came as a batch, and the version asked for.

        Raises BadRequest with what was expected.
        """
        try:
            request = self._decode(body)
            if (request.input is msgspec.UNSET) == (request.input_batch is msgspec.UNSET):
                raise BadRequest(f'Give either "input" or "input_batch". {self._expected()}')
            is_batch = request.input is msgspec.UNSET
            values = request.input_batch if is_batch else [request.input]
            tensors = [self._type.encode(value) for value in values]
        except msgspec.ValidationError as error:
            raise BadRequest(f"{error}. {self._expected()}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"Error parsing JSON: {error}. {self._expected()}") from None
        except RecursionError:
            raise BadRequest(f"The JSON is nested too deeply. {self._expected()}") from None
        except ValueError as error:
            raise BadRequest(f"The input does not fit: {error}. {self._expected()}") from None
        return tensors, is_batch, None if request.version is msgspec.UNSET else request.version

    def _expected(self) -> str:
        return (
            f'Expected JSON: {{"input": X}} or {{"input_batch": [X, ...]}}, where X is {self._type.expects}; '
            'optionally "version": "a version".'
        )


async def predict(application: Application, parser: Parser, body: bytes) -> bytes:
    """Answer the request in `body`. Raises BadRequest."""
    tensors, is_batch, version = parser.parse(body)
    answers = [encode(answer) for answer in await application.predict(tensors, version)]
    return b'{"batch_predictions":[' + b",".join(answers) + b"]}" if is_batch else answers[0]


def encode(answer: Answer) -> bytes:
    if answer.fault is None:
        return b'{"query_id":%d,"output":%b,"default":false}' % (answer.query_id, answer.output)
    why = msgspec.json.encode(answer.fault.message), msgspec.json.encode(answer.fault.reason)
    return b'{"query_id":%d,"output":%b,"default":true,"default_explanation":%b,"default_reason":%b}' % (
        answer.query_id,
        answer.output,
        *why,
    )
