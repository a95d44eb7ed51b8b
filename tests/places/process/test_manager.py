"""The container manager `process`, with real processes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from clipper_container.errors import ClusterError, NotFound
from clipper_container.resources import Resources
from clipper_server.places import Spec, Status
from clipper_server.places.process.manager import LOG_LIMIT, ProcessContainerManager, _Record
from tests.support.waiting import wait_for

pytestmark = pytest.mark.anyio

# Without an environment of its own a replica ends at once, and says what it misses.
LOST = Spec("m.1.0", "replica", {}, {"model": "m", "version": "1", "replica": "0"})


async def ended(manager: ProcessContainerManager) -> Status:
    for child in manager._children.values():
        process = psutil.Process(child.pid)
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


async def test_a_replica_has_none_of_the_keys_of_who_started_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    manager = ProcessContainerManager(tmp_path)
    given = {"KEY": "a model's own", "CLIPPER_FRONTENDS": "x"}
    replica = manager._environment(
        dataclasses.replace(LOST, environment=given), _Record(LOST.name, "replica", {})
    )
    assert "JUPYTERHUB_API_TOKEN" not in replica
    assert given.items() <= replica.items()
    assert (replica["OMP_NUM_THREADS"], replica["PATH"]) == ("2", os.environ["PATH"])
    query = manager._environment(dataclasses.replace(LOST, kind="query"), _Record("query-0", "query", {}))
    assert query["JUPYTERHUB_API_TOKEN"] == "secret"  # it is our own, and its settings are there


async def test_another_manager_finds_what_the_first_one_started(tmp_path: Path) -> None:
    first = ProcessContainerManager(tmp_path)
    await first.start(LOST)
    await ended(first)
    (status,) = await ProcessContainerManager(tmp_path).poll()
    assert (status.name, status.exit_code) == (LOST.name, -1)


async def test_no_process_is_left_without_a_record(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    before = psutil.Process().children()  # other tests may have left some
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
    assert not {*psutil.Process().children()} - {*before}


async def test_a_log_is_bounded_and_keeps_its_end(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    await manager.start(LOST)
    await ended(manager)
    log = tmp_path / "logs" / f"{LOST.name}.log"
    log.write_bytes(b"x" * LOG_LIMIT + b"the end")
    await manager.poll()
    assert log.stat().st_size <= LOG_LIMIT // 2
    assert log.read_bytes().endswith(b"the end")


def waiting(folder: Path, port: int) -> dict[str, str]:
    """The environment of a replica that waits for its artifact, and never gets it."""
    return {
        "CLIPPER_MODEL_NAME": "m",
        "CLIPPER_MODEL_VERSION": "1",
        "CLIPPER_REPLICA": "0",
        "CLIPPER_FRONTENDS": str(folder / "*.sock"),
        "CLIPPER_ARTIFACT": f"http://127.0.0.1:{port}/sha256:0",
        "CLIPPER_TOKEN": "secret",
        "CLIPPER_MAX_BATCH": "1",
    }


DIES = """
import asyncio, json, os, signal, sys
from pathlib import Path
from clipper_server.places import Spec
from clipper_server.places.process.manager import ProcessContainerManager

class Dying(ProcessContainerManager):
    def _write(self, record):
        if record.identity is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(record)

labels = {"model": "m", "version": "1", "replica": "0"}
spec = Spec("m.1.0", "replica", json.loads(sys.argv[2]), labels)
asyncio.run(Dying(Path(sys.argv[1])).start(spec))
"""


async def test_what_was_started_but_never_noted_is_found_again(tmp_path: Path) -> None:
    """Management is killed between the start of a process and its record."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = json.dumps(waiting(tmp_path, silent.getsockname()[1]))
        command = [sys.executable, "-c", DIES, str(tmp_path), environment]
        dead = subprocess.run(command)  # noqa: ASYNC221 - nothing else waits for this loop
        assert dead.returncode == -9
        silent.settimeout(300)
        with silent.accept()[0]:  # until a new program has its environment, Linux shows an empty one
            manager = ProcessContainerManager(tmp_path)
            (status,) = await manager.poll()
            assert (status.name, status.exit_code) == (LOST.name, None)
            process = psutil.Process(status.pid)
            assert "secret" not in " ".join(process.cmdline())
            assert manager.stop_all(0.0) == 1
            wait_for("its end", lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


async def test_an_intent_that_came_to_nothing_is_forgotten(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    manager._write(_Record(LOST.name, LOST.kind, LOST.labels))
    assert await manager.poll() == []
    assert list((tmp_path / "processes").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to cores")
async def test_a_replica_gets_the_cores_that_it_may_use(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = waiting(tmp_path, silent.getsockname()[1])
        for i in range(2):
            spec = Spec(f"m.1.{i}", "replica", environment, LOST.labels, Resources.of(cpus=1))
            await manager.start(spec)
        statuses = await manager.poll()
        cores = [psutil.Process(status.pid).cpu_affinity() for status in statuses]
        assert [len(each or []) for each in cores] == [1, 1]
        if len(os.sched_getaffinity(0)) > 1:
            assert cores[0] != cores[1]
        manager.stop_all(0.0)
        for child in manager._children.values():
            child.wait()


async def test_a_log_is_read_on_from_where_one_was_and_also_where_it_was_cut(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    await manager.start(LOST)
    await ended(manager)
    log = tmp_path / "logs" / f"{LOST.name}.log"
    log.write_bytes(b"one\n")
    assert await manager.log(LOST.name, 0) == ("one\n", 4)
    assert await manager.log(LOST.name, 4) == ("", 4)
    log.write_bytes(b"one\n" + b"x" * LOG_LIMIT + b"\nthe end\n")
    await manager.poll()
    position, text = 4, ""
    while True:
        more, after = await manager.log(LOST.name, position)
        if after == position:
            break
        text, position = text + more, after
    assert text.endswith("\nthe end\n")
    with log.open("ab") as file:
        file.write(b"later\n")
    assert (await manager.log(LOST.name, position))[0] == "later\n"
    for name in ("nonsuch", "../logs/m.1.0", "x" * 5000, "é" * 200, "m.1.0\0", "", "*"):
        with pytest.raises(NotFound, match=r"There is no log .* Logs: m\.1\.0"):
            await manager.log(name, 0)


async def test_one_that_was_killed_says_what_may_have_happened(tmp_path: Path) -> None:
    manager = ProcessContainerManager(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = waiting(tmp_path, silent.getsockname()[1])
        await manager.start(dataclasses.replace(LOST, environment=environment))
        manager._children[LOST.name].kill()
        status = await ended(manager)
    assert status.exit_code == -9
    assert "no memory left" in status.last_words
