"""Which queries had feedback already: one bit a query, in pages of 8,192 ids that follow one another."""

from __future__ import annotations

from collections.abc import Iterable

from ...snapshot import MAX_FRONTENDS

PAGE = 1024  # bytes
BITS = 8 * PAGE
MAX_PAGES = 32 << 10
"""32 MiB of them."""

Key = tuple[int, int]  # the frontend's number, and which of its pages


class _Page:
    __slots__ = ("bits", "last", "since")

    def __init__(self, bits: bytearray, since: float, last: float) -> None:
        self.bits = bits
        self.since = since  # of what was decided until then it may have forgotten that there was feedback
        self.last = last  # when the last of its decisions was made, in seconds since 1970


class Pages:
    """`gone_at` is when the last decision was made of those that a page had which is no more: what is as old,
    and has no page, may have had feedback.
    """

    def __init__(self, kept: Iterable[tuple[int, int, bytes, float, float]], gone_at: float) -> None:
        self._pages = {
            (frontend, page): _Page(bytearray(bits), since, last)
            for frontend, page, bits, since, last in kept
        }
        self.gone_at = gone_at
        self.changed: set[Key] = set()
        self.dropped: set[Key] = set()

    def __len__(self) -> int:
        return len(self._pages)

    def take(self, query_id: int, at: float) -> bool | None:
        """Note that it has feedback, for a decision made then. Returns False where it had; None: too old."""
        which, bit = divmod(query_id >> 6, BITS)
        key = query_id % MAX_FRONTENDS, which
        page = self._pages.get(key)
        if at <= (self.gone_at if page is None else page.since):
            return None
        if page is None:
            page = self._pages[key] = _Page(bytearray(PAGE), self.gone_at, at)
            self.dropped.discard(key)
        mask = 1 << (bit & 7)
        if page.bits[bit >> 3] & mask:
            return False
        page.bits[bit >> 3] |= mask
        page.last = max(page.last, at)
        self.changed.add(key)
        return True

    def drop(self, before: float) -> None:
        """Those whose decisions were all made before that time, and the oldest where there are too many."""
        old = [key for key, page in self._pages.items() if page.last < before]
        if len(self._pages) - len(old) > MAX_PAGES:
            by_age = sorted(self._pages, key=lambda key: self._pages[key].last)
            old = by_age[: len(self._pages) - MAX_PAGES]
        for key in old:
            self.gone_at = max(self.gone_at, self._pages.pop(key).last)
            self.changed.discard(key)
            self.dropped.add(key)

    def written(self) -> None:
        """The file has all that changed."""
        self.changed.clear()
        self.dropped.clear()

    def of(self, key: Key) -> tuple[bytes, float, float]:
        """As it is stored."""
        page = self._pages[key]
        return bytes(page.bits), page.since, page.last
