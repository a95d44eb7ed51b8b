"""A container's log: what it writes, each line with its time before it, as a kubelet keeps it."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

PIECE = 64 << 10
LAST_BYTES, LAST_LINES = 2048, 80


async def keep(stream: asyncio.StreamReader, path: Path) -> None:
    """Write what comes to the file, until the process has closed it."""
    rest = b""
    with path.open("ab") as file:
        while piece := await stream.read(PIECE):
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            when = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z").encode()
            file.writelines(when + b" " + line + b"\n" for line in lines)
            file.flush()
        if rest:
            when = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z").encode()
            file.write(when + b" " + rest + b"\n")


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
