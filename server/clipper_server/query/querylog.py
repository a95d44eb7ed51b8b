"""The query log's way from a query frontend to management: memory, the spool on disk, HTTP.

Each has a bound. Nothing of it is on a query's path: a record is put in a list there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from clipper_container.tensors import Tensor

from ..querylog import Batch, Chosen, Dropped, Record, frame

EVERY_S = 0.5
MAX_RECORDS = 1000  # in memory, of which ...
MAX_CHOSEN = 800  # ... so many may be decisions, of which there are many more than of all else
MAX_BATCH = 1 << 20  # bytes: management takes no body of more than four times that
MAX_SPOOL = 64  # batches, and ...
MAX_SPOOL_BYTES = 8 << 20
MAX_KEPT = 4096  # bytes of an input or an output

log = logging.getLogger(__name__)

Sent = Literal["taken", "refused", "later"]
Send = Callable[[bytes], Awaitable[Sent]]
"""Brings a batch to management, which has it then, will never take it, or may take it later."""


def kept(tensor: Tensor) -> tuple[bytes | None, str, tuple[int, ...]]:
    """Bytes of its own, with their type and shape, of an input that is small; else none."""
    if len(tensor.data) + len(tensor.dtype) > MAX_KEPT:
        return None, "", ()
    return bytes(tensor.data), tensor.dtype, tensor.shape


class Records:
    """Those that are not written yet. `counted` gives what is only counted until somebody takes it."""

    def __init__(self, counted: Callable[[], Iterable[Record]] = lambda: ()) -> None:
        self.dropped = 0
        self._counted = counted
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """Keep it, or count it where too many came."""
        if len(self._records) < (MAX_CHOSEN if isinstance(record, Chosen) else MAX_RECORDS):
            self._records.append(record)
        else:
            self.dropped += 1

    def take(self) -> list[Record]:
        """All, and how many were dropped."""
        records, self._records = [*self._counted(), *self._records], []
        if self.dropped:
            records.append(Dropped(self.dropped))
            self.dropped = 0
        return records


class QueryLog:
    """The spool of one frontend: a folder of batches, each a file that is written once."""

    def __init__(
        self, folder: Path, frontend: str, records: Records, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._folder = folder
        self._frontend = frontend
        self._records = records
        self._now_ns = now_ns

    async def turn(self, send: Send) -> None:
        """Write what has come, and bring what is written; then wait a while."""
        await self.write()
        for file in await asyncio.to_thread(self._files):
            sent = await send(await asyncio.to_thread(file.read_bytes))
            if sent == "later":
                break
            if sent == "refused":
                self._records.dropped += _count(file)
            await asyncio.to_thread(file.unlink)
        await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        records = self._records.take()
        if records:
            try:
                self._records.dropped += await asyncio.to_thread(self._write, records)
            except OSError as error:
                self._records.dropped += len(records)
                log.warning("the query log cannot be kept on disk: %s", error)

    def _write(self, records: list[Record]) -> int:
        """Returns how many older records had to make room."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for batch in _batches(records):
            count = sum(record.count if isinstance(record, Dropped) else 1 for record, _ in batch)
            name = f"{self._frontend}-{self._now_ns():020d}-{count}"
            text = b"".join([frame(Batch(name)), *(text for _, text in batch)])
            (self._folder / f"{name}.log").write_bytes(text)
        dropped = 0
        files = self._files()
        while len(files) > MAX_SPOOL or sum(file.stat().st_size for file in files) > MAX_SPOOL_BYTES:
            oldest = files.pop(0)
            dropped += _count(oldest)
            oldest.unlink()
        return dropped

    def _files(self) -> list[Path]:
        """Of this frontend, also of the process before, the oldest first."""
        return sorted(self._folder.glob(f"{self._frontend}-*.log"))


def _batches(records: Iterable[Record]) -> Iterator[list[tuple[Record, bytes]]]:
    """Records with their frames, of so many bytes together."""
    batch: list[tuple[Record, bytes]] = []
    size = 0
    for record in records:
        text = frame(record)
        if batch and size + len(text) > MAX_BATCH:
            yield batch
            batch, size = [], 0
        batch.append((record, text))
        size += len(text)
    yield batch


def _count(batch: Path) -> int:
    """How many records it stands for, by its name."""
    return int(batch.stem.rsplit("-", 1)[1])
