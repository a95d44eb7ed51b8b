"""Clusters on Kubernetes, by a stand-in for it whose pods are real processes: deploy, scale, break, tell."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipperlab import ClipperConnection, ClusterError, DeployError, KubernetesContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.progress import told_to
from tests.support import clusters, places, wheels
from tests.support.clusters import ask, constant
from tests.support.places import ON_THE_STAND_IN, by_node_ports
from tests.support.waiting import wait_for

pytestmark = ON_THE_STAND_IN
NAMESPACE = "clipper-tests"
COMPONENT = "app.kubernetes.io/component"


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    with by_node_ports("tests", cache_size=0, num_frontend_replicas=2) as connection:
        connection.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(connection, "m", 1, "doubles", constant("one"))
        deploy_python_closure(connection, "m", 2, "doubles", constant("two"), make_current=False)
        connection.link_model_to_app("app", "m")
        yield connection
    assert kubernetes.pods(NAMESPACE) == []


def output(connection: ClipperConnection) -> Any:
    answer = ask(connection, "app", {"input": [1.0]}).json()
    assert "output" in answer, answer
    return answer["output"]


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__module__ = "__main__"
    return function


def pods(kubernetes: Any, component: str, version: str = "") -> list[str]:
    """Names of those that are not about to end."""
    return [
        pod["metadata"]["name"]
        for pod in kubernetes.pods(NAMESPACE)
        if pod["metadata"]["labels"][COMPONENT] == component
        and pod["metadata"]["labels"].get("clipperlab.org/version", "") == version
        and "deletionTimestamp" not in pod["metadata"]
    ]


def told(cluster: ClipperConnection, *words: str) -> str:
    """The event with these words, as soon as there is one."""

    def look() -> str | None:
        try:
            texts = [event["text"] for event in cluster.events()]
        except ClusterError:
            return None
        return next((text for text in reversed(texts) if all(word in text for word in words)), None)

    found = wait_for(f"an event with {' and '.join(words)}", look)
    assert found is not None
    return found


def test_it_serves_rolls_back_and_scales_without_a_failed_query(cluster: ClipperConnection) -> None:
    load = cluster.load("app", rate=50, seconds=60, inputs=[[1.0]])
    wait_for("the load to begin", lambda: load.sent > 20)
    for _ in range(3):
        cluster.set_model_version("m", 2)
        assert output(cluster) == "two"
        assert cluster.rollback("m") == "1"
        assert output(cluster) == "one"
    for count in (3, 1):
        cluster.set_num_replicas("m", count)
        wait_for(
            f"{count} replicas",
            lambda count=count: sum(r.startswith("m:1") for r in cluster.get_all_model_replicas()) == count,  # type: ignore[misc]
        )
    load.stop()
    assert set(load.result()["answers"]) == {"model"}


def test_another_process_finds_the_cluster_by_its_name(cluster: ClipperConnection) -> None:
    other = ClipperConnection(KubernetesContainerManager("tests"))
    other.connect()
    assert "m:1" in other.get_all_models()
    with pytest.raises(ClusterError, match="already running"):
        other.start_clipper()
    with pytest.raises(ClusterError, match="has the cluster 'tests'"):
        ClipperConnection(KubernetesContainerManager("other", namespace=NAMESPACE)).connect()
    with pytest.raises(ClusterError, match="is not running"):
        ClipperConnection(KubernetesContainerManager("nobody")).connect()


def test_without_an_address_it_is_reached_by_a_port_forward(kubernetes: Any) -> None:
    connection = ClipperConnection(KubernetesContainerManager("inside"))
    connection.start_clipper(cache_size=0)
    connection.register_application("app", "doubles", -1, 20_000_000)
    deploy_python_closure(connection, "m", 1, "doubles", constant("x" * 200_000))
    connection.link_model_to_app("app", "m")
    for _ in range(10):
        assert output(connection) == "x" * 200_000
    load = connection.load("app", rate=20, seconds=1, inputs=[[1.0]]).result()
    assert set(load["answers"]) == {"model"}  # on so few connections that each has its own forward
    (pod,) = [
        p["metadata"]["name"]
        for p in kubernetes.pods("clipper-inside")
        if p["metadata"]["labels"][COMPONENT] == "query"
    ]
    kubernetes.kill_pod("clipper-inside", pod)
    wait_for("the frontend that comes back", lambda: clusters.output(connection))
    host, port = connection.get_query_addr().split(":")
    with socket.create_connection((host, int(port)), timeout=10) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: query\r\n\r\n")
        wait_for("the answer", lambda: b"}" in idle.recv(1000))
        roll(kubernetes, "clipper-inside")
        idle.settimeout(60)
        assert idle.recv(1) == b""
        # It was closed while its pod still answered: nobody loses an answer on it.
        names = [p["metadata"]["name"] for p in kubernetes.pods("clipper-inside")]
        assert pod in names
    connection.stop_all(purge=True)
    assert kubernetes.pods("clipper-inside") == []


def test_a_killed_replica_is_restarted_and_another_answers_meanwhile(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    cluster.set_num_replicas("m", 2)
    load = cluster.load("app", rate=50, seconds=60, inputs=[[1.0]])
    wait_for("the load to begin", lambda: load.sent > 10)
    victim = pods(kubernetes, "model", "1")[0]
    kubernetes.kill_pod(NAMESPACE, victim)
    assert "exit code 137" in told(cluster, victim, "ended by itself")
    cluster.wait_until_ready("m", 1)
    load.stop()
    assert set(load.result()["answers"]) == {"model"}
    cluster.set_num_replicas("m", 1)


def test_a_drained_node_costs_no_query_where_there_are_two_replicas(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    cluster.set_num_replicas("m", 2)
    load = cluster.load("app", rate=50, seconds=90, inputs=[[1.0]])
    wait_for("the load to begin", lambda: load.sent > 10)
    nodes = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in kubernetes.pods(NAMESPACE)}
    (management,) = pods(kubernetes, "management")
    node = {"node-a": "node-b", "node-b": "node-a"}[nodes[management]]
    victims = [pod for pod in pods(kubernetes, "model", "1") if nodes[pod] == node]
    assert victims, "the replicas are not spread over the nodes"
    kubernetes.drain(node)
    try:
        assert "somebody drains its node" in told(cluster, "m:1, pod", victims[0])
        cluster.wait_until_ready("m", 1)
        wait_for("management to be back", lambda: healthy(cluster))
    finally:
        kubernetes.restore(node)
        load.stop()
    assert set(load.result()["answers"]) == {"model"}
    cluster.set_num_replicas("m", 1)


def healthy(cluster: ClipperConnection) -> bool:
    try:
        return [frontend["state"] for frontend in cluster.status()["frontends"]] == ["serving"] * 2
    except ClusterError:
        return False


def test_without_management_queries_are_answered(cluster: ClipperConnection, kubernetes: Any) -> None:
    (pod,) = pods(kubernetes, "management")
    kubernetes.kill_pod(NAMESPACE, pod)
    assert output(cluster) == "one"
    wait_for("management to be back", lambda: healthy(cluster))
    assert cluster.get_all_models() == ["m:1", "m:2"]
    assert output(cluster) == "one"


def test_nothing_is_torn_down_while_the_api_server_cannot_be_reached(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    before = {name for version in "12" for name in pods(kubernetes, "model", version)}
    with kubernetes.unreachable():
        until = time.monotonic() + 2  # that long it has to be away, for the watches to notice
        while time.monotonic() < until:
            assert output(cluster) == "one"
    told(cluster, "API server does not do it")
    assert {name for version in "12" for name in pods(kubernetes, "model", version)} == before
    cluster.set_num_replicas("m", 2)
    cluster.wait_until_ready("m", 1)
    cluster.set_num_replicas("m", 1)


@pytest.mark.parametrize("fault", ["drop_watches", "expire", "throttle", "conflicts"])
def test_what_the_api_server_does_to_its_clients_is_lived_with(
    cluster: ClipperConnection, kubernetes: Any, fault: str
) -> None:
    {
        "drop_watches": kubernetes.drop_watches,
        "expire": lambda: (kubernetes.expire(), kubernetes.drop_watches()),
        "throttle": lambda: kubernetes.throttle(3),
        "conflicts": lambda: kubernetes.conflicts(3),
    }[fault]()
    cluster.set_num_replicas("m", 2)
    wait_for("both replicas", lambda: len(pods(kubernetes, "model", "1")) == 2)
    cluster.wait_until_ready("m", 1)
    cluster.set_num_replicas("m", 1)
    wait_for("one to go", lambda: len(pods(kubernetes, "model", "1")) == 1)
    assert output(cluster) == "one"


def test_a_deploy_that_fails_tells_the_models_own_traceback(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        import no_such_module  # type: ignore[import-not-found]

        return [no_such_module.f(x) for x in inputs]

    with pytest.raises(DeployError, match="no_such_module"):
        deploy_python_closure(cluster, "broken", 1, "doubles", by_value(broken))
    wait_for("its pod to go", lambda: not [p for p in pods(kubernetes, "model", "1") if "broken" in p])
    cluster.stop_models(["broken"])
    assert output(cluster) == "one"


def test_an_image_that_cannot_be_pulled_fails_the_deploy_in_words(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    kubernetes.unpullable("nowhere/")
    with pytest.raises(DeployError, match=r"image nowhere/clipper-python\S* cannot be pulled"):
        deploy_python_closure(
            cluster, *("pull", 1, "doubles", constant(1)), base_image="nowhere/clipper-python:1"
        )
    cluster.stop_models(["pull"])


def test_a_model_that_no_node_can_take_is_told_of_and_waits(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    deploy_python_closure(
        cluster, *("gpu", 1, "doubles", constant("on a GPU")), resources={"gpus": 1}, wait=False
    )
    text = told(cluster, "gpu:1 waits for a node")
    assert "2 nodes, 0 with a free GPU" in text
    info = cluster.get_model_info("gpu", 1)
    assert info is not None
    assert text in info["warnings"]
    kubernetes.add_node("node-gpu", gpus=1)
    cluster.wait_until_ready("gpu", 1)
    (pod,) = [p for p in kubernetes.pods(NAMESPACE) if "gpu" in p["metadata"]["name"]]
    assert pod["spec"]["nodeName"] == "node-gpu"
    cluster.stop_models(["gpu"])
    kubernetes.remove_node("node-gpu")


def test_a_replica_that_is_out_of_memory_or_evicted_is_told_of(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    deploy_python_closure(
        cluster, *("fat", 1, "doubles", constant(1)), resources={"memory": "512Mi"}, num_replicas=2
    )
    first, second = sorted(p for p in pods(kubernetes, "model", "1") if p.startswith("fat"))
    kubernetes.oom(NAMESPACE, first)
    assert "more memory than the 512 MiB" in told(cluster, first, "ended by itself")
    kubernetes.evict_for_pressure(NAMESPACE, second)
    assert "evicted" in told(cluster, second, "low on resource: memory")
    cluster.wait_until_ready("fat", 1)
    cluster.stop_models(["fat"])


def test_node_selectors_tolerations_and_devices_are_obeyed(
    cluster: ClipperConnection, kubernetes: Any
) -> None:
    taint = {"key": "for", "value": "models", "effect": "NoSchedule"}
    kubernetes.add_node("node-z", labels={"disk": "fast"}, taints=[taint])
    deploy_python_closure(
        cluster,
        *("placed", 1, "doubles", constant(1)),
        resources={
            "cpus": 0.5,
            "node_selector": {"disk": "fast"},
            "tolerations": [{"key": "for", "operator": "Exists"}],
        },
    )
    (pod,) = [p for p in kubernetes.pods(NAMESPACE) if "placed" in p["metadata"]["name"]]
    assert pod["spec"]["nodeName"] == "node-z"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] in ("0.5", "500m")
    cluster.stop_models(["placed"])
    wait_for("it to go", lambda: not [p for p in pods(kubernetes, "model", "1") if "placed" in p])
    kubernetes.remove_node("node-z")


@pytest.fixture
def index(api: Any, cluster: ClipperConnection, tmp_path: Path) -> Iterator[wheels.Index]:
    """Of packages, which pip in the cluster's pods asks. At 127.0.0.1 each would find itself."""
    with wheels.index(tmp_path, "1.0", "2.0", host="127.0.0.9") as index:
        from kubernetes import client

        secret = {"metadata": {"name": "clipper-pip"}, "stringData": {"PIP_INDEX_URL": index.url}}
        core: Any = client.CoreV1Api(api)  # for it takes objects as they are in YAML, too
        core.create_namespaced_secret(NAMESPACE, secret)
        yield index
        core.delete_namespaced_secret("clipper-pip", NAMESPACE)


