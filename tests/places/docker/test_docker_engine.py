"""The engine itself fails: it stops, its disk is full, it lacks an image."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("docker", reason="needs docker's client, which is not installed here")

from clipper_container import image
from clipperlab import ClipperConnection, ClusterError, DeployError, DockerContainerManager, NoRoom
from clipperlab.deployers.python import deploy_python_closure
from tests.support import places
from tests.support.clusters import constant, output
from tests.support.private_engine import MIB, PrivateEngine
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    places.engine()
    images = ["python:3.11-slim", image.tag("server"), image.tag("python")]
    with (
        tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        engine = PrivateEngine(Path(folder), images, size=1500 * MIB)
        patch.setenv("DOCKER_HOST", engine.host)
        try:
            with engine.inside():
                yield engine
        finally:
            engine.close()


@pytest.fixture
def cluster(engine: PrivateEngine) -> Iterator[ClipperConnection]:
    connection = places.Docker(engine.client).connection("alone")
    try:
        connection.start_clipper(fresh=True, cache_size=0, num_frontend_replicas=2)
        connection.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(connection, "m", 1, "doubles", constant("one"), num_replicas=2)
        connection.link_model_to_app("app", "m")
        yield connection
    finally:
        connection.stop_all(purge=True)
    assert places.Docker(engine.client).left("alone") == []


def test_an_engine_that_stops_and_starts_again_finds_the_cluster_and_heals_it(
    cluster: ClipperConnection, engine: PrivateEngine
) -> None:
    address, models = cluster.get_query_addr(), cluster.get_all_models(verbose=True)
    engine.stop()
    assert output(cluster) is None
    with pytest.raises(ClusterError, match="does not answer"):
        cluster.get_all_models()
    with pytest.raises(ClusterError, match="No Docker engine answers"):
        places.Docker(engine.client).connection("alone").connect()
    engine.start()
    wait_for("the cluster to heal by itself", lambda: output(cluster) == "one")
    cluster.connect()
    assert cluster.get_query_addr() == address
    wait_for("two frontends", lambda: len(serving(cluster)) == 2)
    wait_for("the models as before", lambda: cluster.get_all_models(verbose=True) == models)


def serving(cluster: ClipperConnection) -> list[str]:
    return [f["id"] for f in cluster.status()["frontends"] if f["state"] == "serving"]


def test_on_a_full_disk_a_deploy_fails_with_the_reason_and_the_model_that_serves_goes_on(
    cluster: ClipperConnection, engine: PrivateEngine
) -> None:
    with engine.full():
        with pytest.raises(NoRoom, match="The disk has no room for this artifact"):
            deploy_python_closure(cluster, "m", 2, "doubles", constant("two"))
        assert output(cluster) == "one"
    deploy_python_closure(cluster, "m", 2, "doubles", constant("two"))
    wait_for("version 2", lambda: output(cluster) == "two")


def test_on_a_full_disk_a_cluster_does_not_start_and_says_why(engine: PrivateEngine) -> None:
    place = places.Docker(engine.client)
    with engine.full(), pytest.raises(ClusterError, match="no space left on device"):
        place.connection("full").start_clipper()
    assert [left for left in place.left("full") if not left.startswith("volume")] == []
    place.connection("full").stop_all(purge=True)
    assert place.left("full") == []


def test_a_missing_image_is_named_with_the_command_that_makes_it(
    cluster: ClipperConnection, engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.dummy import DummyClassifier

    from clipperlab.deployers.sklearn import deploy_sklearn_model

    model = DummyClassifier().fit([[0.0]], [0])
    with pytest.raises(DeployError, match="images build sklearn"):
        deploy_sklearn_model(cluster, "k", 1, "doubles", model)
    monkeypatch.setattr(platform, "python_version", lambda: "3.12.1")
    with pytest.raises(DeployError, match=r"images build python` makes it, .* Python 3\.12"):
        deploy_python_closure(cluster, "k", 1, "doubles", constant(1))
    with pytest.raises(DeployError, match="no image nobody/has:this, and cannot pull it"):
        cluster.deploy_model("k", 1, "doubles", "nobody/has:this")


def test_a_cluster_without_its_image_leaves_nothing_half_made(engine: PrivateEngine) -> None:
    place = places.Docker(engine.client)
    elsewhere = ClipperConnection(DockerContainerManager("lacking", registry="127.0.0.1:1"))
    with pytest.raises(
        ClusterError, match=r"no image 127\.0\.0\.1:1/clipper-server\S*, and cannot pull it: .*refused"
    ):
        elsewhere.start_clipper()
    assert place.left("lacking") == []
