"""The stand-in for Kubernetes, by the real client library: it does what the real one is documented to do."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import random
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

pytest.importorskip("kubernetes", reason="needs Kubernetes' client, which is not installed here")

from kubernetes import client, config
from kubernetes import watch as watches
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config
from kubernetes.aio import watch as aio_watches
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from tests.support.waiting import wait_for
from tests.tools.kubernetes_stand_in import StandIn
from tests.tools.kubernetes_stand_in.network import Network

pytestmark = [
    pytest.mark.slow,
    # It passes bytes on for pods that the tests kill: such streams are closed by nobody.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
    pytest.mark.skipif(sys.platform != "linux", reason="pods need the loopback addresses that Linux has"),
    # The client leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

Object = dict[str, Any]
SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        there = self.path != "/missing" and not os.path.exists(os.environ.get("SICK", "/nowhere"))
        self.send_response(200 if there else 503)
        self.end_headers()
        said = {"pod": os.environ["HOSTNAME"], "authorization": self.headers.get("Authorization")}
        self.wfile.write(str(said).replace("'", '"').replace("None", "null").encode())
    def log_message(self, *_):
        pass
print("serving", flush=True)
http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
PROBE = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
SLEEP = ["sleep", "1000"]


class Namespace:
    """One of the test's own, and the clients to fill it with."""

    core: Any  # for they take objects as they are in YAML, too
    apps: Any
    policy: Any
    rbac: Any

    def __init__(self, k8s: StandIn, api: client.ApiClient) -> None:
        self.k8s, self.name = k8s, f"t-{uuid.uuid4().hex[:8]}"
        self.core, self.apps = client.CoreV1Api(api), client.AppsV1Api(api)
        self.policy, self.rbac = client.PolicyV1Api(api), client.RbacAuthorizationV1Api(api)
        _make(self.core, self.name)

    def deploy(self, name: str, replicas: int = 1, pod: Object | None = None, **container: Any) -> None:
        body = deployment(name, replicas, pod, **container)
        self.apps.create_namespaced_deployment(self.name, body)

    def pods(self, name: str) -> list[Any]:
        found = self.core.list_namespaced_pod(self.name, label_selector=f"app={name}")
        return list(found.items)

    def pod(self, name: str, done: Callable[[Any], object]) -> Any:
        """The pod of a Deployment, as soon as one of them is so."""
        return wait_for(f"a pod of {name} as wanted", lambda: next(filter(done, self.pods(name)), None))

    def available(self, name: str, count: int) -> None:
        def look() -> bool:
            status = self.apps.read_namespaced_deployment(name, self.name).status
            return (int(status.available_replicas or 0), int(status.updated_replicas or 0)) == (count, count)

        wait_for(f"{count} replicas of {name}", look)

    def events(self, reason: str) -> list[str]:
        found = self.core.list_namespaced_event(self.name, field_selector=f"reason={reason}")
        return [event.message for event in found.items]


def _make(core: Any, namespace: str) -> None:
    core.create_namespace({"metadata": {"name": namespace}})


