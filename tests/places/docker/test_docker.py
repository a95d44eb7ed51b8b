"""What containers add to clusters; that they keep the promises of every place, the shared tests show."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model

from tests.support.ports import free_port

pytest.importorskip("docker", reason="needs docker's client, which is not installed here")

from clipper_container.image import tag
from clipper_server.places.docker.parts import remove
from clipperlab import (
    BadRequest,
    ClipperConnection,
    ClusterError,
    DeployError,
    DockerContainerManager,
    deployers,
)
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.images import build
from clipperlab.progress import told_to
from tests.support import parts, places
from tests.support.clusters import ask, constant, output
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> Any:
    return places.engine()


@pytest.fixture(scope="module")
def cluster(engine: Any) -> Iterator[ClipperConnection]:
    connection = places.Docker(engine).connection("tests")
    try:
        connection.start_clipper(fresh=True, cache_size=0)
        connection.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(connection, "m", 1, "doubles", constant("one"))
        connection.link_model_to_app("app", "m")
        yield connection
    finally:
        connection.stop_all(purge=True)
    assert places.Docker(engine).left("tests") == []


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = "__main__"
    return function


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
        cluster.register_application(name, "doubles", "none", 20_000_000)
        cluster.link_model_to_app(name, name)
        assert ask(cluster, name, {"input": [1.0]}).json()["output"] == version


def test_a_model_has_no_way_out_and_can_change_nothing(cluster: ClipperConnection, engine: Any) -> None:
    networks = engine.containers.get("clipper-tests-query").attrs["NetworkSettings"]["Networks"]
    outside = networks["clipper-tests-edge"]["IPAddress"]  # of the same container, which models reach inside
    info = cluster.get_model_info("m", 1)
    assert info is not None
    of_another = info["artifact"]

    def look(inputs: list[Any]) -> list[Any]:
        import os
        import socket
        import urllib.error
        import urllib.request
        from pathlib import Path

        found: dict[str, Any] = {"user": os.getuid()}
        for way, host, patience_s in (("inside", "query", 20), ("outside", outside, 2)):
            try:
                socket.create_connection((host, 1337), timeout=patience_s).close()
                found[way] = "reached"
            except OSError:
                found[way] = "not reached"
        for place in ("/opt/clipper/x", "/x", "/clipper/sockets/x"):
            try:
                Path(place).write_text("x")
                found[place] = "written"
            except OSError:
                found[place] = "refused"
        found["token"] = "CLIPPER_TOKEN" in os.environ
        found["state"] = Path("/clipper/state").exists()
        for path in ("models", f"artifacts/{of_another}"):
            try:
                urllib.request.urlopen(f"http://management:1338/api/v1/{path}", timeout=20)
                found[path.partition("/")[0]] = 200
            except urllib.error.HTTPError as error:
                found[path.partition("/")[0]] = error.code
        return [found for _ in inputs]

    deploy_python_closure(cluster, "look", 1, "doubles", by_value(look))
    cluster.register_application("look", "doubles", {}, 60_000_000)
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
        "artifacts": 401,
    }


def test_logs_are_had_from_all_containers(cluster: ClipperConnection, tmp_path: Any) -> None:
    def talks(inputs: list[Any]) -> list[int]:
        sys.stderr.write("the model was asked\n")
        return [0 for _ in inputs]

    deploy_python_closure(cluster, "talks", 1, "doubles", by_value(talks), example_input=[1.0])
    wait_for("what it said", lambda: "the model was asked" in cluster.log("talks.1.0")[0])
    _, position = cluster.log("talks.1.0")
    assert cluster.log("talks.1.0", position)[0] == ""
    names = {path.rpartition("/")[2] for path in cluster.get_clipper_logs(tmp_path)}
    assert {"management.log", "query-0.log", "talks.1.0.log"} <= names


def test_only_loopback_is_published_and_management_alone_has_the_engine(
    cluster: ClipperConnection, engine: Any
) -> None:
    for container in engine.containers.list(
        filters={"label": "org.clipperlab.cluster=tests"}, ignore_removed=True
    ):
        kind = container.labels["org.clipperlab.kind"]
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values():
            assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings or [])
        sources = [mount["Source"] for mount in container.attrs["Mounts"]]
        assert any("docker.sock" in source for source in sources) == (kind == "management")
        assert container.attrs["Config"]["User"] == "1000:1000"
        assert container.attrs["HostConfig"]["ReadonlyRootfs"]
        assert cluster._record.token not in str(container.attrs["Config"]["Cmd"])


@pytest.mark.parametrize(
    ("image", "starts"),
    [
        ("server", "clipper_server.__main__, clipper_server.management.server"),
        ("server", "clipper_server.query.frontend"),
        ("python", "clipper_container.__main__"),
    ],
)
def test_what_a_container_starts_with_is_compiled(engine: Any, image: str, starts: str) -> None:
    program = (
        f"import {starts}, os, sys\n"
        "found = [m.__spec__.cached for m in sys.modules.values() if getattr(m, '__spec__', None)]\n"
        "print([path for path in found if path and not os.path.exists(path)])"
    )
    said = engine.containers.run(
        tag(image), ["-P", "-c", program], entrypoint="python", network_mode="none", remove=True
    )
    assert said.decode().strip() == "[]"


def test_a_missing_engine_is_told(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(ClusterError, match="No Docker engine answers"):
        ClipperConnection(DockerContainerManager("nobody")).start_clipper()
    with pytest.raises(ClusterError, match="Docker engine does not do it"):
        build(["python"])
    with pytest.raises(BadRequest, match="no image nothing"):
        build(["nothing"])


# Images of people's own


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a class, and data that it reads."""
    (tmp_path / "words.txt").write_text("from a file")
    (tmp_path / "spoken.py").write_text(
        "from clipper_container import ModelContainerBase\n"
        "class Model(ModelContainerBase):\n"
        "    def __init__(self):\n"
        "        self.words = open('words.txt').read()\n"
        "    def predict_doubles(self, inputs):\n"
        "        import six\n"
        "        return [[self.words, sum(x), six.__version__] for x in inputs]\n"
    )
    return tmp_path


