"""What outlives what: power cuts in mid-deploy, dead processes, full disks, damaged and foreign files."""

from __future__ import annotations

import concurrent.futures
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from clipperlab import (
    AlreadyExists,
    ClipperConnection,
    ClusterError,
    DeployError,
    ProcessContainerManager,
)
from clipperlab.deployers.python import deploy_python_closure
from tests.support import crashing_management
from tests.support.clusters import Attach, ask, constant, kill, output, pid_of, start_management
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's")
MANY_STEPS = 40  # more than a deploy has


def folder_of(conn: ClipperConnection) -> Path:
    return ProcessContainerManager(conn.cm.cluster_name).folder


def state_of(conn: ClipperConnection) -> dict[str, Any]:
    """All that a restart must bring back."""
    models = conn.get_all_models(verbose=True)
    return {
        "applications": conn.get_all_apps(verbose=True),
        "models": [{k: v for k, v in m.items() if k != "ready_replicas"} for m in models],
        "histories": {m["model_name"]: list(conn.get_model_history(m["model_name"])) for m in models},
    }


def replicas_of(conn: ClipperConnection, version: str) -> list[psutil.Process]:
    """The processes that run a version, whoever knows of them."""
    found = []
    sockets = str(folder_of(conn) / "sockets")
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if (
                environment.get("CLIPPER_MODEL_VERSION") == version
                and environment["CLIPPER_FRONTENDS"].startswith(sockets)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    conn = attach("durable")
    conn.start_clipper(cache_size=0, fresh=True)
    conn.register_application("app", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "m", "first", "doubles", constant("first"), message="the first one")
    conn.link_model_to_app("app", "m")
    yield conn
    conn.stop_all(purge=True)


def start_crashing(conn: ClipperConnection, step: int, begin: Path) -> subprocess.Popen[bytes]:
    """Where management is dead: one that dies at a step, once the file `begin` exists."""
    return start_management(conn, crashing_management, CRASH_FROM=str(begin), CRASH_AT=str(step))


@pytest.mark.timeout(1200)  # fifteen times: two deploys, and management started
def test_a_power_cut_at_any_step_of_a_deploy_leaves_nothing_half_done(
    cluster: ClipperConnection, tmp_path: Path
) -> None:
    survived = False
    kill(pid_of(cluster, "management"))
    crashing = start_crashing(cluster, 1, tmp_path / "n1")
    try:
        for step in range(1, MANY_STEPS):
            version = f"n{step}"
            begin = tmp_path / version
            begin.touch()
            with suppress(ClusterError):
                deploy_python_closure(cluster, "m", version, "doubles", constant(version), make_current=False)
            begin.unlink()
            try:
                crashing.wait(5)
            except subprocess.TimeoutExpired:
                survived = True
                crashing.kill()
                crashing.wait()
            assert output(cluster) == "first"  # while management is dead
            # The one that mends it is the one that dies next.
            crashing = start_crashing(cluster, step + 1, tmp_path / f"n{step + 1}")
            with suppress(AlreadyExists):
                deploy_python_closure(cluster, "m", version, "doubles", constant(version), make_current=False)
            cluster.wait_until_ready("m", version, timeout_s=120)
            assert ask(cluster, "app", {"input": [1.0], "version": version}).json()["output"] == version
            assert output(cluster) == "first"
            assert len(replicas_of(cluster, version)) == 1, f"step {step}"
            cluster.stop_versioned_models({"m": [version]})
            wait_for("its end", partial(_has_ended, cluster, version))
            if survived:
                break
        assert survived, f"a deploy has more than {MANY_STEPS} steps"
        assert step > 8
    finally:
        crashing.kill()
        crashing.wait()
        cluster.connect()


def test_the_state_is_the_same_after_everything_was_killed(cluster: ClipperConnection) -> None:
    deploy_python_closure(
        cluster,
        *("m", "second", "doubles", constant("second")),
        batching="fixed(8)",
        make_current=False,
        message="to be staged",
    )
    cluster.set_autoscaling("m", 1, 3, "second")
    cluster.set_model_version("m", "second", message="forward")
    cluster.rollback("m", message="and back")
    before = state_of(cluster)
    statuses = cluster.status()["frontends"]
    replicas = cluster.get_all_model_replicas(verbose=True)
    pids = [r["pid"] for r in replicas if r["pid"]] + [f["pid"] for f in statuses]
    for pid in [pid_of(cluster, "management"), *pids]:
        kill(pid)
    cluster.connect()
    for version in ("first", "second"):
        cluster.wait_until_ready("m", version)
    assert state_of(cluster) == before
    assert wait_for("an answer", lambda: output(cluster)) == "first"
    texts = [event["text"] for event in cluster.events()]
    assert any("Rolled back to m:first" in text for text in texts), "events outlive management"
    cluster.stop_versioned_models({"m": ["second"]})


def test_two_who_deploy_the_same_version_at_once_get_one_version(cluster: ClipperConnection) -> None:
    def deploy(text: str) -> str:
        try:
            deploy_python_closure(cluster, "m", "same", "doubles", constant(text), make_current=False)
        except AlreadyExists:
            return "refused"
        return text

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(deploy, ["a", "b", "c", "d"]))
    assert sorted(found)[-3:] == ["refused"] * 3
    winner = next(text for text in found if text != "refused")
    assert ask(cluster, "app", {"input": [1.0], "version": "same"}).json()["output"] == winner
    cluster.stop_versioned_models({"m": ["same"]})


