"""The JSON of a request."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

from clipper_container.named import MAX_DIMENSIONS

from ..contexts import Given

_Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class InputParameters(msgspec.Struct):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    shared_memory_region: Any = None


class Input(msgspec.Struct):
    name: str
    shape: Annotated[list[_Dimension], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    datatype: str
    parameters: InputParameters | None = None
    data: list[Any] | None = None


class OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    shared_memory_region: Any = None


class Output(msgspec.Struct):
    name: str
    parameters: OutputParameters | None = None


class Parameters(msgspec.Struct):
    binary_data_output: bool | None = None
    timeout: Annotated[int, msgspec.Meta(le=2**63 - 1)] | None = None
    unit: str | int | None = None
    context: Given = None
    priority: Any = None
    sequence_id: Any = None
    sequence_start: Any = None
    sequence_end: Any = None


class Asked(msgspec.Struct):
    inputs: list[Input]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[Output] | None = None


class Wanted(NamedTuple):
    """An output that is to be told: its numbers, or so many `classes` of each row."""

    name: str
    binary: bool
    classes: int = 0


class Form(msgspec.Struct):
    """How the answer is to be written: with these outputs; or with all, and then as `binary` says."""

    id: str | None
    outputs: list[Wanted]
    binary: bool

    def is_binary(self, name: str) -> bool:
        return next((wanted.binary for wanted in self.outputs if wanted.name == name), self.binary)


decode = msgspec.json.Decoder(Asked).decode