def test_a_model_is_built_into_an_image_and_deployed_from_it(
    cluster: ClipperConnection, engine: Any, model: Path
) -> None:
    image = cluster.build_model(
        "spoken", 1, model, pkgs_to_install=["six==1.16.0"], model_class="spoken:Model"
    )
    assert image == "tests-spoken:1"
    cluster.deploy_model("spoken", 1, "doubles", image, example_input=[1.0], num_replicas=2)
    cluster.register_application("spoken", "doubles", "", 20_000_000)
    cluster.link_model_to_app("spoken", "spoken")
    assert ask(cluster, "spoken", {"input": [1, 2]}).json()["output"] == ["from a file", 3.0, "1.16.0"]
    info = cluster.get_model_info("spoken", 1)
    assert info is not None
    assert info["image"] == image
    with pytest.raises(DeployError, match="has no class Nobody"):
        cluster.build_and_deploy_model("spoken", 2, "doubles", model, model_class="spoken:Nobody")
    with pytest.raises(DeployError, match="Set CLIPPER_MODEL in it"):
        cluster.build_and_deploy_model("spoken", 2, "doubles", model)
    cluster.stop_models(["spoken"])
    for version in (1, 2):
        engine.images.remove(f"tests-spoken:{version}", force=True)


def test_a_function_runs_in_an_image_of_ones_own(
    cluster: ClipperConnection, engine: Any, model: Path
) -> None:
    image = cluster.build_model("base", 1, model)

    def reads(inputs: list[Any]) -> list[str]:
        from pathlib import Path

        return [Path("/model/words.txt").read_text() for _ in inputs]

    cluster.register_application("based", "doubles", "", 20_000_000)
    deploy_python_closure(cluster, "based", 1, "doubles", by_value(reads), base_image=image)
    cluster.link_model_to_app("based", "based")
    assert ask(cluster, "based", {"input": [1]}).json()["output"] == "from a file"
    cluster.stop_models(["based"])
    engine.images.remove(image, force=True)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("framework", ["sklearn", "onnx", "pytorch"])
def test_a_fitted_model_is_served_by_the_image_of_its_framework(
    cluster: ClipperConnection, framework: str
) -> None:
    if framework == "pytorch" and "CLIPPERLAB_BUILD_TORCH" not in os.environ:
        pytest.skip("takes gigabytes: set CLIPPERLAB_BUILD_TORCH")
    build([framework])
    if framework == "sklearn":
        fitted = linear_model.LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        deployers.sklearn.create_endpoint(cluster, framework, "doubles", fitted, example_input=[1.0])
    elif framework == "onnx":
        deployers.onnx.create_endpoint(cluster, framework, "floats", twice(), example_input=[1.0])
    else:
        torch = pytest.importorskip("torch")
        module = torch.nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            module.weight[:] = 2.0
        deployers.pytorch.create_endpoint(cluster, framework, "floats", None, module, example_input=[1.0])
    answer = ask(cluster, framework, {"input": [1.5]}).json()
    assert np.ravel(answer["output"]) == pytest.approx([3.0]), answer


