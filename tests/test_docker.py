"""Clusters on a real Docker engine: the same promises as those of processes, and what containers add."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("docker", reason="needs docker's client, which is not installed here")

import docker
import docker.errors

from clipperlab import BadRequest, ClipperConnection, ClusterError, DeployError, DockerContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.images import build

from . import parts
from .clusters import ask, constant
from .waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    try:
        engine = docker.from_env()
        there = engine.ping()
    except docker.errors.DockerException:
        there = False
    parts.need("docker", there, "Start an engine, or set DOCKER_HOST.")
    build(["server", "python"])
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def manager(engine: Any) -> DockerContainerManager:
    return DockerContainerManager("tests", clipper_query_port=0, clipper_management_port=0)


@pytest.fixture(scope="module")
def cluster(engine: Any, manager: DockerContainerManager) -> Iterator[ClipperConnection]:
    connection = ClipperConnection(manager)
    connection.start_clipper(fresh=True, cache_size=0, num_frontend_replicas=2)
    connection.register_application("app", "doubles", -1, 2_000_000)
    deploy_python_closure(connection, "m", 1, "doubles", constant("one"))
    deploy_python_closure(connection, "m", 2, "doubles", constant("two"), make_current=False)
    connection.link_model_to_app("app", "m")
    yield connection
    connection.stop_all(purge=True)
    label = {"label": "org.clipperlab.cluster=tests"}
    assert engine.containers.list(all=True, filters=label) == []
    assert engine.networks.list(filters=label) == []
    assert engine.volumes.list(filters=label) == []


def output(connection: ClipperConnection) -> Any:
    return ask(connection, "app", {"input": [1.0]}).json()["output"]


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = "__main__"
    return function


def test_it_serves_rolls_back_and_scales_without_a_failed_query(cluster: ClipperConnection) -> None:
    load = cluster.load("app", rate=100, seconds=60, inputs=[[1.0]])
    wait_for("the load to begin", lambda: load.sent > 20)
    for _ in range(5):
        cluster.set_model_version("m", 2)
        assert output(cluster) == "two"
        assert cluster.rollback("m") == "1"
        assert output(cluster) == "one"
    for count in (3, 1):
        cluster.set_num_replicas("m", count)
        assert len([r for r in cluster.get_all_model_replicas() if r.startswith("m:1")]) >= count
    load.stop()
    assert set(load.result()["answers"]) == {"model"}


def test_another_process_finds_the_cluster_by_its_name(cluster: ClipperConnection) -> None:
    other = ClipperConnection(DockerContainerManager("tests"))
    other.connect()
    assert other.get_query_addr() == cluster.get_query_addr()
    assert "m:1" in other.get_all_models()
    with pytest.raises(ClusterError, match="already running"):
        other.start_clipper()
    nobody = ClipperConnection(DockerContainerManager("nobody"))
    with pytest.raises(ClusterError, match="is not running"):
        nobody.connect()


def test_a_killed_replica_comes_back_and_another_answers_meanwhile(
    cluster: ClipperConnection, engine: Any
) -> None:
    cluster.set_num_replicas("m", 2)
    load = cluster.load("app", rate=50, seconds=60, inputs=[[1.0]])
    wait_for("the load to begin", lambda: load.sent > 10)
    first = next(r["model_replica_id"] for r in cluster.get_all_model_replicas(verbose=True))
    engine.containers.get(f"clipper-tests-m.1.{first}").kill()
    wait_for("the crash to be told", lambda: any("ended by itself" in e["text"] for e in cluster.events()))
    cluster.wait_until_ready("m", 1)
    load.stop()
    assert set(load.result()["answers"]) == {"model"}
    cluster.set_num_replicas("m", 1)


def test_frontends_and_management_that_are_killed_come_back(cluster: ClipperConnection, engine: Any) -> None:
    engine.containers.get("clipper-tests-query-0").kill()
    assert output(cluster) == "one"  # the other one has the port too
    wait_for("both frontends", lambda: serving(cluster) == 2, 30)
    engine.containers.get("clipper-tests-management").kill()
    assert output(cluster) == "one"
    cluster.connect()
    wait_for("both frontends", lambda: serving(cluster) == 2, 30)
    assert cluster.get_all_models() == ["m:1", "m:2"]
    assert output(cluster) == "one"


def serving(cluster: ClipperConnection) -> int:
    return sum(frontend["state"] == "serving" for frontend in cluster.status()["frontends"])


def test_a_cluster_that_was_stopped_starts_again_with_everything(cluster: ClipperConnection) -> None:
    before = cluster.get_all_models()
    cluster.stop_all()
    with pytest.raises(ClusterError, match="is not running"):
        cluster.connect()
    cluster.start_clipper()
    cluster.wait_until_ready("m", 1)
    assert cluster.get_all_models() == before
    wait_for("an answer", lambda: output(cluster) == "one")


def test_a_deploy_that_fails_tells_the_models_own_traceback(cluster: ClipperConnection) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        import no_such_module  # type: ignore[import-not-found]

        return [no_such_module.f(x) for x in inputs]

    with pytest.raises(DeployError, match="no_such_module"):
        deploy_python_closure(cluster, "broken", 1, "doubles", by_value(broken))
    cluster.stop_models(["broken"])
    assert output(cluster) == "one"


def test_a_replica_that_needs_more_memory_than_it_may_have_is_told_so(cluster: ClipperConnection) -> None:
    def hungry(inputs: list[Any]) -> list[int]:
        return [len(bytearray(400 << 20)) for _ in inputs]

    with pytest.raises(DeployError, match="more memory than the 128 MiB"):
        deploy_python_closure(
            cluster,
            *("hungry", 1, "doubles", by_value(hungry)),
            resources={"memory": "128Mi"},
            example_input=[1.0],
        )
    cluster.stop_models(["hungry"])


def test_models_have_packages_of_their_own_side_by_side(cluster: ClipperConnection) -> None:
    def version_of(inputs: list[Any]) -> list[str]:
        import six  # type: ignore[import-untyped]

        return [six.__version__ for _ in inputs]

    for version in ("1.15.0", "1.16.0"):
        name = f"six-{version.replace('.', '-')}"
        deploy_python_closure(
            cluster, name, 1, "doubles", by_value(version_of), pkgs_to_install=[f"six=={version}"]
        )
        cluster.register_application(name, "doubles", "none", 2_000_000)
        cluster.link_model_to_app(name, name)
        assert ask(cluster, name, {"input": [1.0]}).json()["output"] == version


def test_a_model_has_no_way_out_and_can_change_nothing(cluster: ClipperConnection, engine: Any) -> None:
    networks = engine.containers.get("clipper-tests-query").attrs["NetworkSettings"]["Networks"]
    outside = networks["clipper-tests-edge"]["IPAddress"]  # of the same container, which models reach inside

    def look(inputs: list[Any]) -> list[Any]:
        import os
        import socket
        import urllib.error
        import urllib.request
        from pathlib import Path

        found: dict[str, Any] = {"user": os.getuid()}
        for host in ("query", outside):
            try:
                socket.create_connection((host, 1337), timeout=2).close()
                found["inside" if host == "query" else "outside"] = "reached"
            except OSError:
                found["inside" if host == "query" else "outside"] = "not reached"
        for place in ("/opt/clipper/x", "/x", "/clipper/sockets/x"):
            try:
                Path(place).write_text("x")
                found[place] = "written"
            except OSError:
                found[place] = "refused"
        found["token"] = "CLIPPER_TOKEN" in os.environ
        found["state"] = Path("/clipper/state").exists()
        for path in ("models", "artifacts/sha256:0"):
            try:
                urllib.request.urlopen(f"http://management:1338/api/v1/{path}", timeout=5)
                found[path] = 200
            except urllib.error.HTTPError as error:
                found[path] = error.code
        return [found for _ in inputs]

    deploy_python_closure(cluster, "look", 1, "doubles", by_value(look))
    cluster.register_application("look", "doubles", {}, 10_000_000)
    cluster.link_model_to_app("look", "look")
    found = ask(cluster, "look", {"input": [1.0]}).json()["output"]
    assert found == {
        "inside": "reached",
        "outside": "not reached",
        "user": 1000,
        "/opt/clipper/x": "refused",
        "/x": "refused",
        "/clipper/sockets/x": "refused",
        "token": False,
        "state": False,
        "models": 401,
        "artifacts/sha256:0": 401,
    }


def test_logs_are_had_from_all_containers(cluster: ClipperConnection, tmp_path: Any) -> None:
    def talks(inputs: list[Any]) -> list[int]:
        sys.stderr.write("the model was asked\n")
        return [0 for _ in inputs]

    deploy_python_closure(cluster, "talks", 1, "doubles", by_value(talks), example_input=[1.0])
    log, position = cluster.log("talks.1.0")
    assert "the model was asked" in log
    assert cluster.log("talks.1.0", position)[0] == ""
    names = {path.rpartition("/")[2] for path in cluster.get_clipper_logs(tmp_path)}
    assert {"management.log", "query-0.log", "talks.1.0.log"} <= names


def test_only_loopback_is_published_and_management_alone_has_the_engine(
    cluster: ClipperConnection, engine: Any
) -> None:
    for container in engine.containers.list(filters={"label": "org.clipperlab.cluster=tests"}):
        kind = container.labels["org.clipperlab.kind"]
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values():
            assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings or [])
        sources = [mount["Source"] for mount in container.attrs["Mounts"]]
        assert any("docker.sock" in source for source in sources) == (kind == "management")
        assert container.attrs["Config"]["User"] == "1000:1000"
        assert container.attrs["HostConfig"]["ReadonlyRootfs"]
        assert cluster._record.token not in str(container.attrs["Config"]["Cmd"])


def test_a_missing_image_and_a_missing_engine_are_told(
    engine: Any, monkeypatch: pytest.MonkeyPatch, manager: DockerContainerManager
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(ClusterError, match="No Docker engine answers"):
        ClipperConnection(DockerContainerManager("nobody")).start_clipper()
    assert time.monotonic() - began < 60
    with pytest.raises(ClusterError, match="Docker engine does not do it"):
        build(["python"])
    with pytest.raises(BadRequest, match="no image nothing"):
        build(["nothing"])


def test_clippers_arguments_without_a_meaning_are_refused_with_a_reason() -> None:
    with pytest.raises(BadRequest, match="There is no Redis"):
        DockerContainerManager(redis_ip="127.0.0.1")
    with pytest.raises(TypeError):
        DockerContainerManager(nonsense=1)