def test_each_pod_installs_its_versions_packages_and_no_others(
    cluster: ClipperConnection, kubernetes: Any, index: wheels.Index
) -> None:
    for version in (1, 2):
        deploy_python_closure(
            cluster,
            *("packed", version, "doubles", wheels.imports_tinywheel),
            pkgs_to_install=[f"tinywheel=={version}.0"],
        )
    cluster.register_application("packed", "doubles", -1, 20_000_000)
    cluster.link_model_to_app("packed", "packed")
    cluster.set_num_replicas("packed", 2, 2)
    cluster.wait_until_ready("packed", 2)

    def answers() -> list[Any]:
        return [ask(cluster, "packed", {"input": [i]}).json()["output"] for i in range(20)]

    assert answers() == [["2.0", True]] * 20
    replica, _ = (p for p in pods(kubernetes, "model", "2") if p.startswith("packed"))
    log, position = cluster.log(f"packed.2.{replica}")
    assert "Successfully installed tinywheel-2.0" in log
    assert cluster.log(f"packed.2.{replica}", position) == ("", position)
    kubernetes.kill_pod(NAMESPACE, replica)
    told(cluster, replica, "ended by itself")
    cluster.wait_until_ready("packed", 2)
    assert answers() == [["2.0", True]] * 20
    cluster.rollback("packed")
    assert answers() == [["1.0", True]] * 20
    cluster.delete_application("packed")
    cluster.stop_models(["packed"])