def twice() -> bytes:
    """An ONNX model that adds its input, n rows of one float, to itself."""
    onnx = pytest.importorskip("onnx")
    rows = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 1]) for name in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "x"], ["y"])], "twice", rows[:1], rows[1:]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def test_what_cannot_be_built_or_pulled_is_told(cluster: ClipperConnection, model: Path) -> None:
    with pytest.raises(ClusterError, match=r"(?s)could not be built.*no-such-package-of-anybody"):
        cluster.build_model("x", 1, model, pkgs_to_install=["no-such-package-of-anybody"])
    with pytest.raises(BadRequest, match="there is no"):
        cluster.build_model("x", 1, model / "nothing")
    with pytest.raises(DeployError, match=r"(?s)could not be installed.*no-such-package-of-anybody"):
        deploy_python_closure(
            cluster, "x", 1, "doubles", constant(1), pkgs_to_install=["no-such-package-of-anybody"]
        )
    with pytest.raises(DeployError, match="and cannot pull it"):
        cluster.deploy_model("x", 1, "doubles", "127.0.0.1:1/nobody/has:this")


def test_images_are_pushed_to_a_registry_and_pulled_from_it(engine: Any, model: Path, tmp_path: Path) -> None:
    with registry(tmp_path) as address:
        tags = build(["server", "python"], registry=address, push=True)
        place = places.Docker(engine)
        connection = place.connection("pulled", registry=address)
        try:
            image = connection.build_model(
                "m", 1, model, container_registry=address, pkgs_to_install=["six"], model_class="spoken:Model"
            )
            assert image == f"{address}/pulled-m:1"
            for tag in [*tags, image]:
                engine.images.remove(tag, force=True)
            connection.start_clipper(fresh=True)
            connection.register_application("app", "doubles", "", 20_000_000)
            deploy_python_closure(connection, "m", 1, "doubles", constant("pulled"))
            connection.deploy_model("m", 2, "doubles", image, make_current=False)
            connection.link_model_to_app("app", "m")
            assert output(connection) == "pulled"
            assert ask(connection, "app", {"input": [1], "version": "2"}).json()["output"][0] == "from a file"
        finally:
            connection.stop_all(purge=True)
            for tag in [*tags, image]:
                engine.images.remove(tag, force=True)
        assert place.left("pulled") == []


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry, at a free port of the loopback."""
    program = shutil.which("docker-registry")
    parts.need("docker-registry", program is not None, "On Debian: apt install docker-registry")
    address = f"127.0.0.1:{free_port()}"
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder / 'registry'}'}}}}\n"
    )
    process = subprocess.Popen([str(program), "serve", str(folder / "registry.yml")])
    try:
        wait_for("the registry", lambda: _is_open(address))
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _is_open(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError):
        socket.create_connection((host, int(port)), timeout=1).close()
        return True
    return False


def test_who_removes_what_somebody_else_removes_waits_until_it_is_gone(engine: Any) -> None:
    sleep = ["python3", "-c", "import time; time.sleep(1000)"]
    container = engine.containers.run("python:3.11-slim", sleep, detach=True, network_mode="none")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(remove, container) for _ in range(4)]:
            done.result()
    assert engine.containers.list(all=True, filters={"id": container.id}) == []


# What a place on Docker may be asked for


def test_shared_memory_is_as_large_as_was_asked(cluster: ClipperConnection) -> None:
    def shared(inputs: list[Any]) -> list[int]:
        import os

        found = os.statvfs("/dev/shm")
        return [found.f_blocks * found.f_frsize for _ in inputs]

    resources = {"shared_memory": "200Mi", "cpus": 0.5}
    deploy_python_closure(cluster, "shared", 1, "doubles", by_value(shared), resources=resources)
    cluster.register_application("shared", "doubles", 0, 20_000_000)
    cluster.link_model_to_app("shared", "shared")
    assert ask(cluster, "shared", {"input": [1]}).json()["output"] == 200 << 20


def test_the_ports_are_published_where_it_is_told(engine: Any) -> None:
    place = places.Docker(engine)
    connection = place.connection("elsewhere", docker_ip_address="127.0.0.2")
    connection.start_clipper(fresh=True)
    try:
        assert connection.get_query_addr().startswith("127.0.0.2:")
        connection.register_application("app", "doubles", "none", 1_000_000)
        assert ask(connection, "app", {"input": [1]}).json()["output"] == "none"
    finally:
        connection.stop_all(purge=True)
    assert place.left("elsewhere") == []


def test_a_cluster_whose_port_was_taken_meanwhile_says_so_and_keeps_the_others(engine: Any) -> None:
    place = places.Docker(engine)
    connection = place.connection("moves")
    spoken = ["open-inference-grpc"]
    try:
        connection.start_clipper(fresh=True, protocols=spoken)
        before = connection.get_query_addr(), on(connection)["grpc"]
        connection.stop_all()
        host, _, port = before[0].rpartition(":")
        another = engine.containers.run(
            tag("server"), ["600"], entrypoint="sleep", detach=True, ports={"1/tcp": (host, int(port))}
        )
        try:
            connection.start_clipper(protocols=spoken)
        finally:
            another.remove(force=True)
        now = connection.get_query_addr()
        assert now != before[0]
        assert f"answered at {now} now, and no more at {before[0]}" in repr(connection.events())
        assert on(connection)["grpc"] == before[1]
    finally:
        connection.stop_all(purge=True)
    assert place.left("moves") == []


def test_protocols_are_published_when_the_cluster_starts_and_none_comes_later(engine: Any) -> None:
    connection = places.Docker(engine).connection("spoken")
    try:
        connection.start_clipper(fresh=True, protocols=["open-inference-grpc"])
        found = on(connection)
        assert found["state"] == "on"
        assert lives(found["grpc"])
        connection.stop_protocol("open-inference-grpc")
        assert on(connection)["state"] == "off"
        assert connection.start_protocol("open-inference-grpc")["grpc"] == found["grpc"]
        assert lives(found["grpc"])
        with pytest.raises(BadRequest, match="on already"):
            connection.start_protocol("open-inference-grpc", grpc_port=1)
        before = connection.get_query_addr()
        connection.stop_all()
        connection.start_clipper()
        assert connection.get_query_addr() == before, "where its clients know it"
        assert on(connection)["state"] == "off"
        assert "open-inference-grpc is off now. Here ports are published" in repr(connection.events())
        with pytest.raises(BadRequest, match=r"name it in start_clipper\(protocols="):
            connection.start_protocol("open-inference-grpc")
    finally:
        connection.stop_all(purge=True)


def test_protocols_are_published_at_the_ports_that_are_named(engine: Any) -> None:
    connection = places.Docker(engine).connection("named")
    name = "open-inference-grpc"
    try:
        connection.start_clipper(fresh=True, protocols=[name])
        connection.stop_all()
        port = free_port()
        taken = pytest.raises(ClusterError, match=rf"The port {port} at 127\.0\.0\.1 is taken")
        with socket.create_server(("127.0.0.1", port)), taken:
            connection.start_clipper(protocols={name: {"grpc_port": port}})
        connection.start_clipper(protocols={name: {"grpc_port": port}})
        assert on(connection)["grpc"] == f"127.0.0.1:{port}"
        assert lives(on(connection)["grpc"])
        assert connection.start_protocol(name, grpc_port=port)["grpc"] == f"127.0.0.1:{port}"
        with pytest.raises(BadRequest, match=rf"on already, at 127\.0\.0\.1:{port}"):
            connection.start_protocol(name, grpc_port=8001)  # where it listens, in its container
    finally:
        connection.stop_all(purge=True)


def on(connection: ClipperConnection) -> dict[str, Any]:
    return next(each for each in connection.protocols() if each["name"] == "open-inference-grpc")


def lives(address: str) -> bool:
    """Whether gRPC's own service for health answers there."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_the_build_of_packages_tells_how_far_it_is(cluster: ClipperConnection) -> None:
    # A wish of its own each time, for neither an image nor a layer of one to be there already.
    packages = ["six==1.14.0", f"six!=0.{secrets.randbelow(1 << 30)}"]
    said: list[str] = []
    with told_to(said.append):
        deploy_python_closure(
            cluster, "told", 1, "doubles", constant(1), pkgs_to_install=packages, make_current=False
        )
    assert any("pip installs six==1.14.0" in line for line in said), said
    cluster.stop_models(["told"])


def test_clippers_arguments_without_a_meaning_are_refused_with_a_reason() -> None:
    with pytest.raises(BadRequest, match="There is no Redis"):
        DockerContainerManager(redis_ip="127.0.0.1")
    with pytest.raises(TypeError):
        DockerContainerManager(nonsense=1)
