"""What outputs are like, by an example of them, for all protocols."""

from __future__ import annotations

import msgspec

from clipper_container.inputs import Tensor
from clipper_container.wire import MAX_EXAMPLE

from .task import Outcome

Example = tuple[str, tuple[int, ...]] | bytes
"""An output: a tensor's dtype and shape, or a JSON text."""


def learned(outcome: Outcome, before: Example | None) -> Example | None:
    """The example that this outcome is, or the one before: a fault is none, and a tensor tells more than a
    text. A text has `MAX_EXAMPLE` bytes at most.
    """
    if isinstance(outcome, Tensor):
        return outcome.dtype, outcome.shape
    is_text = isinstance(outcome, bytes) and len(outcome) <= MAX_EXAMPLE
    return outcome if is_text and not isinstance(before, tuple) else before  # type: ignore[return-value]


def of_default(output: bytes) -> bytes:
    """The default output as an example. A text that is a number in JSON is that number, as with Clipper."""
    value = msgspec.json.decode(output)
    if isinstance(value, str):
        try:
            msgspec.json.decode(value, type=int | float)
        except msgspec.DecodeError:
            return output
        return value.encode()
    return output
