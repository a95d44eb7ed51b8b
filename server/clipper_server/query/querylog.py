"""The query log's way from a query frontend to management: memory, the spool on disk, HTTP.

Each has a bound. Nothing of it is on a query's path: a record is put in a list there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from ..querylog import Batch, Dropped, Record, framed

EVERY_S = 0.5
MAX_RECORDS = 1000  # in memory, which are one batch
MAX_SPOOL = 64  # batches, and ...
MAX_SPOOL_BYTES = 8 << 20

log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[bool]]
"""Brings a batch to management; false where it cannot be brought now."""


class Records:
    """Those that are not written yet. `counted` gives what is only counted until somebody takes it."""

    def __init__(self, counted: Callable[[], Iterable[Record]] = lambda: ()) -> None:
        self.dropped = 0
        self._counted = counted
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """Keep it, or count it where too many came."""
        if len(self._records) < MAX_RECORDS:
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
            if not await send(await asyncio.to_thread(file.read_bytes)):
                break
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
        count = sum(record.count if isinstance(record, Dropped) else 1 for record in records)
        name = f"{self._frontend}-{self._now_ns():020d}-{count}"
        (self._folder / f"{name}.log").write_bytes(framed([Batch(name), *records]))
        dropped = 0
        files = self._files()
        while len(files) > MAX_SPOOL or sum(file.stat().st_size for file in files) > MAX_SPOOL_BYTES:
            oldest = files.pop(0)
            dropped += int(oldest.stem.rsplit("-", 1)[1])
            oldest.unlink()
        return dropped

    def _files(self) -> list[Path]:
        """Of this frontend, also of the process before, the oldest first."""
        return sorted(self._folder.glob(f"{self._frontend}-*.log"))