def test_a_deploy_tells_how_far_pip_is_and_why_it_cannot(
    cluster: ClipperConnection, kubernetes: Any, index: wheels.Index
) -> None:
    lines = []

    def listen(line: str) -> None:
        lines.append(line)
        if "pip installs tinywheel==3.0" in line:
            index.answers.set()

    index.answers.clear()
    with (
        told_to(listen),
        pytest.raises(DeployError, match=r"(?s)pip install tinywheel==3\.0 failed.*clipper-pip.*1\.0, 2\.0"),
    ):
        deploy_python_closure(
            cluster, "absent", 1, "doubles", constant(1), pkgs_to_install=["tinywheel==3.0"]
        )
    assert index.answers.is_set(), lines
    wait_for("its pod to go", lambda: not [p for p in pods(kubernetes, "model", "1") if "absent" in p])
    cluster.stop_models(["absent"])


def test_logs_are_had_from_all_pods(cluster: ClipperConnection, tmp_path: Any) -> None:
    def talks(inputs: list[Any]) -> list[int]:
        import sys

        sys.stderr.write("the model was asked\n")
        return [0 for _ in inputs]

    deploy_python_closure(cluster, "talks", 1, "doubles", by_value(talks), example_input=[1.0])
    (replica,) = [
        r["model_replica_id"]
        for r in cluster.get_all_model_replicas(verbose=True)
        if r["model_name"] == "talks"
    ]
    log, position = cluster.log(f"talks.1.{replica}")
    assert "the model was asked" in log
    assert cluster.log(f"talks.1.{replica}", position)[0] == ""
    names = {path.rpartition("/")[2] for path in cluster.get_clipper_logs(tmp_path)}
    frontends = {f"query-{frontend['id']}.log" for frontend in cluster.status()["frontends"]}
    assert len(frontends) == 2
    assert {"management.log", f"talks.1.{replica}.log", *frontends} <= names
    cluster.stop_models(["talks"])


