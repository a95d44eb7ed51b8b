"""How a cluster on Kubernetes is reached from outside, and what is said where no way leads there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import httpx2
import pytest

from clipperlab import BadRequest, ClipperConnection, ClusterError, KubernetesContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.workbench.watch import Watch
from tests.support.clusters import ask, constant
from tests.support.places import ON_THE_STAND_IN
from tests.support.waiting import wait_for

pytestmark = ON_THE_STAND_IN
NAMESPACE = "clipper-reach"
SEES = ["deployments", "services", "pods", "secrets"]


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    """Without a node port or anything else: only the API server leads there."""
    connection = ClipperConnection(KubernetesContainerManager("reach"))
    connection.start_clipper(fresh=True)
    connection.register_application("app", "doubles", -1, 20_000_000)
    deploy_python_closure(connection, "m", 1, "doubles", constant("x" * 100_000))
    connection.link_model_to_app("app", "m")
    yield connection
    connection.stop_all(purge=True)


def test_kubectl_proxy_is_a_way_to_all_of_it(cluster: ClipperConnection, kubernetes: Any) -> None:
    with kubernetes.proxy() as address:
        manager = KubernetesContainerManager("reach", kubernetes_proxy_addr=address)
        connection = ClipperConnection(manager)
        connection.connect()
        assert not manager.forwards
        path = f"{address}/api/v1/namespaces/{NAMESPACE}/services"
        assert connection.get_query_addr() == f"{path}/query:1337/proxy"
        assert manager.get_admin_addr() == f"{path}/management:1338/proxy"
        assert ask(connection, "app", {"input": [1.0]}).json()["output"] == "x" * 100_000
        assert connection.application("app").predict([1.0])["output"] == "x" * 100_000
        deploy_python_closure(connection, "big", 1, "doubles", constant("y" * 3_000_000))  # as an artifact
        assert "big:1" in connection.get_all_models()
        assert connection.why(ask(connection, "app", {"input": [2.0]}).json()["query_id"])
        (log, *_) = [name for name in connection._management.logs() if name.startswith("m.1.")]
        assert isinstance(connection.log(log)[0], str)
        connection.stop_models(["big"])
        assert any("Removed big:1" in event["text"] for event in connection.events())
        load = connection.load("app", rate=20, seconds=1, inputs=[[1.0]])
        assert set(load.result()["answers"]) == {"model"}
        seen = Watch(manager).look()
        assert seen.trouble == ""
        stream(connection)


def stream(connection: ClipperConnection) -> None:
    """Server-sent events come as they happen, through both proxies."""
    url = f"http://{connection.get_management_addr()}/api/v1/events/stream?after=0"
    headers = {"X-Clipper-Token": connection._record.token}
    with (
        httpx2.Client(trust_env=False, verify=False, timeout=60) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: "):
                assert json.loads(line.removeprefix("data: "))["id"]
                return
    raise AssertionError("the stream ended")


def test_the_token_is_wanted_there_too(cluster: ClipperConnection, kubernetes: Any) -> None:
    with kubernetes.proxy() as address:
        url = f"http://{address}/api/v1/namespaces/{NAMESPACE}/services/management:1338/proxy/api/v1/cluster"
        for headers in ({}, {"X-Clipper-Token": "wrong"}, {"Authorization": "Bearer x"}):
            assert (
                httpx2.get(url, headers=headers, trust_env=False, verify=False, timeout=60).status_code == 401
            )


def test_a_proxy_that_is_not_there_is_told_of(cluster: ClipperConnection, kubernetes: Any) -> None:
    with kubernetes.proxy() as address:
        pass
    connection = ClipperConnection(KubernetesContainerManager("reach", address))
    with pytest.raises(ClusterError, match=rf"Nothing answers at {address}.*`kubectl proxy --port"):
        connection.connect()


@pytest.mark.parametrize("address", ["8001", "http://127.0.0.1:8001", "127.0.0.1:8001/x", "host:"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadRequest, match="is no host:port"):
        KubernetesContainerManager("reach", kubernetes_proxy_addr=address)


def account(api: Any, name: str, *rules: dict[str, list[str]]) -> None:
    """A service account, and what it may do in the namespace."""
    from kubernetes.client import CoreV1Api, RbacAuthorizationV1Api

    core: Any = CoreV1Api(api)
    rbac: Any = RbacAuthorizationV1Api(api)
    meta = {"metadata": {"name": name}}
    core.create_namespaced_service_account(NAMESPACE, meta)
    rbac.create_namespaced_role(NAMESPACE, {**meta, "rules": list(rules)})
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    rbac.create_namespaced_role_binding(NAMESPACE, {**meta, **binding})


def rule(verbs: list[str], *resources: str, group: str = "") -> dict[str, list[str]]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": verbs}


SEE = [rule(["get", "list"], *SEES), rule(["get", "list"], "deployments", group="apps")]


def test_where_every_way_is_refused_each_is_named_with_its_reason(
    cluster: ClipperConnection, kubernetes: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(api, "sees", *SEE)
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig_of(NAMESPACE, "sees")))
    connection = ClipperConnection(KubernetesContainerManager("reach"))
    with pytest.raises(ClusterError) as caught:
        connection.connect()
    text = str(caught.value)
    assert text.startswith(f"No way leads from here to management of the cluster in namespace {NAMESPACE}.")
    assert "It has no node port: its type is ClusterIP, and service_types= changes that." in text
    assert "You may not list Ingresses" in text
    assert "makes no port-forward" in text
    assert "create and get pods/portforward" in text
    assert "kubernetes_proxy_addr= names a `kubectl proxy`, and was not given." in text


def test_a_node_port_whose_node_nobody_may_see_is_told_of(
    cluster: ClipperConnection, kubernetes: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.client import CoreV1Api

    core: Any = CoreV1Api(api)
    core.patch_namespaced_service("management", NAMESPACE, {"spec": {"type": "NodePort"}})
    account(api, "sees-no-pods", rule(["get"], "deployments", "services", "secrets"), SEE[1])
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig_of(NAMESPACE, "sees-no-pods")))
    try:
        with pytest.raises(ClusterError, match="you may not list nodes") as caught:
            ClipperConnection(KubernetesContainerManager("reach")).connect()
        assert "lists no pods to forward to" in str(caught.value)
    finally:
        core.patch_namespaced_service("management", NAMESPACE, {"spec": {"type": "ClusterIP"}})


def test_a_load_balancer_without_an_address_is_told_of_and_a_port_forward_made(
    cluster: ClipperConnection, kubernetes: Any, api: Any
) -> None:
    from kubernetes.client import CoreV1Api

    from clipper_server.places.kubernetes.api import KubernetesAPI
    from clipper_server.places.kubernetes.reach import reach

    core: Any = CoreV1Api(api)
    core.patch_namespaced_service("query", NAMESPACE, {"spec": {"type": "LoadBalancer"}})
    try:
        monitored = reach(KubernetesAPI(), NAMESPACE, "query")
        assert "Its load balancer has no address so far." in monitored.tried
    finally:
        core.patch_namespaced_service("query", NAMESPACE, {"spec": {"type": "ClusterIP"}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tls": [{"hosts": ["localhost"], "secretName": "x"}]}, "leads to it at https://localhost/"),
        ({"host": None}, "does not give it a host of its own"),
        ({"path": "/clipper"}, "does not give it a host of its own"),
        ({}, "localhost:80 does not answer"),
    ],
)
def test_an_ingress_is_tried_where_it_can_be(
    cluster: ClipperConnection, api: Any, change: dict[str, Any], said: str
) -> None:
    from kubernetes.client import NetworkingV1Api

    from clipper_server.places.kubernetes.api import KubernetesAPI
    from clipper_server.places.kubernetes.reach import reach

    networking: Any = NetworkingV1Api(api)
    backend = {"service": {"name": "query", "port": {"name": "http"}}}
    path = {"path": change.get("path", "/"), "pathType": "Prefix", "backend": backend}
    the_rule = {"host": change.get("host", "localhost"), "http": {"paths": [path]}}
    spec = {"rules": [{k: v for k, v in the_rule.items() if v}], "tls": change.get("tls", [])}
    networking.create_namespaced_ingress(NAMESPACE, {"metadata": {"name": "query"}, "spec": spec})
    try:
        found = reach(KubernetesAPI(), NAMESPACE, "query")
        assert found.address is None
        assert any(said in sentence for sentence in found.tried), found.tried
    finally:
        networking.delete_namespaced_ingress("query", NAMESPACE)


def test_a_forward_may_begin_before_a_pod_is_ready(cluster: ClipperConnection, kubernetes: Any) -> None:
    from clipperlab.places.forward import Forward

    forward = Forward("default", "query", 1337)
    try:
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(f"http://{forward.address}/health", trust_env=False, verify=False)
    finally:
        forward.close()
    assert wait_for("an answer of the cluster's own", lambda: cluster.get_all_models())


def test_what_is_under_way_on_a_forward_is_answered_before_it_closes(cluster: ClipperConnection) -> None:
    """The server sees the end of the request only when the forward has been told to close."""
    from clipperlab.places.forward import Forward

    forward = Forward(NAMESPACE, "query", 1337)
    host, _, port = forward.address.rpartition(":")
    with socket.create_connection((host, int(port))) as client, ThreadPoolExecutor(1) as threads:
        client.settimeout(60)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert answer(client) == 200
        (connection,) = forward._open.values()
        wait_for("it to be answered", connection.answered.is_set)
        client.sendall(b"GET /health HTTP/1.1\r\n")
        wait_for("the forward to have that", lambda: not connection.answered.is_set())
        closing = threads.submit(forward.close, 60.0)
        server = forward._server  # asked itself, for asyncio leaves who comes just then without an end
        wait_for("it to listen no more", lambda: server is not None and not server.is_serving())
        assert not closing.done()
        client.sendall(b"Host: 127.0.0.1\r\n\r\n")
        assert answer(client) == 200
        closing.result(30)
        assert client.recv(1000) == b""


def answer(client: socket.socket) -> int:
    """The status of the next one, all of which has come then."""
    response = HTTPResponse(client)
    response.begin()
    response.read()
    return response.status
