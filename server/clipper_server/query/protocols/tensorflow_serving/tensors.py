"""TensorProto, and tensors as they travel here.

Numbers come as bytes or in a field for their type, of which the last value stands for all that follow. They
go in that field, as TensorFlow Serving's own do, and not as bytes: clients read `float_val`. What is packed
there is most types' very bytes, so that no number becomes an object of Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from clipper_container.tensors import Tensor, sized_tensor

from ...limits import Limits
from .messages import core
from .refusals import Refused

STRING = "string"
TYPES = {
    "<f4": ("DT_FLOAT", "float", "float_val"),
    "<f8": ("DT_DOUBLE", "double", "double_val"),
    "<i4": ("DT_INT32", "int32", "int_val"),
    "|u1": ("DT_UINT8", "uint8", "int_val"),
    "<i2": ("DT_INT16", "int16", "int_val"),
    "|i1": ("DT_INT8", "int8", "int_val"),
    "<i8": ("DT_INT64", "int64", "int64_val"),
    "|b1": ("DT_BOOL", "bool", "bool_val"),
    "<u2": ("DT_UINT16", "uint16", "int_val"),
    "<f2": ("DT_HALF", "half", "half_val"),
    "<u4": ("DT_UINT32", "uint32", "uint32_val"),
    "<u8": ("DT_UINT64", "uint64", "uint64_val"),
}
"""By numpy's name: TensorFlow's name on the wire, in sentences, and of the field that has the values."""
DTYPES = {core.DataType[name]: dtype for dtype, (name, _, _) in TYPES.items()}
NUMBERS = {dtype: core.DataType[name] for dtype, (name, _, _) in TYPES.items()}
DT_STRING = core.DataType.DT_STRING
_STANDS = 1 << 20  # bytes of a tensor in which one value may stand for those that follow
# Fields of which the packed bytes are the tensor's own: their tags, which are the number and a type of 2.
_TAGS = {dtype: bytes([number << 3 | 2]) for dtype, number in (("<f4", 5), ("<f8", 6), ("|b1", 11))}


def shape_of(proto: Any, limits: Limits) -> tuple[int, ...]:
    """Raises Refused where it is none of a tensor, or TooLarge: its first dimension counts the inputs."""
    if proto.tensor_shape.unknown_rank:
        raise Refused("Invalid tensor: its rank is unknown")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if min(shape, default=0) < 0:
        raise Refused(f"Invalid tensor: its shape is {list(shape)[:32]}")
    if shape:
        limits.check_inputs(shape[0])
    return shape


def numbers(proto: Any, limits: Limits) -> Tensor:
    """What a proto of numbers holds. Raises Refused, or TooLarge."""
    dtype = DTYPES.get(proto.dtype)
    if dtype is None:
        raise Refused(
            f"Tensors of the type {proto.dtype} are not taken: {', '.join(n for n, _, _ in TYPES.values())}"
        )
    shape = shape_of(proto, limits)
    try:
        if proto.tensor_content:
            return sized_tensor(proto.tensor_content, shape, dtype)
        if math.prod(n for n in shape if n) * np.dtype(dtype).itemsize > limits.body:
            raise ValueError(f"the shape {str(list(shape))[:100]} is too large")
        return sized_tensor(_values(proto, dtype, math.prod(shape)), shape, dtype)
    except ValueError as error:
        raise Refused(f"Invalid tensor: {error}") from None


def _values(proto: Any, dtype: str, count: int) -> bytes:
    given = getattr(proto, TYPES[dtype][2])
    if len(given) > count:
        raise ValueError(f"it has {len(given)} values, and its shape {count}")
    if len(given) < count and count * np.dtype(dtype).itemsize > _STANDS:
        raise ValueError(
            f"it has {len(given)} values, and its shape {count}: send them all, in tensor_content"
        )
    if dtype == "<f2":
        found = np.array(given, "<i4").astype("<u2").view("<f2")
    elif dtype in ("|u1", "<i2", "|i1", "<u2"):
        found = np.array(given, "<i4").astype(dtype)
    else:
        found = np.array(given, dtype)
    if len(found) == count:
        return found.tobytes()
    if not len(found):
        return bytes(count * np.dtype(dtype).itemsize)
    return np.concatenate([found, np.repeat(found[-1:], count - len(found))]).tobytes()


def strings(proto: Any, limits: Limits) -> tuple[list[bytes], tuple[int, ...]]:
    """What a proto of strings holds, and its shape. Raises Refused, or TooLarge."""
    shape = shape_of(proto, limits)
    given = list(proto.string_val)
    count = math.prod(shape)
    if proto.tensor_content:
        raise Refused("Invalid tensor: strings are taken in string_val, and not in tensor_content")
    if len(given) > count:
        raise Refused(f"Invalid tensor: it has {len(given)} strings, and the shape {list(shape)[:32]}")
    missing, last = count - len(given), given[-1] if given else b""
    if missing:  # the last one stands for them
        limits.check_inputs(count)
        if missing * len(last) > min(_STANDS, limits.body):
            raise Refused(
                f"Invalid tensor: it has {len(given)} strings, and its shape {count}: send them all"
            )
    return given + [last] * missing, shape


def proto_of(tensor: Tensor) -> Any:
    """A proto of these numbers."""
    data, shape, dtype = tensor
    name, _, field = TYPES[dtype]
    proto = core.TensorProto(dtype=core.DataType[name], tensor_shape=_shape(shape))
    if (tag := _TAGS.get(dtype)) is not None:
        proto.MergeFromString(b"".join((tag, _varint(len(data)), data)))
        return proto
    found = np.frombuffer(data, "<u2" if dtype == "<f2" else dtype)
    getattr(proto, field).extend(found.tolist())
    return proto


def proto_of_strings(texts: Sequence[bytes], shape: Sequence[int]) -> Any:
    return core.TensorProto(dtype=DT_STRING, tensor_shape=_shape(shape), string_val=texts)


def _varint(number: int) -> bytes:
    """As protobuf writes it: seven bits a byte, the last ones first."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _shape(shape: Sequence[int]) -> Any:
    return core.TensorShapeProto(dim=[core.TensorShapeProto.Dim(size=size) for size in shape])
