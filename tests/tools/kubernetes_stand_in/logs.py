"""A container's log: what it writes, each line with its time before it, as a kubelet keeps it."""

from __future__ import annotations

import asyncio
import datetime
import os
from pathlib import Path

PIECE = 64 << 10
LAST_BYTES, LAST_LINES = 2048, 80


async def keep(reading: int, path: Path) -> None:
    """Write what comes from the pipe to the file, until nobody has the other end."""
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
    )
    rest = b""
    try:
        with path.open("ab") as file:
            while piece := await stream.read(PIECE):
                whole = (rest + piece).split(b"\n")
                rest = whole.pop()
                file.writelines(_now() + line + b"\n" for line in whole)
                file.flush()
            if rest:
                file.write(_now() + rest + b"\n")
    finally:
        transport.close()


def _now() -> bytes:
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    return when.replace("+00:00", "Z ").encode()


def lines(data: bytes, *, timestamps: bool = False, since: str = "") -> list[bytes]:
    """The lines in the file's contents, each with its end; those from a time on."""
    found = []
    for line in data.splitlines(keepends=True):
        when, _, text = line.partition(b" ")
        if since and when.decode() < since:
            continue
        found.append(line if timestamps else text)
    return found


def last_words(path: Path) -> str:
    """For terminationMessagePolicy FallbackToLogsOnError."""
    if not path.exists():
        return ""
    return b"".join(lines(path.read_bytes())[-LAST_LINES:])[-LAST_BYTES:].decode(errors="replace")
