"""Protocols in a cluster of pods: the query Service has their ports, and clients come to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from clipper_container.errors import ClipperException
from clipperlab import BadRequest, ClipperConnection, KubernetesContainerManager
from clipperlab.cli.commands import app
from clipperlab.workbench import glance
from clipperlab.workbench.watch import Seen, Watch
from tests.support.by_curl import curl
from tests.support.places import ON_THE_STAND_IN, by_node_ports, listens
from tests.support.waiting import wait_for

pytestmark = ON_THE_STAND_IN
NAME = "open-inference-grpc"
NAMESPACE = "clipper-spoken"
COMPONENT = "app.kubernetes.io/component"


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    """Without a node port or anything else: only a port-forward leads there."""
    connection = ClipperConnection(KubernetesContainerManager("spoken"))
    connection.start_clipper(fresh=True, protocols=[NAME], num_frontend_replicas=2)
    yield connection
    connection.stop_all(purge=True)


def lives(address: str) -> bool:
    """Whether gRPC's own service for health answers there."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def found(connection: ClipperConnection, name: str = NAME) -> dict[str, Any]:
    return next(each for each in connection.protocols() if each["name"] == name)


def opened(api: Any, namespace: str = NAMESPACE, what: str = "grpc") -> tuple[list[int], list[int]]:
    """The further ports of the Service, and those of the policy."""
    from kubernetes.client import CoreV1Api, NetworkingV1Api

    service: Any = CoreV1Api(api).read_namespaced_service("query", namespace)
    policy: Any = NetworkingV1Api(api).read_namespaced_network_policy("protocols", namespace)
    ports = [port.port for port in service.spec.ports if port.name == f"{what}-{port.port}"]
    return ports, [port.port for rule in policy.spec.ingress or [] for port in rule.ports]


def test_the_service_has_the_port_that_clients_expect_and_they_come_to_it(
    cluster: ClipperConnection, api: Any
) -> None:
    started = wait_for("it to be on", lambda: found(cluster)["state"] == "on" and found(cluster))
    assert opened(api) == ([8001], [8001])
    assert next(each for each in cluster.protocols() if each["name"] == "clipper")["rest"].startswith("127.")
    assert lives(started["grpc"])
    assert isinstance(cluster.cm, KubernetesContainerManager)
    assert f"- --protocols\n        - {NAME}\n" in cluster.cm.manifests()[0]

    cluster.stop_protocol(NAME)
    assert not listens(started["grpc"])
    assert opened(api) == ([], [])
    started = cluster.start_protocol(NAME, grpc_port=9001)
    assert opened(api) == ([9001], [9001])
    assert lives(started["grpc"])
    cluster.stop_protocol(NAME)
    for port in (1337, 7000):
        with pytest.raises(BadRequest, match="cannot be a protocol's port"):
            cluster.start_protocol(NAME, grpc_port=port)
    cluster.start_protocol(NAME, grpc_port=9001)


def test_what_is_shown_of_it_can_be_used_here(
    cluster: ClipperConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the panel and in Python while this process lasts; by the command line after it, too."""
    grpc_port = cluster.start_protocol("tensorflow-serving")["grpc"]
    try:
        assert cluster.status()["query"] == cluster.get_query_addr()
        watch = Watch(cluster.cm)
        wait_for("it to be on", lambda: shows(watch.look(), grpc_port))
        assert f"queries at <code>{cluster.get_query_addr()}</code>" in glance.head(watch.seen)
        assert lives(grpc_port)

        monkeypatch.setenv("COLUMNS", "300")
        for words in (["status"], ["protocols"]):
            told = CliRunner().invoke(app, ["--on", "kubernetes", *words, "--cluster-name", "spoken"]).output
            assert f"query.{NAMESPACE}:8500" in told
            assert "127.0.0.1" not in told
            assert re.search(rf"`kubectl port-forward -n {NAMESPACE} service/query [\d ]*8500 8501", told)
    finally:
        cluster.stop_protocol("tensorflow-serving")
    assert not listens(grpc_port)


def shows(seen: Seen, address: str) -> bool:
    return any(each["grpc"] == address and each["state"] == "on" for each in seen.protocols)


HTTP = {"sagemaker": (8080, "/version"), "azureml": (5001, "/"), "torchserve": (8081, "/ping")}


def test_clients_over_http_come_to_the_documented_ports(cluster: ClipperConnection, api: Any) -> None:
    """To either of two query frontends; where anybody may come, SageMaker's answers nobody without a key."""
    grpc_ports = opened(api)[0]
    for name in HTTP:
        cluster.start_protocol(name)
    try:
        ports, allowed = opened(api, what="http")
        assert sorted(ports) == sorted(port for port, _ in HTTP.values())
        assert sorted(allowed) == sorted(ports + grpc_ports)
        at = wait_for("them to be on", lambda: all_on(cluster))
        for name, (_, path) in HTTP.items():
            assert curl(f"http://{at[name]}{path}")[0] == 200
        status, said = curl("-X", "POST", f"http://{at['sagemaker']}/invocations", "-d", "[[1.0]]")
        assert (status, "start_protocol('sagemaker', key=...)" in said["message"]) == (403, True)
        status, said = curl(f"http://{at['torchserve']}/predictions/nope", "-d", "1")
        assert (status, said["type"]) == (404, "ModelNotFoundException")
        status, said = curl(f"http://{at['azureml']}/nope/score", "-d", '{"data": []}')
        assert (status, said["message"].split("'")[:2]) == (404, ["There is no application ", "nope"])
    finally:
        for name in HTTP:
            cluster.stop_protocol(name)
    assert opened(api, what="http") == ([], grpc_ports)


def all_on(connection: ClipperConnection) -> dict[str, str]:
    """Where each of `HTTP` is asked; none while one is not on."""
    said = [found(connection, name) for name in HTTP]
    return {each["name"]: each["rest"] for each in said if all(it["state"] == "on" for it in said)}


def test_a_new_management_finds_it_as_it_was(cluster: ClipperConnection, kubernetes: Any, api: Any) -> None:
    before = opened(api)
    assert before[0]
    pods = [pod["metadata"] for pod in kubernetes.pods(NAMESPACE)]
    (management,) = [pod["name"] for pod in pods if pod["labels"][COMPONENT] == "management"]
    kubernetes.kill_pod(NAMESPACE, management)

    def is_on() -> bool:
        with suppress(ClipperException):
            return bool(found(cluster)["state"] == "on")
        return False

    wait_for("management to be back", is_on)
    assert opened(api) == before
    assert lives(found(cluster)["grpc"])


def test_node_ports_lead_to_it_where_queries_have_one(kubernetes: Any) -> None:
    with by_node_ports("nodes") as connection:
        address = connection.start_protocol(NAME)["grpc"]
        assert int(address.rpartition(":")[2]) >= 30_000
        assert lives(address)
