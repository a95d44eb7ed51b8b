"""What an application, or a version of its model, takes and gives, as a signature of TensorFlow's.

There is one, `serving_default`. Its input is called `input`, or as the columns of data frames and named
arrays are; its output `output`, `output_bytes` where it is bytes, or as the model names several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from clipper_container.inputs import InputType
from clipper_container.named import DTYPES, is_named, laid_out

from ...examples import Example
from ..tensors import Described
from . import tensors
from .messages import core, serving
from .refusals import Refused, no_signature
from .writing import BYTES_SUFFIX

INPUT, OUTPUT = "input", "output"
DEFAULT = "serving_default"
METHOD = "tensorflow/serving/predict"
FIELD = "signature_def"


class Entry(NamedTuple):
    """`dtype` is numpy's name, or "string"; the first of the shape is -1. Without a shape it may be any."""

    dtype: str
    shape: list[int] | None


def check(name: str) -> None:
    """Raises Refused where there is no such signature; an empty name is the default's."""
    if name not in ("", DEFAULT):
        raise no_signature(name)


def input_of(kind: InputType) -> dict[str, Entry]:
    """Of inputs that have no names."""
    if kind.dtype in tensors.TYPES:
        return {INPUT: Entry(kind.dtype, [-1, -1])}
    # Arrays of any shape and type have no type in a signature: DT_FLOAT is what most models take.
    return {INPUT: Entry(tensors.STRING, [-1]) if kind.dtype else Entry("<f4", None)}


def of_sets(described: Sequence[Described]) -> dict[str, Entry]:
    """Of inputs that have names; empty where nobody knows those."""
    return {name: _of(dtype, shape) for name, dtype, shape in described}


def _of(dtype: str, shape: Sequence[int]) -> Entry:
    return Entry(dtype if dtype in tensors.TYPES else tensors.STRING, list(shape))


def outputs_of(example: Example) -> dict[str, Entry]:
    """Of outputs like this one: a JSON text, or a tensor's dtype and shape."""
    if isinstance(example, bytes):
        value = msgspec.json.decode(example)
        if isinstance(value, dict) and value:
            return {name: _entry(each) for name, each in value.items()}
        return {OUTPUT: _entry(value)}
    dtype, shape = example
    if is_named(dtype):
        parts = laid_out(dtype, shape)
        return {
            part.name: _of(part.dtype, [-1, *(own if part.dtype in DTYPES else ())])
            for part, own, *_ in parts
        }
    if dtype == "bytes":
        return {f"{OUTPUT}{BYTES_SUFFIX}": Entry(tensors.STRING, [-1])}
    return {OUTPUT: Entry(dtype, [-1, *shape]) if dtype in DTYPES else Entry(tensors.STRING, [-1])}


def _entry(value: Any) -> Entry:
    try:
        found = np.asarray(value)
    except ValueError:  # rows of several lengths
        return Entry(tensors.STRING, [-1])
    known = found.dtype.str in tensors.TYPES
    return Entry(found.dtype.str if known else tensors.STRING, [-1, *(found.shape if known else ())])


def signature_map(inputs: Mapping[str, Entry], outputs: Mapping[str, Entry]) -> Any:
    """The message of all signatures."""
    signature = core.SignatureDef(
        inputs={name: _info(name, entry) for name, entry in inputs.items()},
        outputs={name: _info(name, entry) for name, entry in outputs.items()},
        method_name=METHOD,
    )
    return serving.SignatureDefMap(signature_def={DEFAULT: signature})


def _info(name: str, entry: Entry) -> Any:
    dtype = tensors.DT_STRING if entry.dtype == tensors.STRING else tensors.NUMBERS[entry.dtype]
    shape = core.TensorShapeProto(unknown_rank=entry.shape is None)
    for size in entry.shape or ():
        shape.dim.add(size=size)
    return core.TensorInfo(name=f"{name}:0", dtype=dtype, tensor_shape=shape)


def as_json(signatures: Any) -> dict[str, Any]:
    """The same as TensorFlow Serving's REST has it."""

    def infos(entries: Any) -> dict[str, Any]:
        return {
            name: {
                "dtype": core.DataType(info.dtype).name,
                "tensor_shape": {
                    "dim": [{"size": str(dim.size), "name": dim.name} for dim in info.tensor_shape.dim],
                    "unknown_rank": info.tensor_shape.unknown_rank,
                },
                "name": info.name,
            }
            for name, info in entries.items()
        }

    return {
        FIELD: {
            name: {
                "inputs": infos(signature.inputs),
                "outputs": infos(signature.outputs),
                "method_name": signature.method_name,
                "defaults": {},
            }
            for name, signature in signatures.signature_def.items()
        }
    }


def filtered(outputs: Mapping[str, Any], wanted: Any) -> dict[str, Any]:
    """Those outputs that are wanted, or all. Raises Refused."""
    if not wanted:
        return dict(outputs)
    for name in wanted:
        if name not in outputs:
            raise Refused(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(outputs)}}}."
            )
    return {name: outputs[name] for name in wanted}