def test_a_corrupt_artifact_is_never_loaded(cluster: ClipperConnection) -> None:
    deploy_python_closure(cluster, "m", "rotten", "doubles", constant("rotten"), make_current=False)
    info = cluster.get_model_info("m", "rotten")
    assert info is not None
    artifact = folder_of(cluster) / "artifacts" / str(info["artifact"]).removeprefix("sha256:")
    whole = artifact.read_bytes()
    artifact.write_bytes(whole[:-7] + b"garbage")
    cluster.set_num_replicas("m", 1, "rotten")
    kill(replicas_of(cluster, "rotten")[0].pid)
    wait_for("the crash to be seen", lambda: _state(cluster, "rotten") != "ready")
    with pytest.raises(DeployError, match=r"damaged.*Deploy the model again"):
        cluster.wait_until_ready("m", "rotten", timeout_s=120)
    assert output(cluster) == "first"
    artifact.write_bytes(whole)
    cluster.stop_versioned_models({"m": ["rotten"]})


def test_a_deploy_without_room_on_the_disk_fails_with_the_reason_and_leaves_nothing(attach: Attach) -> None:
    """Artifacts cannot be written: where their folder was there is a file, which stops root too."""
    conn = attach("full")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 20_000_000)
        folder = folder_of(conn)
        (folder / "artifacts").rename(folder / "elsewhere")
        (folder / "artifacts").touch()  # no folder, so that nothing can be written in it
        with pytest.raises(ClusterError, match=r"cannot write or read its files.*disk has room"):
            deploy_python_closure(conn, "m", 1, "doubles", constant(1))
        assert conn.get_all_models() == []
        (folder / "artifacts").unlink()
        (folder / "elsewhere").rename(folder / "artifacts")
        deploy_python_closure(conn, "m", 1, "doubles", constant(1))
        conn.link_model_to_app("app", "m")
        assert output(conn) == 1
    finally:
        conn.stop_all(purge=True)


@contextmanager
def no_room(pid: int) -> Iterator[None]:
    """Nothing that the process writes to a file arrives there, nor what those write that it starts."""
    _, hard = psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE)
    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (hard, hard))


