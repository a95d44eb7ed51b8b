"""The container manager `process`, with real processes."""

from __future__ import annotations

import dataclasses
import shutil
import socket
from pathlib import Path

import psutil
import pytest

from clipper_container.errors import ClusterError
from clipper_server.management.containers import Spec, Status
from clipper_server.management.containers.process import LOG_LIMIT, ProcessContainerManager

from .waiting import wait_for

pytestmark = pytest.mark.anyio

# Without an environment of its own a replica ends at once, and says what it misses.
LOST = Spec("m.1.0", "replica", {}, {"model": "m", "version": "1", "replica": "0"})


async def ended(manager: ProcessContainerManager) -> Status:
    for process in psutil.Process().children():
        wait_for("the replica to end", lambda p=process: p.status() == psutil.STATUS_ZOMBIE)  # type: ignore[misc]
    (status,) = await manager.poll()
    return status


async def test_what_ends_by_itself_leaves_its_last_words(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    await manager.start(LOST)
    status = await ended(manager)
    assert status.exit_code == 1
    assert "is started by a container manager" in status.last_words
    assert status.labels == LOST.labels
    await manager.forget(LOST.name)
    assert await manager.poll() == []


async def test_another_manager_finds_what_the_first_one_started(tmp_path: Path) -> None:
    first = ProcessContainerManager(tmp_path)
    await first.start(LOST)
    await ended(first)
    (status,) = await ProcessContainerManager(tmp_path).poll()
    assert (status.name, status.exit_code) == (LOST.name, -1)


async def test_no_process_is_left_without_a_record(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    shutil.rmtree(tmp_path / "processes")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # where it would wait for its artifact
        environment = {
            "CLIPPER_MODEL_NAME": "m",
            "CLIPPER_MODEL_VERSION": "1",
            "CLIPPER_REPLICA": "0",
            "CLIPPER_FRONTENDS": str(tmp_path / "*.sock"),
            "CLIPPER_ARTIFACT": f"http://127.0.0.1:{silent.getsockname()[1]}/sha256:0",
            "CLIPPER_TOKEN": "t",
        }
        with pytest.raises(ClusterError, match="or its record not be written"):
            await manager.start(dataclasses.replace(LOST, environment=environment))
    assert psutil.Process().children() == []


async def test_a_log_is_bounded_and_keeps_its_end(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    await manager.start(LOST)
    await ended(manager)
    log = tmp_path / "logs" / f"{LOST.name}.log"
    log.write_bytes(b"x" * LOG_LIMIT + b"the end")
    await manager.poll()
    assert log.stat().st_size <= LOG_LIMIT // 2
    assert log.read_bytes().endswith(b"the end")
