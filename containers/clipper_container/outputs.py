"""What a model returns, as a reply carries it: JSON texts, or raw tensors where they are wanted.

What numpy, pandas and the like make of numbers, texts, times and missing values comes out as Python's own
would; what has no such form is refused by name. Each way gives the same: a tensor holds the numbers that the
JSON text would have.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from . import faults, times
from .articles import type_of, with_article
from .named import MAX_DIMENSIONS, MAX_DTYPE, MAX_PARTS, Part, dtype_of
from .tensors import Tensor
from .wire import Buffer, Fault

_PLAIN = "biuf"  # numpy's kinds of numbers that JSON and tensors have
_ADVICE = "Return numbers, strings, lists, dicts, numpy arrays or bytes."


class Row(dict[str, Any]):
    """One input's named outputs, where the model returned a dictionary of all."""


class Outputs(msgspec.Struct):
    """A batch's outputs as a reply carries them, one after the other in `body`; see `wire.Reply`."""

    body: list[Buffer]
    sizes: list[int]
    tensors: list[tuple[str, tuple[int, ...], list[int]]]
    faults: dict[int, Fault]


def encode_outputs(outputs: Any, count: int, raw: Sequence[int]) -> Outputs | Fault:
    """The outputs' JSON texts, or raw tensors for those whose positions are in `raw`.

    An exception in an output's place is that input's fault. NaN and the infinities become null in JSON,
    which has none, and so do NaT, pd.NA and masked values; bytes become base64.
    """
    outputs = rows_of(outputs, count, raw=bool(raw))
    if isinstance(outputs, Fault):
        return outputs
    if not raw and (texts := _numbers(outputs)) is not None:
        return Outputs(texts, list(map(len, texts)), [], {})
    if len(raw) == count and (whole := _stacked(outputs)) is not None:
        size = len(whole.data) // count
        return Outputs([whole.data], [size] * count, [(whole.dtype, whole.shape[1:], [*raw])], {})
    wanted_raw = set(raw)
    body: list[Buffer] = []
    tensors: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    failed: dict[int, Fault] = {}
    for i, output in enumerate(outputs):
        try:
            if isinstance(output, Fault):
                failed[i] = output
                body.append(b"")
            elif isinstance(output, BaseException):
                failed[i] = faults.model_error(output, faults.share(count))
                body.append(b"")
            elif i in wanted_raw and (tensor := _tensor(output)) is not None:
                body.append(tensor.data)
                tensors.setdefault((tensor.dtype, tensor.shape), []).append(i)
            else:
                body.append(_encode(output))
        except BaseException as error:  # an output is the model's own code, too
            body.append(b"")
            failed[i] = faults.bad_output(
                f"The model returned {type_of(output)} that cannot be written as JSON "
                f"({_why(error)}). {_ADVICE}",
                faults.share(count),
            )
    alike = [(*form, places) for form, places in tensors.items()]
    return Outputs(body, [len(part) for part in body], alike, failed)


def _numbers(outputs: Any) -> list[Buffer] | None:
    """Their JSON texts, written in one go, where all are numbers; else None."""
    if type(outputs) not in (list, tuple) or not outputs or not {int, float}.issuperset(map(type, outputs)):
        return None
    try:
        return [*_encode(outputs)[1:-1].split(b",")]
    except (ValueError, OverflowError):  # one is too large: which one, is to be told
        return None


def rows_of(outputs: Any, count: int, *, raw: bool = True) -> Any:
    """An output for each of so many inputs: a list, a tuple or an array; or why there are not as many.

    A dictionary has named outputs: in each a value for each input.
    """
    if isinstance(outputs, Mapping):
        return _by_name(outputs, count, raw)
    outputs = _whole(outputs, raw)
    if not isinstance(outputs, list | tuple | np.ndarray):
        return faults.bad_output(
            f"The model returned {type_of(outputs)}. It must return a list with one output for each input."
        )
    if len(outputs) != count:
        return Fault(
            "wrong_output_length",
            f"The model returned {len(outputs)} outputs for {count} inputs. It must return one output "
            "for each input, in order.",
        )
    return outputs