def test_frontends_that_are_rolled_cost_no_query(cluster: ClipperConnection, kubernetes: Any) -> None:
    before = set(pods(kubernetes, "query"))
    roll(kubernetes)
    answers = []

    def are_new() -> bool:
        answers.append(output(cluster))
        return not before & {p["metadata"]["name"] for p in kubernetes.pods(NAMESPACE)}

    wait_for("new frontends alone", are_new)
    assert set(answers) == {"one"}
    assert len(answers) > 20
    wait_for("both to serve", lambda: healthy(cluster))


def roll(kubernetes: Any, namespace: str = NAMESPACE) -> None:
    """What `kubectl rollout restart deployment/query` does."""
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(str(kubernetes.kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
    with client.ApiClient(settings) as api:
        change = {"spec": {"template": {"metadata": {"annotations": {"rolled": "now"}}}}}
        client.AppsV1Api(api).patch_namespaced_deployment("query", namespace, change)


def test_management_asks_for_nothing_that_it_may_not(cluster: ClipperConnection, kubernetes: Any) -> None:
    asked = [r for r in kubernetes.requests if "system:serviceaccount:clipper-tests:management" in str(r)]
    assert asked
    assert not [
        event for event in cluster.events() if "cannot" in event["text"] and "forbidden" in event["text"]
    ]


def test_manifests_are_those_of_the_running_cluster_with_its_models(cluster: ClipperConnection) -> None:
    text, running = KubernetesContainerManager("tests").manifests()
    assert running
    found = {(m["kind"], m["metadata"]["name"]): m for m in yaml.safe_load_all(text)}
    assert found["Deployment", "query"]["spec"]["replicas"] == 2
    assert ("NetworkPolicy", "models") in found
    models = [m for m in found.values() if m["metadata"]["labels"].get("clipperlab.org/model") == "m"]
    assert sorted(m["kind"] for m in models) == ["Deployment"] * 2 + ["PodDisruptionBudget"] * 2
    assert not [kind for kind, _ in found if kind == "Secret"]
    assert cluster._record.token not in text
    planned, running = KubernetesContainerManager("planned").manifests({"num_frontends": 5})
    assert not running
    assert "replicas: 5" in planned


def test_a_plain_node_without_dns_and_storage_serves_as_well() -> None:
    with places.find("stand-in", dns=False, storage_class=False, nodes=1) as place:
        plain = place.connection("plain")
        plain.start_clipper(fresh=True, cache_size=0, num_frontend_replicas=2)
        try:
            plain.register_application("app", "doubles", -1, 20_000_000)
            deploy_python_closure(plain, "m", 1, "doubles", constant("one"))
            plain.link_model_to_app("app", "m")
            assert output(plain) == "one"
            place.kill(plain, "query-0")
            wait_for("both to serve", lambda: healthy(plain))
            assert {output(plain) for _ in range(20)} == {"one"}
            place.kill(plain, "management")  # nobody has the list of frontends: who knows them keeps them
            assert {output(plain) for _ in range(20)} == {"one"}
            plain.connect()
            plain.set_num_replicas("m", 2)
            assert {output(plain) for _ in range(20)} == {"one"}
        finally:
            plain.stop_all(purge=True)
        assert place.left("plain") == []
