"""What was decided for one answer, as its token tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from clipper_container.named import is_named
from clipper_container.tensors import Tensor

from ..task import Output

MAX_OUTPUTS = 256  # bytes of all outputs together


class Raw(NamedTuple):
    """A tensor with bytes of its own."""

    data: bytes
    shape: tuple[int, ...]
    dtype: str


class Answered(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`arms` are those that answered, as model:version, and `outputs` is what each of them said; None where
    that is too large. `combined`: the answer is made of what all of them said. `raw`: they were asked for
    tensors. `at` is in seconds since 1970. `features` are the numbers that it was decided by, as they travel.
    `dealt` has for each arm the epoch of the table of shares by which it was a side of a rollout, or 0; it is
    empty where none was.
    """

    query_id: int
    application: str
    arms: tuple[str, ...]
    propensity: float
    epoch: int
    context: str
    at: float
    combined: bool
    raw: bool
    outputs: tuple[bytes | Raw, ...] | None
    features: bytes = b""
    dealt: tuple[int, ...] = ()

    def dealt_to(self, place: int) -> int:
        return self.dealt[place] if self.dealt else 0


def kept(outputs: Sequence[Output]) -> tuple[bytes | Raw, ...] | None:
    """The outputs, where they are small enough together."""
    if len(outputs) == 1 and isinstance(only := outputs[0], bytes):
        return (only,) if len(only) <= MAX_OUTPUTS else None
    size = 0
    found: list[bytes | Raw] = []
    for output in outputs:
        if isinstance(output, Tensor):
            size += len(output.data) + (len(output.dtype) if is_named(output.dtype) else 0)
            if size > MAX_OUTPUTS:
                return None
            found.append(Raw(bytes(output.data), output.shape, output.dtype))
        else:
            size += len(output)
            if size > MAX_OUTPUTS:
                return None
            found.append(output)
    return tuple(found)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Answered).decode