def _by_name(outputs: Mapping[Any, Any], count: int, raw: bool) -> list[dict[str, Any]] | Fault:
    columns = {}
    for name, values in outputs.items():
        if not isinstance(name, str):
            return faults.bad_output(f"The model returned an output by the name {name!r}. Names are texts.")
        found = _whole(values, raw)
        if raw and isinstance(found, list | tuple) and (numbers := _listed_numbers(found)) is not None:
            found = numbers
        if not isinstance(found, list | tuple | np.ndarray):
            return faults.bad_output(
                f"The model returned {type_of(values)} by the name {name!r}. In a dictionary of "
                "outputs each is an array or a list, with a value for each input."
            )
        if len(found) != count:
            return Fault(
                "wrong_output_length",
                f"The model returned {len(found)} outputs by the name {name!r} for {count} inputs. It must "
                "return one for each input, in order.",
            )
        columns[name] = found
    if not columns:
        return faults.bad_output("The model returned a dictionary without outputs. Name one at least.")
    return [Row(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _whole(outputs: Any, raw: bool) -> Any:
    """A list, tuple or array of the outputs, where they are several."""
    if isinstance(outputs, np.ndarray):
        if not outputs.ndim:
            return outputs.item()  # one number, and no list of any
        return outputs if raw or not _is_plain(outputs) else outputs.tolist()
    if isinstance(outputs, list | tuple | str | bytes | bytearray | memoryview):
        return outputs
    if _is_frame(outputs):
        return outputs.to_dict("records")
    if (listed := _method(outputs, "tolist", "to_list")) is None:
        return outputs
    found = _array(outputs) if raw else None
    return listed() if found is None else found


def _why(error: BaseException) -> str:
    if isinstance(error, TypeError | ValueError | OverflowError | msgspec.MsgspecError):
        try:
            return str(error)
        except BaseException:
            return type(error).__name__
    return faults.told(error)


# As tensors


def _stacked(outputs: Any) -> Tensor | None:
    """All as one tensor, where they are plain numbers of one type or the rows of an array; or None."""
    if type(outputs) in (list, tuple):
        kinds = set(map(type, outputs))
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind not in (bool, int, float) and not (kind and issubclass(kind, np.number)):
            return None
        outputs = np.asarray(outputs)
        if kind is int and outputs.dtype != np.int64:  # some are larger than the others' type
            return None
    if type(outputs) is not np.ndarray or not outputs.ndim or outputs.dtype.itemsize > 8:
        return None  # each by itself, for one of them may have no form
    return _tensor(outputs)


def _tensor(output: Any) -> Tensor | None:
    """The output without a detour over JSON: a view of the model's own array where it can be. Or None."""
    if isinstance(output, bytes | bytearray):
        return Tensor(bytes(output), (len(output),), "bytes")
    if isinstance(output, str):
        data = output.encode()
        return Tensor(data, (len(data),), "str")
    if isinstance(output, dict):
        named = isinstance(output, Row) or any(_method(v, "tolist", "to_list") for v in output.values())
        return _set(output) if named else None  # what is Python's own is JSON
    found = _array(output)
    if found is None:
        return None
    if found.dtype.str[0] == ">":
        found = found.astype(found.dtype.newbyteorder("<"))
    view = memoryview(np.ascontiguousarray(found)).cast("B") if found.size else b""  # type: ignore[arg-type]
    return Tensor(view, found.shape, found.dtype.str)


def _set(output: dict[Any, Any]) -> Tensor | None:
    """Named outputs, where each is numbers, or text, or bytes; None where one is something else."""
    parts: list[Part] = []
    tensors: list[Tensor] = []
    for name, value in output.items():
        if not isinstance(name, str) or isinstance(value, dict):
            return None
        tensor = _tensor(value) or _listed_tensor(value)
        if tensor is None or len(tensor.shape) > MAX_DIMENSIONS:
            return None
        parts.append(Part(name, tensor.dtype, len(tensor.shape)))
        tensors.append(tensor)
    if not parts or len(parts) > MAX_PARTS:
        return None
    dtype = dtype_of(parts)
    shape = tuple(size for tensor in tensors for size in tensor.shape)
    data = tensors[0].data if len(tensors) == 1 else b"".join(tensor.data for tensor in tensors)
    return Tensor(data, shape, dtype) if len(dtype) <= MAX_DTYPE else None


def _listed_tensor(value: Any) -> Tensor | None:
    """Lists of numbers as an array, and lists or arrays of texts as JSON."""
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    if isinstance(value, list | tuple) and (numbers := _listed_numbers(value)) is not None:
        return _tensor(numbers)
    try:
        found = np.asarray(value)
    except ValueError:  # rows of several lengths
        return None
    if not found.ndim or not found.size or found.dtype.kind not in "OU":
        return None
    if any(type(each) not in (str, np.str_) for each in found.ravel()):
        return None
    data = _encode(value)  # and not what numpy makes of it, which cuts zeros off
    return Tensor(data, (len(data),), "json")


def _listed_numbers(values: Sequence[Any]) -> np.ndarray[Any, Any] | None:
    """Lists of numbers, all rows of one length, as an array."""
    try:
        found = np.asarray(values) if len(values) else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    return found if found is not None and found.dtype.kind in _PLAIN else None


def _array(output: Any) -> np.ndarray[Any, Any] | None:
    """The output's numbers; None where it has others, or holes that they have no value for."""
    if isinstance(output, np.ma.MaskedArray) and np.ma.is_masked(output):
        if output.dtype.kind != "f":
            return None
        output = output.filled(np.nan)
    elif not isinstance(output, bool | int | float | np.generic | np.ndarray):
        if _is_frame(output) or _method(output, "tolist", "to_list") is None:
            return None
        if not hasattr(output, "__array__"):
            return None
    try:
        found = np.asarray(output)
    except (TypeError, ValueError, RuntimeError):  # of a device, or with a gradient
        return None
    if found.dtype.kind not in _PLAIN:
        return None
    return found if found.dtype.itemsize <= 8 else _doubles(found)


# As JSON


def _plain(value: Any) -> Any:
    """What msgspec cannot write itself, as something that it can. Raises TypeError that names it."""
    if isinstance(value, bool | None):  # as a value it never comes here
        return {True: "true", False: "false", None: "null"}[value]
    if value is np.ma.masked or _is_missing(value):
        return None
    if isinstance(value, np.generic):
        return _scalar(value)
    if isinstance(value, np.ndarray):
        return value.tolist() if _is_plain(value) else _listed(value)
    if isinstance(value, datetime.datetime):  # of a class of its own, such as pandas' Timestamp
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        exact = _method(value, "to_timedelta64")
        return times.duration(np.timedelta64(value) if exact is None else exact())
    if isinstance(value, str):
        return "".join([value])
    if isinstance(value, tuple):
        raise TypeError(f"a dict has the key {value!r}, and JSON's keys are texts")
    if _is_frame(value):
        return value.to_dict("records")
    for names in (("tolist", "to_list"), ("model_dump",)):
        if (method := _method(value, *names)) is not None:
            return method()
    if _method(value, "toarray") is not None:
        raise TypeError(f"it holds {type_of(value)}; its toarray() can be written")
    raise TypeError(f"it holds {type_of(value)}")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


def _is_plain(array: np.ndarray[Any, Any]) -> bool:
    """Whether its `tolist` has what JSON has."""
    return array.dtype.kind in "US" or (array.dtype.kind in _PLAIN and array.dtype.itemsize <= 8)


def _listed(array: np.ndarray[Any, Any]) -> Any:
    """What is in it, of other kinds: its rows, or its only value."""
    if array.dtype.kind == "f":
        return _doubles(array).tolist()
    if array.dtype.kind == "O":
        return array.tolist()
    return list(array) if array.ndim else array[()]


def _scalar(value: np.generic) -> Any:
    if isinstance(value, np.datetime64):
        return times.moment(value)
    if isinstance(value, np.timedelta64):
        return times.duration(value)
    if isinstance(value, np.floating) and value.dtype.itemsize > 8:
        return _doubles(np.asarray(value)).item()
    if isinstance(value, np.void) and value.dtype.names:
        return {name: value[name] for name in value.dtype.names}
    found = value.item()
    if isinstance(found, np.generic):
        raise TypeError(f"it holds {type_of(value)}")
    return found


def _doubles(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Longer floats, as JSON and all tensors have them. Raises ValueError for what is beyond those."""
    with np.errstate(over="ignore"):
        doubles = found.astype(np.float64)
    if np.any(np.isinf(doubles) & np.isfinite(found)):
        raise ValueError(f"it holds {with_article(str(found.dtype))} beyond the 64-bit floats")
    return doubles


def _is_missing(value: Any) -> bool:
    """Whether it is pandas' NA or NaT. Whoever has one has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def _is_frame(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _method(value: Any, *names: str) -> Callable[[], Any] | None:
    """The first method of these that the value's class has."""
    for name in names:
        if callable(getattr(type(value), name, None)):
            method: Callable[[], Any] = getattr(value, name)
            return method
    return None
