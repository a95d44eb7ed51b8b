"""Contexts of numbers, which a linear learner weighs: what they may be, and as they travel."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray[tuple[Any, ...], np.dtype[np.floating[Any]]]

MAX_FEATURES = 64
LARGEST = 1000.0
"""Of each number, above and below zero: sums of their products have room for it (`learning/linear.py`)."""
MAX_WEIGHED = 1024
"""Numbers of all arms together: what one draw of them is, and 64 draws are 256 KiB."""
DRAWS = 64
"""Of what is known of each arm; the part of them that an arm wins is how often it is chosen."""
_WIDTH = 4  # bytes


def are_good(numbers: Sequence[float]) -> bool:
    """Whether each is finite, and not too large."""
    return all(-LARGEST <= number <= LARGEST for number in numbers)


def are_packed(packed: bytes) -> bool:
    """Whether these bytes are such numbers."""
    fit = len(packed) % _WIDTH == 0 and count(packed) <= MAX_FEATURES
    return fit and are_good(unpack(packed))


def pack(numbers: Sequence[float]) -> bytes:
    """As they travel: in single precision."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def unpack(packed: bytes) -> list[float]:
    return list(struct.unpack(f"<{count(packed)}f", packed))


def count(packed: bytes) -> int:
    return len(packed) // _WIDTH


def in_words(packed: bytes) -> str:
    """A JSON list, for people."""
    return f"[{', '.join(f'{number:.6g}' for number in unpack(packed))}]"


def with_constant(packed: bytes) -> Numbers:
    """After a 1, for what does not depend on any of them."""
    return np.concatenate(([1.0], np.frombuffer(packed, "<f4")))
