"""What outputs are like, by an example of them, for all protocols."""

from __future__ import annotations

import msgspec

from clipper_container.named import DTYPES
from clipper_container.tensors import Tensor
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


def default_like(output: bytes, example: Example | None) -> bytes:
    """The default output, among outputs like the example: a text is a number where it can be and they are."""
    if output[:1] != b'"':
        return output  # as most are
    if isinstance(example, tuple):
        are_numbers = example[0] in DTYPES
    else:
        are_numbers = example is None or isinstance(msgspec.json.decode(example), int | float | list)
    return of_default(output) if are_numbers else output
