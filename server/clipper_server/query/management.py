"""A query frontend's side of its talk with management: snapshots in, reports out.

While management is down both are tried again, and the frontend serves on with what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Literal

import httpx2
import msgspec

from clipper_container.errors import ClusterError, from_name

from ..changes import Changes
from ..feedback import Receipt, Tables
from ..rollouts import Shares
from ..snapshot import ReplicaReport, Report, Snapshot
from .configuration import Configuration
from .querylog import Sent

REPORT_EVERY_S = 0.5
LONG_POLL_S = 25
SHARES_POLL_S = 5  # well within a table's lifetime
WRONG = 400, 413, 422  # what came cannot be taken, and could not be later
PASS_ON_S = 20.0
TELL_AGAIN_S = 60.0  # that reports are refused

log = logging.getLogger(__name__)


class PassOn:
    """What clients ask of management by way of a protocol, each with its own token. It has none itself."""

    def __init__(self, address: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"http://{address}/api/v1",
            timeout=PASS_ON_S,
            trust_env=False,
            verify=False,
            transport=transport,
        )

    async def __call__(self, method: str, path: str, token: str, body: object = None) -> None:
        """Raises what management refuses it with, or ClusterError."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = await self._client.request(method, path, headers=headers, json=body)
        except httpx2.HTTPError as error:
            raise ClusterError("Management does not answer. Try again, and see whether it runs.") from error
        if response.is_success:
            return
        try:
            said = msgspec.json.decode(response.content, type=dict[str, str])
        except msgspec.DecodeError:
            said = {
                "error": "ClusterError",
                "message": f"Management answered with {response.status_code}: {response.text[:200]}",
            }
        raise from_name(said.get("error", ""), said.get("message", ""))


class Management:
    """`follow` and `report` are turns, to be taken again and again."""

    def __init__(
        self,
        address: str,
        token: str,
        stored: Path,
        configuration: Configuration,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._path = f"/api/v1/frontends/{configuration.frontend}"
        self._client = httpx2.AsyncClient(
            base_url=f"http://{address}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(5, read=LONG_POLL_S + 10),
            trust_env=False,
            verify=False,
            transport=transport,
        )
        self._refused_at = -TELL_AGAIN_S
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
        """Wait for a snapshot, apply it, and keep it on disk. Raises what is wrong with it."""
        try:
            await self._next_snapshot()
        except httpx2.HTTPError as error:
            log.info("management does not answer (%r): serving on with what is known", error)
            await asyncio.sleep(REPORT_EVERY_S)

    async def _next_snapshot(self) -> None:
        now = self._configuration.snapshot
        parameters = {"after": now.revision if now else -1, "wait_s": LONG_POLL_S}
        response = await self._client.get(f"{self._path}/snapshot", params=parameters)
        response.raise_for_status()
        if response.status_code == 200:
            self._configuration.apply(Snapshot.decode(response.content))
            await asyncio.to_thread(self._store, response.content)

    def _store(self, snapshot: bytes) -> None:
        try:
            temporary = self._stored.with_suffix(".new")
            temporary.write_bytes(snapshot)
            temporary.replace(self._stored)
        except OSError as error:
            log.warning("the snapshot cannot be kept on disk: %s", error)

    async def follow_shares(self) -> None:
        """Wait for the shares of rollouts. What is heard again lives on; silence does not."""
        rollouts = self._configuration.rollouts
        said = await self._newer("shares", rollouts.epoch, SHARES_POLL_S)
        if said is not None:
            rollouts.hear(msgspec.json.decode(said, type=Shares))

    async def follow_tables(self) -> None:
        """Wait for what was learned. While management is silent, the last that was heard goes on."""
        learned = self._configuration.learned
        said = await self._newer("tables", learned.epoch, LONG_POLL_S)
        if said is not None:
            learned.hear(msgspec.msgpack.decode(said, type=Tables))

    async def _newer(self, what: str, epoch: int, wait_s: float) -> bytes | None:
        """What there is after that epoch; None, and a while later, where management does not say."""
        try:
            response = await self._client.get(
                f"{self._path}/{what}", params={"after": epoch, "wait_s": wait_s}
            )
            response.raise_for_status()
        except httpx2.HTTPError:  # `follow` says so
            await asyncio.sleep(REPORT_EVERY_S)
            return None
        return response.content

    async def deliver(self, delivery: bytes) -> Receipt | Literal["refused", "later"]:
        """Bring feedback."""
        try:
            response = await self._client.post(f"{self._path}/feedback", content=delivery)
        except httpx2.HTTPError:  # `follow` says so
            return "later"
        if response.status_code in WRONG:
            log.warning("management refuses feedback, with %d: %s", response.status_code, response.text[:500])
            return "refused"
        if not response.is_success:
            return "later"
        return msgspec.msgpack.decode(response.content, type=Receipt)

    async def take(self, batch: bytes) -> Sent:
        """Bring a batch of the query log."""
        try:
            response = await self._client.post(f"{self._path}/querylog", content=batch)
        except httpx2.HTTPError:  # `follow` says so
            return "later"
        if response.is_client_error:
            log.warning(
                "management refuses the query log, with %d: %s", response.status_code, response.text[:500]
            )
            return "refused"
        return "later" if response.is_server_error else "taken"

    async def report(self, changes: Changes) -> None:
        """Report, and wait until something changes, or for half a second."""
        seen = changes.count
        with contextlib.suppress(httpx2.HTTPError):  # `follow` says so
            await self._tell(self._configuration.report())
        if changes.count == seen:
            await changes.wait(REPORT_EVERY_S)

    async def _tell(self, report: Report) -> None:
        """Without its details where management refuses it: one that says nothing is taken for dead."""
        path = f"{self._path}/report"
        response = await self._client.post(path, content=msgspec.json.encode(report))
        if response.is_success:
            self._configuration.heard(report.complaints)
        elif response.is_client_error:
            now = asyncio.get_running_loop().time()
            if now - self._refused_at > TELL_AGAIN_S:
                self._refused_at = now
                words = response.status_code, response.text[:500]
                log.warning("management refuses the reports, with %d: %s", *words)
            await self._client.post(path, content=msgspec.json.encode(_bare(report)))


def _bare(report: Report) -> Report:
    """What management must know: that this frontend lives, and which replicas it has."""
    replicas = [ReplicaReport(r.model, r.version, r.replica, r.ready, r.answered) for r in report.replicas]
    return msgspec.structs.replace(report, replicas=replicas, applications=[], versions=[], complaints=[])
