"""What the status of pods and Deployments means, in sentences with advice; as the API server words it."""

from __future__ import annotations

from typing import Any

import pytest

from clipper_server.places import Trouble
from clipper_server.places.kubernetes import pods

MODEL_1 = {"clipperlab.org/model": "m", "clipperlab.org/version": "1"}
WHOSE = {"model": "m", "version": "1", "replica": "m-1-abc"}


def replica(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/component": "model",
        "clipperlab.org/model": "m",
        "clipperlab.org/version": "1",
    }
    container = {
        "name": "model",
        "image": "clipper-python:1",
        "resources": {"limits": {"memory": "536870912"}},
    }
    return {
        "metadata": {"name": "m-1-abc", "uid": "u", "labels": labels},
        "spec": {"nodeName": "node-a", "containers": [container], **spec},
        "status": {"phase": "Running", **status},
    }


def one(pod: dict[str, Any]) -> Trouble:
    (trouble,) = pods.troubles(pod)
    assert trouble.subject == WHOSE
    return trouble


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available.",
            "2 nodes, 0 with a free GPU",
        ),
        (
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint {a: }.",
            "ask for less in resources=. With tolerations in resources= it may run on a tainted node.",
        ),
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", "1 node, 0 with a free GPU"),
        ("0/1 nodes are available: 1 node(s) were unschedulable.", "`kubectl uncordon`"),
        (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            "`kubectl get pvc`",
        ),
        ("0/3 nodes are available: 3 Insufficient google.com/tpu.", "3 nodes, 0 with a free google.com/tpu"),
        (
            "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {a: b}.",
            "Ask for less",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            "labels of its node_selector",
        ),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {x: }.", "tolerations in resources="),
        ("0/1 nodes are available: 1 too busy.", "It starts when one has room"),
    ],
)
def test_why_no_node_takes_it(message: str, expected: str) -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    trouble = one(replica({"phase": "Pending", "conditions": [scheduled]}))
    assert trouble.text.startswith("m:1 waits for a node: ")
    assert expected in trouble.text
    assert not trouble.hopeless  # a node may come


@pytest.mark.parametrize(
    ("reason", "hopeless"), [("ErrImagePull", False), ("ImagePullBackOff", True), ("InvalidImageName", True)]
)
def test_why_its_image_is_not_there(reason: str, hopeless: bool) -> None:
    waiting = {"reason": reason, "message": 'Back-off pulling image "x": not found'}
    trouble = one(replica({"containerStatuses": [{"restartCount": 0, "state": {"waiting": waiting}}]}))
    assert "image clipper-python:1 cannot be pulled to node node-a: not found." in trouble.text
    assert "images build --registry" in trouble.text
    assert trouble.hopeless == hopeless


def test_how_a_container_ended() -> None:
    def ended(**how: Any) -> dict[str, Any]:
        return replica(
            {"containerStatuses": [{"restartCount": 1, "state": {}, "lastState": {"terminated": how}}]}
        )

    assert pods.ends(ended(exitCode=1)) == 1
    assert pods.last_end(ended(exitCode=1, message="Traceback\n")) == (1, "Traceback")
    code, words = pods.last_end(ended(exitCode=137, reason="OOMKilled"))
    assert code == 137
    assert "more memory than the 512 MiB" in words


def test_an_image_that_is_not_there_is_told_in_the_same_words_whether_it_is_tried_or_put_off() -> None:
    said = "rpc error: code = NotFound desc = x: not found"
    texts = {
        one(replica({"containerStatuses": [{"state": {"waiting": waiting}}]})).text
        for waiting in (
            {"reason": "ErrImagePull", "message": said},
            {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "x": ErrImagePull: {said}'},
        )
    }
    assert len(texts) == 1
    assert "node-a: x: not found. " in texts.pop()


@pytest.mark.parametrize(("restarts", "loops"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_replica_that_kubernetes_puts_off_again_and_again_is_told_with_its_last_words(
    restarts: int, loops: bool
) -> None:
    container = {
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "boom"}},
    }
    pod = replica({"containerStatuses": [container]})
    assert pods.ends(pod) == restarts + 1  # although Kubernetes has not counted it so far
    found = pods.troubles(pod)
    assert [t.last_words for t in found] == (["boom"] if loops else [])
    assert all("up to five minutes apart" in t.text and "rollback()" in t.text for t in found)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("The node was low on resource: memory. Threshold quantity: 1Mi.", 'resources={"memory"'),
        ("The node was low on resource: ephemeral-storage.", "The disk of that node is full"),
        ('Usage of EmptyDir volume "scratch" exceeds the limit "1Gi".', "have the model write less"),
        ('Usage of EmptyDir volume "shared-memory" exceeds the limit "64Mi".', '"shared_memory"'),
    ],
)
def test_what_to_do_about_an_eviction(message: str, advice: str) -> None:
    _, words = pods.last_end(replica({"phase": "Failed", "reason": "Evicted", "message": message}))
    assert message in words
    assert advice in words