def deployment(name: str, replicas: int, pod: Object | None = None, **container: Any) -> Object:
    one = {"name": "main", "image": "any:1", "command": SLEEP, **container}
    spec = {"terminationGracePeriodSeconds": 5, "containers": [one], **(pod or {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def python(code: str) -> list[str]:
    return ["python", "-c", code]


def watching() -> Any:
    return watches.Watch()  # type: ignore[no-untyped-call]


def state(pod: Any) -> Any:
    return (
        pod.status.container_statuses[0].state if pod.status.container_statuses else client.V1ContainerState()
    )


def conditions(pod: Any) -> dict[str, str]:
    return {condition.type: condition.status for condition in pod.status.conditions or []}


def connect(k8s: StandIn) -> Any:
    return config.new_client_from_config(str(k8s.kubeconfig))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def k8s() -> Iterator[StandIn]:
    with StandIn() as cluster:
        yield cluster
    gc.collect()  # what the client has left, while it is allowed
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline", "environ"]) if _of(p, cluster)]
    assert left == []


def _of(process: psutil.Process, cluster: StandIn) -> bool:
    names = (process.info["environ"] or {}).get("STAND_IN_NAMES", "")
    return str(names).startswith(str(cluster.folder))


@pytest.fixture(scope="module")
def api(k8s: StandIn) -> Iterator[client.ApiClient]:
    found = connect(k8s)
    yield found
    found.close()


@pytest.fixture
def space(k8s: StandIn, api: client.ApiClient) -> Iterator[Namespace]:
    found = Namespace(k8s, api)
    yield found
    found.core.delete_namespace(found.name)
    wait_for("the namespace to be gone", lambda: found.name not in namespaces(found.core))


def namespaces(core: Any) -> list[str]:
    return [namespace.metadata.name for namespace in core.list_namespace().items]


def refused(call: Callable[[], object]) -> tuple[int, str, str]:
    """The code, reason and message with which the server refuses it."""
    with pytest.raises(ApiException) as caught:
        call()
    status = json.loads(str(caught.value.body))
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", caught.value.status)
    return caught.value.status, status["reason"], status["message"]


def test_what_was_created_is_found_changed_and_deleted(space: Namespace) -> None:
    core, name = space.core, space.name
    body = {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"k": "v"}}
    made = core.create_namespaced_config_map(name, body)
    assert made.metadata.uid
    assert made.metadata.creation_timestamp
    assert refused(lambda: core.create_namespaced_config_map(name, body)) == (
        409,
        "AlreadyExists",
        'configmaps "a" already exists',
    )
    drawn = core.create_namespaced_config_map(name, {"metadata": {"generateName": "b-"}})
    assert drawn.metadata.name.startswith("b-")
    there = [
        m.metadata.name for m in core.list_namespaced_config_map(name, label_selector="x in (1, 2)").items
    ]
    assert there == ["a"]
    by_name = core.list_namespaced_config_map(name, field_selector="metadata.name!=a").items
    assert {m.metadata.name for m in by_name} == {drawn.metadata.name, "kube-root-ca.crt"}
    core.delete_namespaced_config_map("a", name)
    assert refused(lambda: core.read_namespaced_config_map("a", name)) == (
        404,
        "NotFound",
        'configmaps "a" not found',
    )
    nowhere = refused(lambda: core.create_namespaced_config_map("nowhere", body))
    assert nowhere == (404, "NotFound", 'namespaces "nowhere" not found')


def test_a_change_upon_an_old_version_is_a_conflict(space: Namespace) -> None:
    core, name = space.core, space.name
    old = core.create_namespaced_config_map(name, {"metadata": {"name": "a"}, "data": {"k": "1"}})
    new = core.patch_namespaced_config_map("a", name, {"data": {"k": "2"}})
    assert int(new.metadata.resource_version) > int(old.metadata.resource_version)
    old.data = {"k": "3"}
    code, reason, message = refused(lambda: core.replace_namespaced_config_map("a", name, old))
    assert (code, reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in message
    same = core.patch_namespaced_config_map("a", name, {"data": {"k": "2"}})
    assert same.metadata.resource_version == new.metadata.resource_version  # nothing has changed
    space.k8s.conflicts(1)
    assert refused(lambda: core.patch_namespaced_config_map("a", name, {"data": {"k": "4"}}))[0] == 409
    assert core.patch_namespaced_config_map("a", name, {"data": {"k": "4"}}).data == {"k": "4"}


def test_a_generation_counts_changes_of_the_spec(space: Namespace) -> None:
    space.deploy("d", replicas=0)
    first = space.apps.read_namespaced_deployment("d", space.name)
    assert first.metadata.generation == 1
    assert first.spec.strategy.rolling_update.max_surge == "25%"
    space.apps.patch_namespaced_deployment("d", space.name, {"metadata": {"labels": {"a": "b"}}})
    space.apps.patch_namespaced_deployment_scale("d", space.name, {"spec": {"replicas": 1}})
    assert space.apps.read_namespaced_deployment_scale("d", space.name).spec.replicas == 1
    wait_for(
        "the controller to have seen it",
        lambda: space.apps.read_namespaced_deployment("d", space.name).status.observed_generation == 2,
    )


def test_bad_objects_are_refused(space: Namespace) -> None:
    core, apps, name = space.core, space.apps, space.name
    body = deployment("d", 1)
    body["spec"]["template"]["spec"]["containers"][0]["comand"] = []
    answer = apply(space, "ours", body)
    assert (answer["code"], answer["reason"]) == (400, "BadRequest")
    assert "comand" in answer["message"]
    for wrong, said in (
        ({"metadata": {"name": "Upper"}}, "RFC 1123"),
        ({"metadata": {"name": "a", "labels": {"x": "a b"}}}, "a valid label must"),
    ):
        code, reason, message = refused(functools.partial(core.create_namespaced_config_map, name, wrong))
        assert (code, reason) == (422, "Invalid")
        assert said in message
    other = deployment("d", 1)
    other["spec"]["selector"]["matchLabels"] = {"app": "another"}
    assert "does not match template" in refused(lambda: apps.create_namespaced_deployment(name, other))[2]
    tried = apps.create_namespaced_deployment(name, deployment("d", 1), dry_run="All")
    assert tried.metadata.uid
    assert apps.list_namespaced_deployment(name).items == []


def test_the_three_patches(space: Namespace, api: client.ApiClient) -> None:
    space.deploy("d", replicas=0)

    def patch(content_type: str, body: Any) -> Any:
        path = f"/apis/apps/v1/namespaces/{space.name}/deployments/d"
        header = {"Content-Type": f"application/{content_type}", "Accept": "application/json"}
        return request(space.k8s, "PATCH", path, body, header)["spec"]["template"]["spec"]["containers"]

    merged = patch(
        "strategic-merge-patch+json",
        {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "any:2"}]}}}},
    )
    assert (merged[0]["image"], merged[0]["command"]) == ("any:2", SLEEP)
    more = {"name": "more", "image": "x:1", "command": SLEEP}
    added = patch(
        "json-patch+json", [{"op": "add", "path": "/spec/template/spec/containers/-", "value": more}]
    )
    assert [container["name"] for container in added] == ["main", "more"]
    replaced = patch(
        "merge-patch+json",
        {"spec": {"template": {"spec": {"containers": [{"name": "one", "image": "x:1"}]}}}},
    )
    assert [container["name"] for container in replaced] == ["one"]