@only_linux
def test_management_without_room_and_without_a_frontend_answers_within_a_second(attach: Attach) -> None:
    conn = attach("no-room")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(conn, "m", 1, "doubles", constant(1))
        conn.link_model_to_app("app", "m")
        management = psutil.Process(pid_of(conn, "management"))
        health = f"http://{conn.get_management_addr()}/api/v1/health"
        with no_room(management.pid):
            kill(pid_of(conn, "query-0"))
            before, waits = sum(management.cpu_times()[:2]), []
            troubled: list[str] = []

            def look() -> bool:
                began = time.monotonic()
                troubled[:] = httpx2.get(health, trust_env=False, verify=False, timeout=30).json()["failing"]
                waits.append(time.monotonic() - began)
                return bool(troubled) and time.monotonic() > began_at + 8

            began_at = time.monotonic()
            wait_for("management to be troubled for a while", look)
            took_s = time.monotonic() - began_at
            assert sum(management.cpu_times()[:2]) - before < took_s / 3, "it spins"
            assert sorted(waits)[len(waits) // 2] < 1
            assert any("disk has room" in text for text in conn.status()["warnings"])
        wait_for("a query frontend", lambda: output(conn) == 1)

        def all_is_well() -> bool:
            answer = httpx2.get(health, trust_env=False, verify=False, timeout=30)
            return bool(answer.json()["failing"] == [])

        wait_for("management to have no trouble", all_is_well)
    finally:
        conn.stop_all(purge=True)


@only_linux
def test_management_that_starts_without_room_says_what_to_do(attach: Attach) -> None:
    conn = attach("begins-full")
    conn.start_clipper(fresh=True)
    conn.stop_all()
    try:
        with no_room(os.getpid()), pytest.raises(ClusterError, match=r"did not start.*disk has room"):
            conn.start_clipper()
        conn.start_clipper()
        assert conn.get_all_apps() == []
    finally:
        conn.stop_all(purge=True)


@only_linux
def test_management_that_cannot_start_again_leaves_alone_what_serves(attach: Attach) -> None:
    conn = attach("serves-on")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(conn, "m", 1, "doubles", constant(1))
        conn.link_model_to_app("app", "m")
        frontend = pid_of(conn, "query-0")
        kill(pid_of(conn, "management"))
        with no_room(os.getpid()), pytest.raises(ClusterError, match=r"did not start.*disk has room"):
            conn.start_clipper()
        assert output(conn) == 1
        conn.start_clipper()
        assert pid_of(conn, "query-0") == frontend
    finally:
        conn.stop_all(purge=True)


def test_a_database_from_the_future_is_refused_and_left_as_it_is(attach: Attach) -> None:
    conn = attach("future")
    conn.start_clipper(fresh=True)
    try:
        conn.stop_all()
        path = folder_of(conn) / "state.db"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        with pytest.raises(ClusterError, match=r"another Clipper Lab \(schema 99.*Use that version"):
            conn.start_clipper()
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (99,)
        db.close()
    finally:
        conn.stop_all(purge=True)


def test_a_database_that_is_none_is_told(attach: Attach) -> None:
    conn = attach("garbage")
    conn.start_clipper(fresh=True)
    try:
        conn.stop_all()
        (folder_of(conn) / "state.db").write_bytes(b"garbage" * 1000)
        for name in ("state.db-wal", "state.db-shm"):
            (folder_of(conn) / name).unlink(missing_ok=True)
        with pytest.raises(ClusterError, match=r"cannot be used.*fresh=True"):
            conn.start_clipper()
        conn.start_clipper(fresh=True)
    finally:
        conn.stop_all(purge=True)


def test_management_that_is_killed_while_it_starts_is_started_again(attach: Attach) -> None:
    conn = attach("twice")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 20_000_000)
        for _ in range(3):
            kill(pid_of(conn, "management"))
            conn.connect()
        assert conn.get_all_apps() == ["app"]
    finally:
        conn.stop_all(purge=True)


def test_stop_without_grace_does_not_wait_for_what_is_under_way(attach: Attach) -> None:
    conn = attach("now")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 60_000_000)
        deploy_python_closure(conn, "m", 1, "doubles", sleeper(), example_input=None)
        conn.link_model_to_app("app", "m")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(ask, conn, "app", {"input": [1.0]})
            wait_for("the batch to be under way", lambda: conn.batching("m").dispatches)
            conn.stop_all(graceful=False)
            with pytest.raises(httpx2.HTTPError):  # it had its answer after half a minute
                asked.result(60)
    finally:
        conn.stop_all(purge=True)


def _has_ended(conn: ClipperConnection, version: str) -> bool:
    return not replicas_of(conn, version)


def _state(conn: ClipperConnection, version: str) -> str:
    info = conn.get_model_info("m", version)
    assert info is not None
    return info["state"]


def sleeper() -> Callable[[list[Any]], list[Any]]:
    def sleep(inputs: list[Any]) -> list[Any]:
        time.sleep(30)
        return inputs

    sleep.__module__ = "__main__"
    return sleep
