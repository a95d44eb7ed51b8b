"""What rewards say of an arm by the numbers of its queries: the sums of a linear regression."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...features import Numbers
from ...feedback import UNIT

CARRY_AFTER = 512
"""Updates: so many products of two numbers of 1,000 each, in 1/UNIT, fit into 64 bits."""


class Linear:
    """`size` numbers x, of which the first is 1, and a reward r each time: the sums of x x' and of r x.

    They are exact, in 1/UNIT, so that the order in which they come is no matter; and there are those in
    which the past counts for less.
    """

    __slots__ = ("_rest", "_since", "_whole", "recent", "size")

    def __init__(self, size: int) -> None:
        length = size * (size + 1) // 2 + size  # the upper triangle, and then r x
        self.size = size
        self._whole = np.zeros(length, np.int64)
        self._rest = np.zeros(length, np.int64)
        self._since = 0
        self.recent = np.zeros(length)

    def add(self, x: Numbers, reward: float, kept: float) -> None:
        """Of which the part `kept` is not forgotten yet."""
        each = np.concatenate((np.outer(x, x)[_upper(self.size)], reward * x))
        self._rest += np.rint(each * UNIT).astype(np.int64)
        self._since += 1
        if self._since >= CARRY_AFTER:
            self._carry()
        self.recent += kept * each

    def _carry(self) -> None:
        """Take whole ones out of the rest, which is from 0 to below 1 then: a sum is said in one way."""
        self._whole += self._rest // UNIT
        self._rest %= UNIT
        self._since = 0

    def sums(self, forget: float) -> tuple[Numbers, Numbers]:
        """That of x x', and that of r x: with the past forgotten, or the exact ones where nothing is."""
        self._carry()
        of = self.recent if forget else self._whole + self._rest / UNIT
        square = np.zeros((self.size, self.size))
        square[_upper(self.size)] = of[: -self.size]
        return np.triu(square, 1).T + square, of[-self.size :]

    def encode(self) -> bytes:
        self._carry()
        return b"".join(part.tobytes() for part in (self._whole, self._rest, self.recent))

    @classmethod
    def decode(cls, size: int, stored: bytes) -> Linear:
        found = cls(size)
        third = len(stored) // 3
        found._whole = np.frombuffer(stored[:third], np.int64).copy()
        found._rest = np.frombuffer(stored[third : 2 * third], np.int64).copy()
        found.recent = np.frombuffer(stored[2 * third :]).copy()
        return found


@cache
def _upper(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(size)