def request(k8s: StandIn, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    found = connect(k8s)
    token = found.configuration.api_key["BearerToken"].split()[-1]
    tls = ssl.create_default_context(cafile=found.configuration.ssl_ca_cert)
    with httpx2.Client(base_url=found.configuration.host, verify=tls, trust_env=False, timeout=60) as http:
        headers = {"Authorization": f"Bearer {token}", **headers}
        answer = http.request(method, path, content=json.dumps(body), headers=headers)
    found.close()
    return answer.json()


def apply(space: Namespace, manager: str, body: Object, *, force: bool = False) -> Any:
    path = f"/apis/apps/v1/namespaces/{space.name}/deployments/{body['metadata']['name']}"
    query = f"?fieldManager={manager}&force={str(force).lower()}"
    return request(space.k8s, "PATCH", path + query, body, {"Content-Type": "application/apply-patch+yaml"})


def test_server_side_apply_knows_who_owns_what(space: Namespace) -> None:
    body = deployment("d", 0)
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    assert apply(space, "ours", body)["metadata"]["generation"] == 1
    assert apply(space, "ours", body)["metadata"]["generation"] == 1
    space.apps.patch_namespaced_deployment_scale(
        "d", space.name, {"spec": {"replicas": 2}}, field_manager="hpa"
    )
    conflict = apply(space, "ours", body)
    assert conflict["message"] == 'Apply failed with 1 conflict: conflict with "hpa": .spec.replicas'
    without = deployment("d", 0)
    del without["spec"]["replicas"]
    applied = apply(space, "ours", without)
    assert applied["spec"]["replicas"] == 2  # the other's
    assert not applied["spec"]["template"]["spec"]["containers"][0].get(
        "env"
    )  # ours, and not wanted any more
    assert apply(space, "ours", body, force=True)["spec"]["replicas"] == 0


def test_lists_come_in_pages(space: Namespace) -> None:
    for i in range(5):
        space.core.create_namespaced_config_map(space.name, {"metadata": {"name": f"m{i}"}})
    first = space.core.list_namespaced_config_map(space.name, limit=4)
    assert (len(first.items), first.metadata.remaining_item_count) == (4, 2)
    token = first.metadata._continue
    assert len(space.core.list_namespaced_config_map(space.name, limit=4, _continue=token).items) == 2
    space.core.create_namespaced_config_map(space.name, {"metadata": {"name": "m6"}})
    space.k8s.expire()
    code, reason, _ = refused(
        lambda: space.core.list_namespaced_config_map(space.name, limit=4, _continue=token)
    )
    assert (code, reason) == (410, "Expired")


def test_a_watch_tells_what_happens_to_what_matches(space: Namespace) -> None:
    core, name = space.core, space.name
    begin = core.list_namespaced_config_map(name).metadata.resource_version
    core.create_namespaced_config_map(name, {"metadata": {"name": "a", "labels": {"x": "1"}}})
    core.create_namespaced_config_map(name, {"metadata": {"name": "other"}})
    core.patch_namespaced_config_map("a", name, {"data": {"k": "v"}})
    core.patch_namespaced_config_map("a", name, {"metadata": {"labels": {"x": "2"}}})
    core.delete_namespaced_config_map("a", name)
    stream = watching().stream(
        core.list_namespaced_config_map,
        name,
        resource_version=begin,
        label_selector="x=1",
        timeout_seconds=1,
        allow_watch_bookmarks=True,
    )
    events = [event for event in stream if event["type"] != "BOOKMARK"]
    seen = [(event["type"], event["object"].metadata.name) for event in events]
    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_without_a_version_begins_with_what_is_there(space: Namespace) -> None:
    space.core.create_namespaced_config_map(space.name, {"metadata": {"name": "a"}})
    stream = watching().stream(space.core.list_namespaced_config_map, space.name, timeout_seconds=1)
    assert {event["object"].metadata.name for event in stream} == {"a", "kube-root-ca.crt"}


def test_an_old_watch_has_expired(space: Namespace) -> None:
    begin = space.core.list_namespaced_config_map(space.name).metadata.resource_version
    space.core.create_namespaced_config_map(space.name, {"metadata": {"name": "a"}})
    space.k8s.expire()
    stream = watching().stream(
        space.core.list_namespaced_config_map, space.name, resource_version=begin, timeout_seconds=5
    )
    with pytest.raises(ApiException, match="too old resource version") as caught:
        list(stream)
    assert caught.value.status == 410


def test_the_asynchronous_client_follows_bookmarks_and_resumes(space: Namespace) -> None:
    async def follow() -> tuple[list[str], str]:
        await aio_config.load_kube_config(str(space.k8s.kubeconfig))  # type: ignore[no-untyped-call]
        async with aio_client.ApiClient() as api:
            core: Any = aio_client.CoreV1Api(api)
            begin = (await core.list_namespaced_config_map(space.name)).metadata.resource_version
            kinds: list[str] = []
            async with aio_watches.Watch() as following:  # type: ignore[no-untyped-call]
                stream = following.stream(
                    core.list_namespaced_config_map,
                    space.name,
                    resource_version=begin,
                    allow_watch_bookmarks=True,
                    _request_timeout=20,
                )
                async for event in stream:
                    kinds.append(event["type"])
                    if event["type"] == "BOOKMARK" and len(kinds) == 1:
                        await core.create_namespaced_config_map(space.name, {"metadata": {"name": "a"}})
                    elif event["type"] == "ADDED":
                        return kinds, str(following.resource_version)
        raise AssertionError("the watch ended")

    kinds, version = asyncio.run(follow())
    assert kinds == ["BOOKMARK", "ADDED"]
    core = space.core
    assert core.read_namespaced_config_map("a", space.name).metadata.resource_version == version


def test_dropped_watches_end_and_what_happened_meanwhile_is_not_lost(space: Namespace) -> None:
    following = watching()
    seen: list[str] = []
    begin = space.core.list_namespaced_config_map(space.name).metadata.resource_version

    def follow(version: str, until: str) -> None:
        stream = following.stream(
            space.core.list_namespaced_config_map, space.name, resource_version=version, timeout_seconds=20
        )
        for event in stream:
            seen.append(event["object"].metadata.name)
            if seen[-1] == "a":
                space.k8s.drop_watches()
            if seen[-1] == until:
                following.stop()

    space.core.create_namespaced_config_map(space.name, {"metadata": {"name": "a"}})
    with pytest.raises(Exception, match=r"(?i)connection|protocol|ended prematurely|reset"):
        follow(begin, "b")
    space.core.create_namespaced_config_map(space.name, {"metadata": {"name": "b"}})
    follow(str(following.resource_version), "b")
    assert seen == ["a", "b"]


def test_throttled_requests_are_told_when_to_come_again(space: Namespace) -> None:
    space.k8s.throttle(1, retry_after_s=7)
    path = f"/api/v1/namespaces/{space.name}/pods"
    refusal = request(space.k8s, "GET", path, None, {})
    assert (refusal["code"], refusal["reason"]) == (429, "TooManyRequests")
    assert refusal["details"]["retryAfterSeconds"] == 7
    space.k8s.throttle(1, retry_after_s=1)
    began = time.monotonic()
    assert space.core.list_namespaced_pod(space.name).items == []  # the client comes again when it may
    assert time.monotonic() - began > 0.9


def test_while_nobody_reaches_the_server_what_runs_goes_on(space: Namespace) -> None:
    space.deploy("web", command=python(SERVER), readinessProbe=PROBE)
    space.available("web", 1)
    address = space.pods("web")[0].status.pod_ip
    host = space.core.api_client.configuration.host
    with space.k8s.unreachable():
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{host}/version", trust_env=False, verify=False, timeout=60)
        assert (
            httpx2.get(f"http://{address}:8000/", trust_env=False, verify=False, timeout=60).status_code
            == 200
        )
    assert len(space.pods("web")) == 1


def test_a_stranger_is_refused(k8s: StandIn, api: client.ApiClient) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    assert request(k8s, "GET", "/api/v1/pods", None, headers)["code"] == 401
    assert client.VersionApi(api).get_code().minor == "36"


def test_pods_listen_on_the_same_port_and_find_each_other_by_name(space: Namespace) -> None:
    space.deploy("web", 2, command=python(SERVER), readinessProbe=PROBE)
    ports = [{"port": 80, "targetPort": 8000}]
    spec = {"selector": {"app": "web"}, "ports": ports}
    service = space.core.create_namespaced_service(space.name, {"metadata": {"name": "web"}, "spec": spec})
    headless = {**spec, "clusterIP": "None", "publishNotReadyAddresses": True}
    space.core.create_namespaced_service(space.name, {"metadata": {"name": "each"}, "spec": headless})
    space.available("web", 2)
    asking = f"""
import json, os, socket, time, urllib.request
found = socket.getaddrinfo("each.{space.name}.svc", 8000, type=socket.SOCK_STREAM)
each = sorted(info[4][0] for info in found)
names = set()
while len(names) < 2:
    names.add(json.load(urllib.request.urlopen("http://web/"))["pod"])
try:
    socket.getaddrinfo("nobody", 80)
except socket.gaierror as error:
    unknown = str(error)
print(json.dumps([each, sorted(names), os.environ["WEB_SERVICE_HOST"], unknown]), flush=True)
time.sleep(1000)
"""
    space.deploy("asks", command=python(asking))
    pod = space.pod("asks", lambda pod: pod.status.phase == "Running")
    said = wait_for("its answer", lambda: space.core.read_namespaced_pod_log(pod.metadata.name, space.name))
    each, names, address, unknown = json.loads(said)
    pods = space.pods("web")
    assert each == sorted(pod.status.pod_ip for pod in pods)
    assert names == sorted(pod.metadata.name for pod in pods)
    assert address == service.spec.cluster_ip
    assert "Name or service not known" in unknown
    found = space.core.read_namespaced_endpoints("each", space.name).subsets[0].addresses
    assert sorted(one.ip for one in found) == each


def test_without_dns_and_storage_there_are_none() -> None:
    with StandIn(dns=False, storage_class=False, nodes=1) as k8s:
        found = connect(k8s)
        core: Any = client.CoreV1Api(found)
        assert [node.metadata.name for node in core.list_node().items] == ["node-a"]
        assert core.list_namespaced_service("kube-system").items == []
        claim = {
            "metadata": {"name": "c"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        core.create_namespaced_persistent_volume_claim("default", claim)
        pod: Object = {"containers": [{"name": "c", "image": "x", "command": SLEEP}]}
        pod["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        core.create_namespaced_pod("default", {"metadata": {"name": "p"}, "spec": pod})
        wait_for(
            "the pod to be called unschedulable",
            lambda: (
                "unbound immediate PersistentVolumeClaims"
                in _why_not(core.read_namespaced_pod("p", "default"))
            ),
        )
        said = core.list_namespaced_event("default", field_selector="reason=FailedBinding").items[0].message
        assert said == "no persistent volumes available for this claim and no storage class is set"
        found.close()


def _why_not(pod: Any) -> str:
    conditions = pod.status.conditions or []
    return next((str(c.message) for c in conditions if c.type == "PodScheduled" and c.status == "False"), "")


def test_a_pod_that_fits_nowhere_says_why(space: Namespace) -> None:
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    space.deploy("gpu", resources=gpu)
    pod = space.pod("gpu", _why_not)
    assert _why_not(pod) == (
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: "
        "2 No preemption victims found for incoming pod."
    )
    assert space.events("FailedScheduling") == [_why_not(pod)]
    space.deploy("picky", pod={"nodeSelector": {"zone": "moon"}})
    assert "2 node(s) didn't match Pod's node affinity/selector" in _why_not(space.pod("picky", _why_not))
    space.k8s.add_node("node-gpu", gpus=1, taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    try:
        wait_for("the taint to be told", lambda: "taint {gpu: yes}" in _why_not(space.pods("gpu")[0]))
        template = {"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}
        space.apps.patch_namespaced_deployment("gpu", space.name, {"spec": {"template": template}})
        running = space.pod("gpu", lambda pod: pod.status.phase == "Running")
        assert running.spec.node_name == "node-gpu"
    finally:
        space.apps.delete_namespaced_deployment("gpu", space.name)
        space.k8s.remove_node("node-gpu")


def test_a_quota_refuses_in_the_deployments_words(space: Namespace) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "1"}}}
    space.core.create_namespaced_resource_quota(space.name, quota)
    space.deploy("d", 2, resources={"requests": {"cpu": "600m"}})

    def failure() -> str:
        conditions = space.apps.read_namespaced_deployment("d", space.name).status.conditions or []
        return next((c.message for c in conditions if c.type == "ReplicaFailure"), "")

    message = wait_for("the failure to be told", failure)
    assert "exceeded quota: small, requested: requests.cpu=600m, used: requests.cpu=600m" in message
    assert message.endswith("limited: requests.cpu=1")
    assert len(space.pods("d")) == 1
    space.core.patch_namespaced_resource_quota("small", space.name, {"spec": {"hard": {"requests.cpu": "2"}}})
    space.available("d", 2)
    wait_for("the failure to be over", lambda: not failure())


def test_an_image_that_cannot_be_pulled(space: Namespace) -> None:
    space.k8s.unpullable("missing")
    space.deploy("d", image="registry.example/missing:1")

    def waiting(pod: Any) -> bool:
        return state(pod).waiting is not None and state(pod).waiting.reason == "ImagePullBackOff"

    pod = space.pod("d", waiting)
    assert "not found" in state(pod).waiting.message
    assert any("Failed to pull image" in message for message in space.events("Failed"))
    space.k8s.pullable("missing")
    space.available("d", 1)


def test_a_container_that_crashes_comes_back_ever_later(space: Namespace) -> None:
    code = "import sys; print('at work'); open(sys.argv[1], 'w').write('my last words'); sys.exit(3)"
    space.deploy("d", command=[*python(code), "/dev/termination-log"])

    def backing_off(pod: Any) -> bool:
        return state(pod).waiting is not None and state(pod).waiting.reason == "CrashLoopBackOff"

    pod = space.pod("d", lambda pod: backing_off(pod) and pod.status.container_statuses[0].restart_count > 0)
    last = pod.status.container_statuses[0].last_state.terminated
    assert (last.exit_code, last.reason, last.message) == (3, "Error", "my last words")
    assert "restarting failed container=main" in state(pod).waiting.message
    log = space.core.read_namespaced_pod_log(pod.metadata.name, space.name, previous=True)
    assert log == "at work\n"


def test_init_containers_run_one_after_the_other_before_the_others_begin(space: Namespace) -> None:
    wish = {"metadata": {"name": "wish"}, "data": {"may": "no"}}
    space.core.create_namespaced_config_map(space.name, wish)
    mounts: Object = {
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}, {"name": "wish", "mountPath": "/wish"}]
    }

    def first(name: str, shell: str) -> Object:
        end = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        return {"name": name, "image": "any:1", "command": ["sh", "-c", shell], **end, **mounts}

    one = first("one", "echo once >> /shared/first; echo made")
    two = first("two", "cat /shared/first; grep -q yes /wish/may")
    pod = {
        "volumes": [{"name": "shared", "emptyDir": {}}, {"name": "wish", "configMap": {"name": "wish"}}],
        "initContainers": [one, two],
    }
    space.deploy("d", pod=pod, command=["sh", "-c", "cat /shared/first; sleep 1000"], **mounts)

    def failed(pod: Any) -> Any:
        found = pod.status.init_container_statuses
        return found and (found[1].state.terminated or found[1].last_state.terminated)

    waits = space.pod("d", failed)
    assert (failed(waits).exit_code, failed(waits).message) == (1, "once\n")
    assert waits.status.phase == "Pending"
    assert state(waits).waiting.reason == "PodInitializing"
    assert conditions(waits)["Initialized"] == "False"
    wish["data"] = {"may": "yes"}
    space.core.patch_namespaced_config_map("wish", space.name, wish)
    space.available("d", 1)
    (runs,) = space.pods("d")
    assert conditions(runs)["Initialized"] == "True"
    one, two = runs.status.init_container_statuses
    assert one.restart_count == 0 < two.restart_count
    assert all(each.state.terminated.exit_code == 0 for each in runs.status.init_container_statuses)

    def log(**which: str) -> str:
        return str(space.core.read_namespaced_pod_log(runs.metadata.name, space.name, **which))

    assert wait_for("the log of the main one", log) == "once\n"
    assert log(container="one") == "made\n"


def test_killed_and_out_of_memory_are_told_apart(space: Namespace) -> None:
    space.deploy(
        "d", terminationMessagePolicy="FallbackToLogsOnError", command=["sh", "-c", "echo hi; sleep 1000"]
    )
    space.available("d", 1)
    name = space.pods("d")[0].metadata.name
    wait_for("its word", lambda: space.core.read_namespaced_pod_log(name, space.name))
    space.k8s.kill_pod(space.name, name)

    def last() -> Any:
        return space.pods("d")[0].status.container_statuses[0].last_state.terminated

    killed = wait_for("the end to be told", last)
    assert (killed.exit_code, killed.reason, killed.message) == (137, "Error", "hi\n")
    wait_for("it to run again", lambda: state(space.pods("d")[0]).running)
    space.k8s.oom(space.name, name)
    wait_for("the end to be told", lambda: last().reason == "OOMKilled")


def test_a_container_that_outgrows_its_memory_is_killed(space: Namespace) -> None:
    code = (
        "data = bytearray(200 << 20); data[::4096] = b'x' * len(data[::4096]); import time; time.sleep(1000)"
    )
    space.deploy("d", command=python(code), resources={"limits": {"memory": "100Mi"}})
    pod = space.pod(
        "d", lambda pod: pod.status.container_statuses and pod.status.container_statuses[0].restart_count
    )
    assert pod.status.container_statuses[0].last_state.terminated.reason == "OOMKilled"


@pytest.mark.slow
def test_probes_decide_on_readiness_and_life(space: Namespace) -> None:
    env = [{"name": "SICK", "value": "/health/sick"}]
    more: Object = {"volumeMounts": [{"name": "health", "mountPath": "/health"}], "env": env}
    more |= {"livenessProbe": {**PROBE, "failureThreshold": 2}, "startupProbe": PROBE}
    volumes = {"volumes": [{"name": "health", "emptyDir": {}}]}
    space.deploy("d", pod=volumes, command=python(SERVER), readinessProbe=PROBE, **more)
    space.available("d", 1)
    name = space.pods("d")[0].metadata.name
    (sick,) = [
        value
        for value in psutil.Process(space.k8s.pid(space.name, name)).environ().items()
        if value[0] == "SICK"
    ]
    subprocess.run(["touch", sick[1]], check=True)
    wait_for("the restart", lambda: space.pods("d")[0].status.container_statuses[0].restart_count > 0)
    assert any(
        "Liveness probe failed: HTTP probe failed with statuscode: 503" in m
        for m in space.events("Unhealthy")
    )
    assert space.events("Killing") == ["Container main failed liveness probe, will be restarted"]
    subprocess.run(["rm", sick[1]], check=True)
    space.available("d", 1)


def test_a_pod_that_ends_has_its_grace(space: Namespace) -> None:
    code = """
import signal, sys, time
def end(*_):
    print("ending", flush=True); time.sleep(0.5); print("ended", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
while True: time.sleep(0.01)
"""
    stop = {"preStop": {"exec": {"command": ["touch", "/shared/stopped"]}}}
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    space.core.create_namespaced_persistent_volume_claim(
        space.name, {"metadata": {"name": "c"}, "spec": claim}
    )
    volume = {"volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "c"}}]}
    space.deploy("d", pod=volume, command=python(code), lifecycle=stop, volumeMounts=mounts)
    space.available("d", 1)
    name = space.pods("d")[0].metadata.name
    log = wait_for("its log", lambda: space.core.read_namespaced_pod_log(name, space.name))
    assert log == "begun\n"
    stream = space.core.read_namespaced_pod_log(name, space.name, follow=True, _preload_content=False)
    space.core.delete_namespaced_pod(name, space.name)
    assert space.core.read_namespaced_pod(name, space.name).metadata.deletion_timestamp
    wait_for("it to be gone", lambda: name not in [pod.metadata.name for pod in space.pods("d")])
    assert stream.data.decode().splitlines() == ["begun", "ending", "ended"]
    space.available("d", 1)  # another one, with the same volume
    looks = ["sh", "-c", "ls /shared; sleep 1000"]
    space.deploy("looks", pod=volume, command=looks, volumeMounts=mounts)
    pod = space.pod("looks", lambda pod: pod.status.phase == "Running")
    seen = wait_for("what it sees", lambda: space.core.read_namespaced_pod_log(pod.metadata.name, space.name))
    assert seen == "stopped\n"


def test_a_grace_that_is_made_shorter_cuts_the_pause_before_the_end(space: Namespace) -> None:
    """The kubelet leaves two seconds to whom it has told to end, whatever became of the grace."""
    code = """
import signal, sys, time
def end(*_):
    print("ending", flush=True); time.sleep(0.3); print("ended", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
while True: time.sleep(0.01)
"""
    body = deployment("d", 1, command=python(code), lifecycle={"preStop": {"sleep": {"seconds": 60}}})
    pod = {"metadata": {"name": "d"}, "spec": body["spec"]["template"]["spec"]}
    pod["spec"]["terminationGracePeriodSeconds"] = 90
    space.core.create_namespaced_pod(space.name, pod)

    def log() -> str:
        try:
            return str(space.core.read_namespaced_pod_log("d", space.name))
        except ApiException:  # it has not begun yet
            return ""

    wait_for("its log", log)
    stream = space.core.read_namespaced_pod_log("d", space.name, follow=True, _preload_content=False)
    space.core.delete_namespaced_pod("d", space.name)
    wait_for("its pause to begin", lambda: space.events("Killing"))
    space.core.delete_namespaced_pod("d", space.name, grace_period_seconds=1)
    wait_for("it to be gone", lambda: not space.core.list_namespaced_pod(space.name).items)
    assert stream.data.decode().splitlines() == ["begun", "ending", "ended"]


def test_what_a_container_is_told(space: Namespace) -> None:
    space.core.create_namespaced_config_map(
        space.name, {"metadata": {"name": "m"}, "data": {"a": "from a map"}}
    )
    env: list[Object] = [
        {"name": "PLAIN", "value": "x"},
        {"name": "MADE", "value": "$(PLAIN)y $(UNKNOWN)"},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "a"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    code = "import os, sys, json; print(json.dumps([dict(os.environ), open(sys.argv[1]).read()]), flush=True)"
    volumes = {"volumes": [{"name": "keys", "secret": {"secretName": "s"}}]}
    mounts = [{"name": "keys", "mountPath": "/etc/keys", "readOnly": True}]
    words = [*python(code + "; import time; time.sleep(1000)"), "/etc/keys/k"]
    space.deploy("d", pod=volumes, command=words, env=env, volumeMounts=mounts)
    wait_for("the Secret to be missed", lambda: space.events("FailedMount"))
    space.core.create_namespaced_secret(space.name, {"metadata": {"name": "s"}, "stringData": {"k": "hush"}})
    space.available("d", 1)
    pod = space.pods("d")[0]
    said = wait_for("its word", lambda: space.core.read_namespaced_pod_log(pod.metadata.name, space.name))
    told, file = json.loads(said)
    assert file == "hush"
    wanted = {"PLAIN": "x", "MADE": "xy $(UNKNOWN)", "MAP": "from a map", "SECRET": "hush"}
    assert wanted | {"IP": pod.status.pod_ip, "WHO": pod.metadata.name} == {
        name: told[name] for name in (*wanted, "IP", "WHO")
    }


def test_a_container_waits_for_the_secret_in_its_environment(space: Namespace) -> None:
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    space.deploy("d", env=env)

    def waiting(pod: Any) -> bool:
        return state(pod).waiting is not None and state(pod).waiting.reason == "CreateContainerConfigError"

    assert state(space.pod("d", waiting)).waiting.message == 'secret "s" not found'
    space.core.create_namespaced_secret(space.name, {"metadata": {"name": "s"}, "stringData": {"k": "hush"}})
    space.available("d", 1)


def test_a_readiness_gate_is_opened_by_somebody_else(space: Namespace) -> None:
    space.deploy("d", pod={"readinessGates": [{"conditionType": "example.org/warm"}]})

    pod = space.pod("d", lambda pod: conditions(pod).get("ContainersReady") == "True")
    assert conditions(pod)["Ready"] == "False"
    body = {"status": {"conditions": [{"type": "example.org/warm", "status": "True"}]}}
    space.core.patch_namespaced_pod_status(pod.metadata.name, space.name, body)
    space.available("d", 1)


@pytest.mark.slow
def test_a_rolling_update_never_has_too_few(space: Namespace) -> None:
    space.deploy("web", 3, command=python(SERVER), readinessProbe=PROBE)
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    strategy = {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    space.apps.patch_namespaced_deployment("web", space.name, {"spec": strategy})
    space.available("web", 3)
    before = {pod.metadata.name for pod in space.pods("web")}
    template = {"spec": {"containers": [{"name": "main", "image": "any:2"}]}}
    space.apps.patch_namespaced_deployment("web", space.name, {"spec": {"template": template}})

    def look() -> bool:
        pods = [pod for pod in space.pods("web") if pod.metadata.deletion_timestamp is None]
        ready = [
            pod
            for pod in pods
            if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)
        ]
        assert len(ready) >= 3
        assert len(pods) <= 4
        return {pod.spec.containers[0].image for pod in pods} == {"any:2"} and len(ready) == 3

    wait_for("the update", look)
    assert not before & {
        pod.metadata.name for pod in space.pods("web") if not pod.metadata.deletion_timestamp
    }
    sets = space.apps.list_namespaced_replica_set(space.name).items
    assert sorted(each.spec.replicas for each in sets) == [0, 3]


def test_recreate_has_never_two_at_a_time(space: Namespace) -> None:
    body = deployment("d", 1)
    body["spec"]["strategy"] = {"type": "Recreate"}
    space.apps.create_namespaced_deployment(space.name, body)
    space.available("d", 1)
    first = space.pods("d")[0].metadata.name
    template = {"spec": {"containers": [{"name": "main", "image": "any:2"}]}}
    space.apps.patch_namespaced_deployment("d", space.name, {"spec": {"template": template}})

    def look() -> bool:
        pods = space.pods("d")
        assert len(pods) <= 1
        return bool(pods and pods[0].metadata.name != first and pods[0].status.phase == "Running")

    wait_for("the other one", look)


def test_what_belongs_to_something_goes_with_it(space: Namespace) -> None:
    space.deploy("d", 1)
    made = space.apps.read_namespaced_deployment("d", space.name)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": made.metadata.uid}
    secret = {"metadata": {"name": "s", "ownerReferences": [reference]}}
    space.core.create_namespaced_secret(space.name, secret)
    space.apps.delete_namespaced_deployment("d", space.name)
    wait_for("its pods to be gone", lambda: not space.pods("d"))
    wait_for("its Secret to be gone", lambda: not space.core.list_namespaced_secret(space.name).items)


@pytest.mark.slow
def test_a_service_account_may_do_what_its_roles_say(space: Namespace) -> None:
    code = """
import json, time
from kubernetes import client, config
config.load_incluster_config()
core = client.CoreV1Api()
found = [len(core.list_namespaced_pod(NAMESPACE).items)]
try:
    core.list_namespaced_secret(NAMESPACE)
except client.ApiException as error:
    found.append(json.loads(error.body)["message"])
print(json.dumps(found), flush=True)
time.sleep(1000)
""".replace("NAMESPACE", repr(space.name))
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    space.rbac.create_namespaced_role(space.name, {"metadata": {"name": "r"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": space.name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": [subject]}
    space.rbac.create_namespaced_role_binding(space.name, binding)
    space.core.create_namespaced_service_account(space.name, {"metadata": {"name": "robot"}})
    space.deploy("d", pod={"serviceAccountName": "robot"}, command=python(code))
    pod = space.pod("d", lambda pod: pod.status.phase == "Running")
    said = wait_for("its word", lambda: space.core.read_namespaced_pod_log(pod.metadata.name, space.name))
    count, refusal = json.loads(said)
    user = f"system:serviceaccount:{space.name}:robot"
    assert count == 1
    assert refusal == (
        f'secrets "" is forbidden: User "{user}" cannot list resource "secrets" in API group "" in the '
        f'namespace "{space.name}"'
    )
    asked = [(one.verb, one.resource) for one in space.k8s.requests if one.user == user]
    assert asked == [("list", "pods"), ("list", "secrets")]


def test_port_forward_and_proxy(space: Namespace) -> None:
    space.deploy("web", command=python(SERVER), readinessProbe=PROBE)
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}
    space.core.create_namespaced_service(space.name, {"metadata": {"name": "web"}, "spec": spec})
    space.available("web", 1)
    name = space.pods("web")[0].metadata.name
    forwarding = portforward(
        space.core.connect_get_namespaced_pod_portforward, name, space.name, ports="8000"
    )
    stream = forwarding.socket(8000)
    stream.sendall(b"GET / HTTP/1.0\r\nAuthorization: Bearer mine\r\n\r\n")
    answer = b""
    while piece := stream.recv(4096):
        answer += piece
    forwarding.close()
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"pod": name, "authorization": "Bearer mine"}
    path = f"/api/v1/namespaces/{space.name}/services/web:http/proxy/"
    assert request(space.k8s, "GET", path, None, {}) == {"pod": name, "authorization": None}
    refusing = portforward(space.core.connect_get_namespaced_pod_portforward, name, space.name, ports="9")
    wait_for("the refusal", lambda: "failed to connect to localhost:9" in (refusing.error(9) or ""))
    refusing.close()


@pytest.mark.slow
def test_a_budget_holds_evictions_up_and_a_drained_node_is_empty(space: Namespace) -> None:
    space.deploy("web", 2, command=python(SERVER), readinessProbe=PROBE)
    space.available("web", 2)
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    space.policy.create_namespaced_pod_disruption_budget(
        space.name, {"metadata": {"name": "b"}, "spec": budget}
    )
    pod = space.pods("web")[0]
    eviction = {"metadata": {"name": pod.metadata.name}}

    def evict() -> object:
        return space.core.create_namespaced_pod_eviction(pod.metadata.name, space.name, eviction)

    code, reason, message = refused(evict)
    assert (code, reason) == (429, "TooManyRequests")
    assert "The disruption budget b needs 2 healthy pods and has 2 currently" in message
    with pytest.raises(TimeoutError):
        space.k8s.drain(pod.spec.node_name, timeout_s=0.5)
    budget["minAvailable"] = 1
    space.policy.patch_namespaced_pod_disruption_budget("b", space.name, {"spec": {"minAvailable": 1}})
    space.k8s.drain(pod.spec.node_name)
    try:
        space.available("web", 2)
        assert pod.spec.node_name not in {each.spec.node_name for each in space.pods("web")}
        assert space.core.read_node(pod.spec.node_name).spec.unschedulable
    finally:
        space.k8s.restore(pod.spec.node_name)


def test_a_lost_node_is_told_and_its_pods_run_elsewhere(space: Namespace) -> None:
    space.deploy("d", 2)
    space.available("d", 2)
    pod = space.pods("d")[0]
    node, process = pod.spec.node_name, psutil.Process(space.k8s.pid(space.name, pod.metadata.name))
    space.k8s.lose(node, evict_after_s=0.2)
    try:
        wait_for("the process to be gone", lambda: not process.is_running())
        condition = space.core.read_node(node).status.conditions[0]
        assert (condition.status, condition.reason) == ("Unknown", "NodeStatusUnknown")
        space.available("d", 2)
        lost = space.core.read_namespaced_pod(pod.metadata.name, space.name)
        assert lost.status.reason == "NodeLost"
        assert lost.metadata.deletion_timestamp
    finally:
        space.k8s.restore(node)
    wait_for(
        "it to be gone", lambda: pod.metadata.name not in [each.metadata.name for each in space.pods("d")]
    )


def test_a_pod_is_evicted_where_its_node_is_short_of_memory(space: Namespace) -> None:
    space.deploy("d")
    space.available("d", 1)
    name = space.pods("d")[0].metadata.name
    space.k8s.evict_for_pressure(space.name, name)
    wait_for(
        "the eviction", lambda: space.core.read_namespaced_pod(name, space.name).status.reason == "Evicted"
    )
    wait_for("another one", lambda: len([p for p in space.pods("d") if p.status.phase == "Running"]) == 1)


def test_a_pod_with_a_higher_priority_takes_the_room_of_others(space: Namespace) -> None:
    scheduling: Any = client.SchedulingV1Api(space.core.api_client)
    scheduling.create_priority_class({"metadata": {"name": "urgent"}, "value": 1000})
    here = {"nodeSelector": {"kubernetes.io/hostname": "node-a"}}
    cpus = {"requests": {"cpu": "5"}}
    space.deploy("low", pod=here, resources=cpus)
    space.available("low", 1)
    victim = space.pods("low")[0].metadata.name
    space.deploy("high", pod={**here, "priorityClassName": "urgent"}, resources=cpus)
    try:
        space.available("high", 1)
        assert space.events("Preempted")
        assert victim not in [pod.metadata.name for pod in space.pods("low")]
        wait_for("the other one to wait", lambda: "Insufficient cpu" in _why_not(space.pods("low")[0]))
        code, _, message = refused(
            lambda: space.core.create_namespaced_pod(
                space.name,
                {
                    "metadata": {"name": "p"},
                    "spec": {"priorityClassName": "no", "containers": [{"name": "c", "image": "x:1"}]},
                },
            )
        )
        assert (code, "no PriorityClass" in message) == (403, True)
    finally:
        scheduling.delete_priority_class("urgent")


def test_an_autoscaler_decides_by_the_cpu_that_the_test_names(space: Namespace) -> None:
    scaling: Any = client.AutoscalingV2Api(space.core.api_client)
    space.deploy("d", 2, resources={"requests": {"cpu": "500m"}})
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    scaling.create_namespaced_horizontal_pod_autoscaler(space.name, {"metadata": {"name": "d"}, "spec": spec})

    def condition(kind: str) -> str:
        found = scaling.read_namespaced_horizontal_pod_autoscaler("d", space.name)
        conditions = (found.status.conditions or []) if found.status else []
        return next((f"{c.status} {c.reason}" for c in conditions if c.type == kind), "")

    wait_for("why it does nothing", lambda: condition("ScalingActive") == "False FailedGetResourceMetric")
    try:
        for cpus, count, limited in (
            (0.7, 3, "False DesiredWithinRange"),
            (8.0, 4, "True TooManyReplicas"),
            (0.0, 1, "True TooFewReplicas"),
        ):
            space.k8s.uses(space.name, "d", cpus)
            space.available("d", count)
            wait_for("its limits", lambda limited=limited: condition("ScalingLimited") == limited)  # type: ignore[misc]
    finally:
        space.k8s.uses(space.name, "d", None)


def test_a_restricted_namespace_takes_no_careless_pods(space: Namespace) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    space.core.patch_namespace(space.name, {"metadata": {"labels": labels}})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x", "command": SLEEP}]}}
    code, reason, message = refused(lambda: space.core.create_namespaced_pod(space.name, pod))
    assert (code, reason) == (403, "Forbidden")
    assert 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in message
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod["spec"]["containers"][0]["securityContext"] = own  # type: ignore[index]
    pod["spec"]["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}  # type: ignore[index]
    space.core.create_namespaced_pod(space.name, pod)


def test_a_node_port_leads_to_the_pods(space: Namespace) -> None:
    space.deploy("web", command=python(SERVER), readinessProbe=PROBE)
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}
    made = space.core.create_namespaced_service(space.name, {"metadata": {"name": "web"}, "spec": spec})
    port = made.spec.ports[0].node_port
    space.available("web", 1)

    def answers() -> bool:
        try:
            return (
                httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False, verify=False, timeout=60).status_code
                == 200
            )
        except httpx2.TransportError:
            return False

    wait_for("an answer at the node's port", answers)


def test_a_pod_that_is_about_to_end_gets_no_new_connection_while_it_still_serves(space: Namespace) -> None:
    pause = {"preStop": {"sleep": {"seconds": 60}}}
    whole = {"terminationGracePeriodSeconds": 90}
    space.deploy("web", 2, whole, command=python(SERVER), readinessProbe=PROBE, lifecycle=pause)
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}
    made = space.core.create_namespaced_service(space.name, {"metadata": {"name": "web"}, "spec": spec})
    space.available("web", 2)
    url = f"http://127.0.0.1:{made.spec.ports[0].node_port}/"

    def who() -> str:
        return str(httpx2.get(url, trust_env=False, timeout=60).json()["pod"])

    names = {pod.metadata.name for pod in space.pods("web")}
    wait_for("answers of both", lambda: {who() for _ in range(10)} == names)
    gone = min(names)
    pod = next(pod for pod in space.pods("web") if pod.metadata.name == gone)
    space.core.delete_namespaced_pod(gone, space.name)
    wait_for("its pause to begin", lambda: space.events("Killing"))
    assert gone not in {who() for _ in range(20)}
    assert httpx2.get(f"http://{pod.status.pod_ip}:8000/", trust_env=False, timeout=60).json()["pod"] == gone
    space.apps.patch_namespaced_deployment_scale("web", space.name, {"spec": {"replicas": 0}})
    wait_for("both to end", lambda: all(pod.metadata.deletion_timestamp for pod in space.pods("web")))
    for each in space.pods("web"):
        space.core.delete_namespaced_pod(each.metadata.name, space.name, grace_period_seconds=0)


def test_no_two_have_one_part_of_the_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    one = Network(tmp_path, dns=False)
    _, first, second, _ = map(int, one.api_address.split("."))
    by_chance, drawn = random.randrange, [second, first - 120]
    monkeypatch.setattr(random, "randrange", lambda *of: drawn.pop() if drawn else by_chance(*of))
    other = Network(tmp_path / "other", dns=False)
    try:
        assert not drawn
        assert one.api_address != other.api_address
    finally:
        one.close()
        other.close()


@pytest.mark.anyio
async def test_what_a_pod_said_arrives_though_it_broke_the_connection_off(tmp_path: Path) -> None:
    network = Network(tmp_path, dns=False)
    place = network.service_address(), 8000
    with socket.create_server((network.pod_address(), 8000)) as server:
        server.setblocking(False)
        await network.forward({place: [server.getsockname()]})
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"what it does not read, so that it ends with a reset")
        pod, _ = await loop.sock_accept(server)
        await loop.sock_recv(pod, 1)
        pod.sendall(b"its answer")
        pod.close()
        assert await asyncio.wait_for(reader.read(), 60) == b"its answer"
        writer.close()
        network.close()


def test_nothing_that_ran_is_left() -> None:
    with StandIn() as k8s:
        found = connect(k8s)
        apps: Any = client.AppsV1Api(found)
        apps.create_namespaced_deployment("default", deployment("d", 2))
        core: Any = client.CoreV1Api(found)
        wait_for(
            "two pods",
            lambda: (
                [pod.status.phase for pod in core.list_namespaced_pod("default").items] == ["Running"] * 2
            ),
        )
        pids = [k8s.pid("default", pod.metadata.name) for pod in core.list_namespaced_pod("default").items]
        found.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not k8s.folder.exists()


def test_a_cluster_with_nothing_to_do_costs_next_to_nothing(k8s: StandIn) -> None:
    began, cpu = time.monotonic(), time.process_time()
    wait_for("a second", lambda: time.monotonic() - began > 1)
    assert time.process_time() - cpu < 0.5
