"""The Open Inference Protocol, version 2, over REST: one request has a batch, as tensors.

Names and datatypes are those that the model's metadata has. Numbers are raw bytes where the server says that
it has the binary data extension.
"""

from __future__ import annotations

import base64
import contextlib
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .address import Address
from .connections import Answered, Request
from .forms import Form, Get, Refused, Unread, decoded, is_frame

DATATYPES = {
    **{"BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8"},
    **{"INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8"},
    **{"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"},
}
_NAMES = {np.dtype(dtype): name for name, dtype in DATATYPES.items()}
_HEADER = "inference-header-content-length"
_UNNAMED = "input-0"
_REFUSALS = frozenset({401, 403, 404})


class Wanted(NamedTuple):
    """A tensor, as the model's metadata tells of it."""

    datatype: str | None = None
    dimensions: int | None = None


class OpenInference(Form):
    ends_with = "/infer"
    example = "/v2/models/m"

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._binary = False
        self._inputs: dict[str, Wanted] = {}

    async def learn(self, get: Get) -> None:
        model = self._path.removesuffix("/infer")
        about = await get(model)
        if about.status in _REFUSALS:
            raise Refused(about)
        self._inputs = _inputs(about)
        server = await get(model.partition("/models/")[0])
        if server.status == 200:
            with contextlib.suppress(Unread, AttributeError, TypeError):
                self._binary = "binary_tensor_data" in decoded(server).get("extensions", ())

    def one_by_one(self, inputs: Any) -> bool:
        if len(inputs) == 1:
            return False
        try:
            self._tensors(inputs)
        except (ValueError, TypeError):  # of several shapes, or one is no tensor
            return True
        return False

    def write(self, inputs: Any) -> Request:
        described, raw = [], []
        for name, array in self._tensors(inputs):
            texts = array.dtype.kind == "O"
            about: dict[str, Any] = {
                "name": name,
                "shape": list(array.shape),
                "datatype": "BYTES" if texts else _NAMES[array.dtype.newbyteorder("<")],
            }
            data: list[Any] | None = None
            if texts and not self._binary:
                data = array.ravel().tolist()
                if any(isinstance(each, bytes) for each in data):
                    data = [base64.b64encode(each).decode() for each in data]
                    about["parameters"] = {"content_type": "base64"}
            elif not self._binary:
                data = array.ravel().tolist()
            if data is not None:
                about["data"] = data
            else:
                raw.append(_framed(array) if texts else array.tobytes())
                about["parameters"] = {"binary_data_size": len(raw[-1])}
            described.append(about)
        asked: dict[str, Any] = {"inputs": described}
        if not self._binary:
            return self._post(msgspec.json.encode(asked))
        asked["parameters"] = {"binary_data_output": True}
        head = msgspec.json.encode(asked)
        length = {"Inference_Header_Content_Length": str(len(head))}
        return self._post(b"".join((head, *raw)), "application/octet-stream", **length)

    def read(self, answered: Answered, count: int) -> Any:
        try:
            return self._read(answered, count)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
            raise Unread(f"what is no answer of its protocol: {error!r:.200}") from None

    def _read(self, answered: Answered, count: int) -> Any:
        length = int(answered.headers.get(_HEADER, len(answered.body)))
        rest = memoryview(answered.body)[length:]
        rows: dict[str, Any] = {}
        for output in decoded(answered._replace(body=answered.body[:length]))["outputs"]:
            size = (output.get("parameters") or {}).get("binary_data_size")
            shape = [int(n) for n in output["shape"]]
            rows[output["name"]] = _array(output, shape, None if size is None else rest[:size])
            rest = rest[size or 0 :]
            if not shape or shape[0] != count:
                raise ValueError(f"{output['name']} has the shape {shape}, for {count} inputs")
        if len(rows) == 1:
            return next(iter(rows.values()))
        if not rows:
            raise ValueError("it has no outputs")
        return [{name: each[i] for name, each in rows.items()} for i in range(count)]

    def _tensors(self, inputs: Any) -> list[tuple[str, np.ndarray[Any, Any]]]:
        """Raises ValueError where they have none in common."""
        if is_frame(inputs):
            columns = [str(name) for name in inputs.columns]
            return [(name, self._tensor(name, list(inputs[name]), True)) for name in columns]
        if isinstance(inputs, list) and all(isinstance(each, dict) and each for each in inputs):
            names = list(inputs[0])
            if any(each.keys() != inputs[0].keys() for each in inputs):
                raise ValueError("inputs of one batch name several tensors")
            return [(name, self._tensor(name, [each[name] for each in inputs], False)) for name in names]
        name = next(iter(self._inputs), _UNNAMED)
        return [(name, self._tensor(name, inputs, False))]

    def _tensor(self, name: str, values: Any, is_column: bool) -> np.ndarray[Any, Any]:
        wanted = self._inputs.get(name, Wanted())
        found: np.ndarray[Any, Any]
        if wanted.datatype == "BYTES" or (isinstance(values, list) and _is_text(values[0])):
            texts = [each if _is_text(each) else msgspec.json.encode(each).decode() for each in values]
            found = np.empty(len(texts), object)
            found[:] = texts
        else:
            found = np.asarray(values)
            if found.dtype.kind == "U":
                found = found.astype(object)
            elif found.dtype.kind == "O":  # null is a number that is missing
                found = found.astype(np.float64)
            elif found.dtype.kind not in "biuf":
                raise ValueError(f"{name} would be a tensor of {found.dtype}")
            if found.dtype.kind != "O":
                dtype = DATATYPES.get(wanted.datatype or "", found.dtype)
                found = np.ascontiguousarray(found, dtype)
        if found.ndim == 1 and (wanted.dimensions == 2 or (is_column and wanted.dimensions is None)):
            found = found.reshape(-1, 1)
        return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _inputs(answered: Answered) -> dict[str, Wanted]:
    """Those of the model, where its metadata names them."""
    try:
        told = decoded(answered)["inputs"] if answered.status == 200 else []
        return {
            each["name"]: Wanted(each.get("datatype"), len(each.get("shape") or ()) or None) for each in told
        }
    except (Unread, KeyError, TypeError, AttributeError):
        return {}


def _framed(texts: np.ndarray[Any, Any]) -> bytes:
    parts = []
    for each in texts.ravel():
        data = each if isinstance(each, bytes) else each.encode()
        parts += [struct.pack("<I", len(data)), data]
    return b"".join(parts)


def _array(output: Mapping[str, Any], shape: Sequence[int], raw: memoryview | None) -> Any:
    """The rows of an output."""
    datatype = output["datatype"]
    if datatype != "BYTES":
        dtype = DATATYPES[datatype]
        if raw is not None:
            return np.frombuffer(raw, dtype).reshape(shape)
        return np.asarray(output["data"], dtype).reshape(shape)
    texts = _flat(output["data"]) if raw is None else _split(raw)
    found = np.empty(math.prod(shape), object)
    found[:] = texts
    return found.reshape(shape).tolist()


def _flat(data: Any) -> list[Any]:
    return [inner for each in data for inner in (_flat(each) if isinstance(each, list) else [each])]


def _split(raw: memoryview) -> list[Any]:
    texts: list[Any] = []
    start = 0
    while start < len(raw):
        (size,) = struct.unpack_from("<I", raw, start)
        data = bytes(raw[start + 4 : (start := start + 4 + size)])
        try:
            texts.append(data.decode())
        except UnicodeDecodeError:
            texts.append(data)
    return texts
