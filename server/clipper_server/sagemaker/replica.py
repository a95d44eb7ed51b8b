"""The replica of a container: a process that is started again when it ends, and ended when it hangs."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from clipper_container import artifact, words
from clipper_container.errors import ClusterError

from .model import NAME, VERSION, Packaged

GRACE_S = 5.0
MAX_WARM_UP = 4096


class OneReplica:
    """It dials the socket `frontends`, and gets its artifact by a link in `folder`."""

    def __init__(self, packaged: Packaged, folder: Path, frontends: Path) -> None:
        self._token = secrets.token_urlsafe(32)
        self.credential = sha256(self._token.encode()).hexdigest()
        link = folder / artifact.digest(packaged.path)
        link.symlink_to(packaged.path.absolute())
        self._environment = {
            # It has the machine for itself.
            "OMP_NUM_THREADS": str(os.cpu_count() or 1),
            **os.environ,
            "CLIPPER_MODEL_NAME": NAME,
            "CLIPPER_MODEL_VERSION": VERSION,
            "CLIPPER_REPLICA": "0",
            "CLIPPER_FRONTENDS": str(frontends),
            "CLIPPER_ARTIFACT": f"file://{link}",
            "CLIPPER_TOKEN": self._token,
            "CLIPPER_MAX_BATCH": str(MAX_WARM_UP),
            "CLIPPER_LAST_WORDS": words.IN_THE_LOG,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def turn(self) -> None:
        """Start it, and wait until it ends. Raises ClusterError then, for it was to go on."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "clipper_container"),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        code = await self._process.wait()
        raise ClusterError(f"The model's process has ended, with {code}. Its last words are above.")

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        """It answers what it has; then, or after a while, it ends."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), GRACE_S)
        except TimeoutError:
            self.kill()
            await process.wait()
