"""The JSON of a request."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

from clipper_container.inputs import MAX_DIMENSIONS

from ..contexts import Given

_Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class InputParameters(msgspec.Struct):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Input(msgspec.Struct):
    name: str
    shape: Annotated[list[_Dimension], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    datatype: str
    parameters: InputParameters | None = None
    data: list[Any] | None = None


class OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: Any = None


class Output(msgspec.Struct):
    name: str
    parameters: OutputParameters | None = None


class Parameters(msgspec.Struct):
    binary_data_output: bool | None = None
    timeout: Annotated[int, msgspec.Meta(le=2**63 - 1)] | None = None
    unit: str | int | None = None
    context: Given = None


class Body(msgspec.Struct):
    inputs: list[Input]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[Output] | None = None


class Wanted(NamedTuple):
    """An output that is to be told."""

    name: str
    binary: bool


class Form(msgspec.Struct):
    """How the answer is to be written: with these outputs; or with all, and then as `binary` says."""

    id: str | None
    outputs: list[Wanted]
    binary: bool


decode = msgspec.json.Decoder(Body).decode
