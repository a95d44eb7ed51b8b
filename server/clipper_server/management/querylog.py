"""The query log as management keeps it: in segments, of which the oldest go when there is too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..querylog import Batch, Dropped, Reader, Record, framed
from .events import Events

SEGMENT = 2 << 20  # bytes
MAX_BYTES = 32 << 20
REMEMBERED = 1000  # batches, by name: one that comes again is not taken again


class QueryLog:
    """In a folder. `listeners` get each record: at the start those that are there, then what comes."""

    def __init__(self, folder: Path, events: Events) -> None:
        self._folder = folder
        self._events = events
        self._lost = 0  # of its own records
        self._names: deque[str] = deque(maxlen=REMEMBERED)
        self._place: Path | None = None  # the segment that grows; none where one may end within a record
        self.listeners: list[Callable[[Record], None]] = []
        folder.mkdir(mode=0o700, exist_ok=True)

    def restore(self) -> None:
        """Tell the listeners of all that is there."""
        reader = Reader()
        for segment in self._segments():
            for record in reader.records(segment.read_bytes()):
                self._tell(record)
        self._complain(reader.torn, "in its files")

    def take(self, frontend: str, data: bytes) -> None:
        """A batch that a frontend brings. Raises OSError where it cannot be written."""
        reader = Reader()
        found = list(reader.frames(data))
        if found and isinstance(found[0][0], Batch) and found[0][0].name in self._names:
            return
        text = b"".join(whole for _, whole in found)
        if text:
            self._append(text)
        for record, _ in found:
            self._tell(record)
        self._complain(reader.torn, f"in what query frontend {frontend} brought")

    def add(self, records: Sequence[Record]) -> None:
        """Management's own. Where they cannot be written, that is told of once, and how many, later."""
        lost = [Dropped(self._lost)] if self._lost else []
        try:
            self._append(framed([*lost, *records]))
        except OSError as error:
            if not self._lost:
                self._events.add("error", f"The query log cannot be written: {error}. Rewards are left out.")
            self._lost += len(records)
            return
        self._lost = 0
        for record in lost:
            self._tell(record)

    def newest(self) -> Iterator[tuple[float, list[Record]]]:
        """What is kept, a segment at a time, the newest first: when it was last written to, in seconds since
        1970, and its records, the newest first. Reads files, so not for the event loop.
        """
        for segment in reversed(self._segments()):
            try:
                written = segment.stat().st_mtime
                records = list(Reader().records(segment.read_bytes()))
            except FileNotFoundError:  # it made room meanwhile
                return
            records.reverse()
            yield written, records

    def _tell(self, record: Record) -> None:
        if isinstance(record, Batch):
            self._names.append(record.name)
            return
        for listener in self.listeners:
            listener(record)

    def _complain(self, torn: int, where: str) -> None:
        if torn:
            self._events.add("error", f"The query log has {torn} torn records {where}: they are left out.")

    def _append(self, text: bytes) -> None:
        if self._place is None or self._place.stat().st_size + len(text) > SEGMENT:
            last = self._segments()[-1:]
            number = int(last[0].stem) + 1 if last else 1
            self._place = self._folder / f"{number:08d}.log"
        try:
            with self._place.open("ab") as file:
                file.write(text)
        except OSError:
            self._place = None
            raise
        sizes = [(segment, segment.stat().st_size) for segment in self._segments()]
        while len(sizes) > 1 and sum(size for _, size in sizes) > MAX_BYTES:
            sizes.pop(0)[0].unlink()

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))
