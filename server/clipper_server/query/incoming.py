"""A request's body as it comes, piece by piece."""

from __future__ import annotations

import mmap
from contextlib import suppress

from .protocols.json_body import Body
from .slices import Slices, Steps

LARGE = PIECE = 256 << 10


class _Room(mmap.mmap):
    """Memory of its own, which is given back a little at a time when nobody uses it any more."""

    slices: Slices

    def __del__(self) -> None:
        with suppress(RuntimeError):  # there is no loop any more
            self.slices.add(self._give_back())

    def _give_back(self) -> Steps[None]:
        for start in range(0, len(self), PIECE):
            self.madvise(mmap.MADV_DONTNEED, start, min(PIECE, len(self) - start))
            yield
        self.close()


class Incoming:
    """What has come of a body of `most` bytes at most, which is for its owner to see to.

    What is large is laid at its place as it comes, in memory that the system gives page by page: to join its
    pieces when the last one is there takes a millisecond for each MiB, in which nobody else is answered.
    """

    __slots__ = ("_most", "_pieces", "_room", "_slices", "size")

    def __init__(self, most: int, slices: Slices) -> None:
        self.size = 0
        self._most = most
        self._slices = slices
        self._pieces: list[bytes] = []
        self._room: _Room | None = None

    def add(self, piece: bytes) -> None:
        end = self.size + len(piece)
        if self._room is None and end > LARGE and self._pieces:
            self._room = _Room(-1, self._most, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._room.slices = self._slices
            self._room[: self.size] = b"".join(self._pieces)
            self._pieces.clear()
        if self._room is None:
            self._pieces.append(piece)
        else:
            self._room[self.size : end] = piece
        self.size = end

    def clear(self) -> None:
        """Let it all go."""
        self._pieces.clear()
        self._room = None

    def take(self) -> Body:
        """The whole of it, which is not kept here."""
        pieces, room = self._pieces, self._room
        self._pieces, self._room = [], None
        if room is not None:
            return memoryview(room)[: self.size]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
