"""The classification extension: of each row of numbers the largest ones, as texts "value:index"."""

from __future__ import annotations

import math
import struct

import numpy as np

from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor

from ...slices import Steps
from .tensors import NAMES

_AT_ONCE = 64  # rows in one step


def classified(tensor: Tensor, classes: int) -> Steps[Tensor]:
    """A tensor of BYTES with so many classes for each row, or as many as there are. Raises BadRequest."""
    if tensor.dtype not in NAMES:
        raise BadRequest("The output is no numbers, so that it has no classes. Leave classification out.")
    rows = np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape[0], math.prod(tensor.shape[1:]))
    most = min(classes, rows.shape[1])
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        # Backwards twice, so that of two that are alike the first one is told first.
        order = rows.shape[1] - 1 - np.argsort(some[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :most]
        form = b"%f:%d" if some.dtype.kind == "f" else b"%d:%d"
        for values, places in zip(np.take_along_axis(some, order, 1).tolist(), order.tolist(), strict=True):
            texts = [form % found for found in zip(values, places, strict=True)]
            parts.append(b"".join([struct.pack("<I", len(text)) + text for text in texts]))
        yield
    return Tensor(b"".join(parts), (len(rows), most), "bytes")