def test_an_evicted_pod_has_ended_and_says_why() -> None:
    pod = replica(
        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    )
    assert pods.has_ended(pod)
    assert pods.status(pod, "m.1.m-1-abc", WHOSE) is None
    assert "evicted from node node-a: The node was low on resource: memory." in pods.last_end(pod)[1]


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("EvictionByEvictionAPI", "somebody drains its node"),
        ("PreemptionByScheduler", "higher priority"),
        ("DeletionByTaintManager", "does not answer"),
        ("SomethingNew", "the message"),
    ],
)
def test_why_the_cluster_ends_a_pod(reason: str, why: str) -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "the message"}
    assert why in one(replica({"conditions": [target]})).text


def test_a_lost_node_is_known_by_what_it_does_not_say() -> None:
    def ready(status: str, reason: str = "") -> list[dict[str, str]]:
        why = {"reason": reason} if reason else {}
        return [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": status, **why}]

    assert pods.troubles(replica({"conditions": ready("True")})) == []
    assert pods.troubles(replica({"conditions": ready("False", "ReadinessGatesNotReady")})) == []
    assert "node node-a does not answer" in one(replica({"conditions": ready("False")})).text


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'pods "m" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4',
            "does not allow another pod (small, requested: pods=1, used: pods=4, limited: pods=4)",
        ),
        (
            'pods "m" is forbidden: failed quota: small: must specify limits.memory for: model',
            "limits.memory for: model. Deploy it with resources=",
        ),
        ('pods "m" is forbidden: violates PodSecurity "restricted:latest"', "the cluster refuses its pods"),
    ],
)
def test_why_pods_are_not_made(message: str, expected: str) -> None:
    deployment = failing(message)
    (trouble,) = pods.deployment_troubles(deployment, [])
    assert expected in trouble.text
    assert trouble.subject == {"model": "m", "version": "1"}
    assert pods.deployment_troubles({**deployment, "status": {}}, []) == []


def failing(message: str) -> dict[str, Any]:
    """A Deployment of two pods that says why it gets no more."""
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    of = {"labels": MODEL_1, "annotations": {"clipperlab.org/digest": "now"}}
    return {
        "metadata": {"name": "m-1-x", "labels": MODEL_1},
        "spec": {"replicas": 2, "template": {"metadata": of}},
        "status": {"conditions": [failure]},
    }


def made(*, digest: str = "now", stopping: bool = False, phase: str = "Running") -> dict[str, Any]:
    """A pod of that Deployment, by the template with that digest."""
    labels = {**MODEL_1, "pod-template-hash": "abc"}
    metadata = {"labels": labels, "annotations": {"clipperlab.org/digest": digest, "a-mesh": "x"}}
    ends = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if stopping else {}
    return {"metadata": {**metadata, **ends}, "status": {"phase": phase}}


def test_a_deployment_that_has_its_pods_gets_enough_whatever_its_condition_says_still() -> None:
    deployment, other = failing("exceeded quota: small"), made()
    other["metadata"]["labels"] = {**other["metadata"]["labels"], "clipperlab.org/version": "2"}
    assert pods.deployment_troubles(deployment, [made(), made()]) == []
    for not_one in (made(digest="before"), made(stopping=True), made(phase="Failed"), other):
        assert pods.deployment_troubles(deployment, [made(), not_one]), not_one
    del deployment["spec"]["template"]["metadata"]["annotations"]  # as of frontends: which template was it?
    assert pods.deployment_troubles(deployment, [made(), made()])


def sandbox_failed(number: int, **more: Any) -> dict[str, Any]:
    said = f'Failed to create pod sandbox: failed to start sandbox "{number:064x}": plugin failed (add).'
    return {
        "metadata": {"name": f"e{number}", "creationTimestamp": f"2026-01-01T00:00:{number:02}Z"},
        "involvedObject": {"uid": "u"},
        "reason": "FailedCreatePodSandBox",
        "message": said if number < 3 else f"(combined from similar events): {said}",
        **more,
    }


def test_why_a_container_is_not_made_is_in_events_alone() -> None:
    creating = {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
    once = sandbox_failed(1)
    others = [sandbox_failed(2, involvedObject={"uid": "other"}), sandbox_failed(2, reason="Unhealthy")]
    assert pods.troubles(replica(creating), [once, *others]) == []  # it may be over already
    (first,) = pods.troubles(replica(creating), [once, sandbox_failed(2)])
    assert "m:1 does not begin on node node-a: Failed to create pod sandbox" in first.text
    assert "plugin failed (add). The network or the container runtime" in first.text
    assert "kubectl describe pod m-1-abc" in first.text
    (later,) = pods.troubles(replica(creating), [sandbox_failed(3, count=7)])
    assert later == first  # told once, although each attempt has another number
    running: dict[str, Any] = {"containerStatuses": [{"state": {"running": {}}}]}
    assert pods.troubles(replica(running), [once, sandbox_failed(2)]) == []
