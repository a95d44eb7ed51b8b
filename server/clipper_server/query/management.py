"""A query frontend's side of its talk with management: snapshots in, reports out.

While management is down both are tried again, and the frontend serves on with what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import httpx2
import msgspec

from clipper_container.errors import ClusterError

from ..changes import Changes
from ..snapshot import Snapshot
from .configuration import Configuration

REPORT_EVERY_S = 0.5
LONG_POLL_S = 25
REFUSED_S = 5.0  # before a snapshot is asked for again that could not be read

log = logging.getLogger(__name__)


class Management:
    """`follow` and `report` run until they are cancelled."""

    def __init__(self, address: str, token: str, stored: Path, configuration: Configuration) -> None:
        self._path = f"/api/v1/frontends/{configuration.frontend}"
        self._client = httpx2.AsyncClient(
            base_url=f"http://{address}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(5, read=LONG_POLL_S + 10),
            trust_env=False,
        )
        self._stored = stored
        self._configuration = configuration

    def restore(self) -> None:
        """Start from the last snapshot on disk, if there is one, until management has a newer one."""
        try:
            snapshot = Snapshot.decode(self._stored.read_bytes())
        except OSError:
            return
        except ClusterError as error:
            log.warning("%s is left alone: %s", self._stored, error)
            return
        self._configuration.apply(snapshot)

    async def follow(self) -> None:
        """Apply each snapshot, and keep the last on disk."""
        while True:
            now = self._configuration.snapshot
            parameters = {"after": now.revision if now else -1, "wait_s": LONG_POLL_S}
            try:
                response = await self._client.get(f"{self._path}/snapshot", params=parameters)
                response.raise_for_status()
            except httpx2.HTTPError as error:
                log.info("management does not answer (%r): serving on with what is known", error)
                await asyncio.sleep(REPORT_EVERY_S)
                continue
            if response.status_code != 200:
                continue
            try:
                snapshot = Snapshot.decode(response.content)
            except ClusterError as error:
                log.warning("management's snapshot is left alone: %s", error)
                await asyncio.sleep(REFUSED_S)
                continue
            self._configuration.apply(snapshot)
            await asyncio.to_thread(self._store, response.content)

    def _store(self, snapshot: bytes) -> None:
        try:
            temporary = self._stored.with_suffix(".new")
            temporary.write_bytes(snapshot)
            temporary.replace(self._stored)
        except OSError as error:
            log.warning("the snapshot cannot be kept on disk: %s", error)

    async def report(self, changes: Changes) -> None:
        """Report when something changed, and every half second."""
        while True:
            seen = changes.count
            body = msgspec.json.encode(self._configuration.report())
            with contextlib.suppress(httpx2.HTTPError):  # `follow` has said so already
                await self._client.post(f"{self._path}/report", content=body)
            if changes.count == seen:
                await changes.wait(REPORT_EVERY_S)
