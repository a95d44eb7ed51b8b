"""The artifacts, each a file named by its digest."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

from clipper_container.errors import BadRequest, NoRoom, NotFound

YOUNG_S = 3600
SPARE = 64 << 20  # bytes of the disk that no artifact takes: the database and the logs need them
_NO_ROOM = (
    "The disk has no room for this artifact. Make some, or take versions away that nobody needs any more "
    "(stop_versioned_models), and deploy again."
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Artifacts:
    """A folder of artifacts. A file that is there is whole: it is put there after its digest agreed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the artifact is. Raises NotFound."""
        path = self._place(digest)
        if not path.is_file():
            raise NotFound(f"There is no artifact {digest} here. Upload it before the version is deployed.")
        return path

    async def put(self, digest: str, content: AsyncIterator[bytes], announced: int = 0) -> int:
        """Store what comes, in pieces; return its size in bytes.

        Raises BadRequest where it has another digest, and NoRoom where the disk is too full for it: at once
        where its size was announced. Neither leaves anything behind.
        """
        place = self._place(digest)
        sha256 = hashlib.sha256()
        size = 0
        self._check_room(announced)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".upload-")
        uploaded = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in content:
                    sha256.update(chunk)
                    size += len(chunk)
                    if size > announced:  # there was no word of this much
                        self._check_room(len(chunk))
                    await asyncio.to_thread(file.write, chunk)
            actual = f"sha256:{sha256.hexdigest()}"
            if actual != digest:
                raise BadRequest(
                    f"The upload's digest is {actual}, not {digest}: it was cut short or "
                    "changed. Send it again."
                )
            uploaded.rename(place)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoRoom(_NO_ROOM) from error
            raise
        finally:
            uploaded.unlink(missing_ok=True)
        return size

    def collect(self, kept: Collection[str], clock: Callable[[], float] = time.time) -> list[str]:
        """Remove all that are not `kept`, but not what was uploaded within the last hour; their digests.

        A deploy uploads first, and refers to it afterwards.
        """
        removed = []
        for path in self._folder.iterdir():
            digest = f"sha256:{path.name}"
            if digest not in kept and clock() - path.stat().st_mtime > YOUNG_S:
                path.unlink(missing_ok=True)
                if _DIGEST.fullmatch(digest):
                    removed.append(digest)
        return removed

    def _check_room(self, size: int) -> None:
        if size and shutil.disk_usage(self._folder).free < size + SPARE:
            raise NoRoom(_NO_ROOM)

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise BadRequest(f"{digest!r} is no digest: it should be sha256: and 64 hexadecimal digits.")
        return self._folder / digest.removeprefix("sha256:")
