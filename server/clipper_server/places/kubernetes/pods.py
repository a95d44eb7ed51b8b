"""What the status of a pod or Deployment means: ends, and troubles, in sentences with advice.

Everything here is a function of objects as the API server has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from clipper_container import words
from clipper_container.limits import out_of_memory

from .. import Kind, Status, Trouble
from . import packages
from .deployments import CONTAINER, DIGEST, MODEL, VERSION
from .manifests import COMPONENT

Object = dict[str, Any]
_PULL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_CANNOT_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CREATING = ("ContainerCreating", "PodInitializing")
_STUCK = {
    "FailedCreatePodSandBox": "The network or the container runtime of that node is at fault.",
    "NetworkNotReady": "The network of that node is at fault.",
    "FailedMount": "See that the volume is there, and that the node reaches it.",
    "FailedAttachVolume": "See that no other node has the volume.",
}
WARNINGS = "type=Warning,involvedObject.kind=Pod"
"""The field selector of the events that troubles() reads."""
_LONGEST = 300  # characters of what an event says
_PUT_OFF = ("CrashLoopBackOff", *_PULL, *_CANNOT_START)
_LOOP = 3  # ends, and Kubernetes waits before it starts it again: it does nothing but end
_DISRUPTIONS = {
    "EvictionByEvictionAPI": ("somebody drains its node", "With a second replica no query fails for it."),
    "PreemptionByScheduler": (
        "a pod with a higher priority needs its room",
        "Ask for less in resources=, or add a node, where it finds none.",
    ),
    "DeletionByTaintManager": (
        "its node does not answer, or is tainted",
        "`kubectl delete node` forgets a node that will not come back.",
    ),
    "TerminationByKubelet": (
        "its node has too little memory or disk, or shuts down",
        "Say in resources= what it needs, so that it gets a node that has it.",
    ),
    "DeletionByPodGC": ("its node is gone", "Add a node, where it finds no other."),
}


def kind(pod: Object) -> Kind | None:
    """None for management's own pod."""
    component = pod["metadata"]["labels"].get(COMPONENT)
    return {"query": "query", "model": "replica"}.get(component)  # type: ignore[return-value]


def subject(pod: Object) -> dict[str, str]:
    """Of a replica: what events about it have."""
    labels = pod["metadata"]["labels"]
    if MODEL not in labels:
        return {}
    return {"model": labels[MODEL], "version": labels[VERSION], "replica": pod["metadata"]["name"]}


def stopping(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def address(pod: Object) -> str:
    """Its address, as long as it has one of its own; "" otherwise."""
    return "" if stopping(pod) or has_ended(pod) else str(pod["status"].get("podIP", ""))


def has_ended(pod: Object) -> bool:
    """As a whole: its containers are not started again."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def ends(pod: Object) -> int:
    """How often its container has ended so far.

    Restarts are counted when they happen: while Kubernetes puts one off, for up to five minutes, there is one
    end more.
    """
    found = _container(pod)
    state = found.get("state", {})
    put_off = state.get("waiting", {}).get("reason") in _PUT_OFF and "terminated" in found.get(
        "lastState", {}
    )
    return int(found.get("restartCount", 0)) + ("terminated" in state or put_off)


def last_end(pod: Object) -> tuple[int, str]:
    """The exit code, and the last words, of its container when it last ended, or of the pod as a whole."""
    found = _container(pod)
    end = found.get("state", {}).get("terminated") or found.get("lastState", {}).get("terminated")
    if pod["status"].get("reason") == "Evicted":
        return -1, _evicted(pod)
    if end is None:
        return -1, pod["status"].get("message") or disruption(pod) or words.NONE
    if end.get("reason") == "OOMKilled":
        return int(end["exitCode"]), out_of_memory(_memory(pod))
    return int(end["exitCode"]), end.get("message", "").strip() or words.NONE


def disruption(pod: Object) -> str:
    """Why the cluster, and not Clipper Lab, ends this pod; "" where it does not."""
    found = condition(pod, "DisruptionTarget")
    if found.get("status") != "True":
        return ""
    why, advice = _DISRUPTIONS.get(
        found.get("reason", ""), (found.get("message", "the cluster wants it to"), "")
    )
    return f"It ends on {_node(pod)}, because {why}. Another one takes its place. {advice}".rstrip()


def troubles(pod: Object, warnings: Iterable[Object] = ()) -> list[Trouble]:
    """What is wrong with it now. `warnings` are Kubernetes' events of that type, about any pods."""
    whose = subject(pod)
    if whose:
        who = f"{whose['model']}:{whose['version']}"
    else:
        who = "A query frontend" if kind(pod) else "Management"
    found: list[Trouble] = []
    if why := disruption(pod):
        found.append(Trouble(f"{who}, pod {pod['metadata']['name']}: {why}", whose))
        return found
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        found.append(Trouble(f"{who} waits for a node: {_unschedulable(scheduled['message'])}", whose))
    if is_lost(pod):
        found.append(
            Trouble(
                f"{who}, pod {pod['metadata']['name']}: {_node(pod)} does not answer. Its pods are replaced "
                "on other nodes when Kubernetes has given it up for half a minute; "
                f"`kubectl delete node` does that at once, and `kubectl describe {_node(pod)}` tells more.",
                whose,
            )
        )
    if looping := _looping(pod, who, whose):
        found.append(looping)
    if not stopping(pod) and not has_ended(pod) and (why := packages.failure(pod)):
        found.append(Trouble(f"{who} does not begin on {_node(pod)}: {why}", whose, hopeless=True))
    waiting = (packages.status(pod) or _container(pod)).get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _CREATING and (why := _stuck(pod, warnings)):
        found.append(Trouble(f"{who} does not begin on {_node(pod)}: {why}", whose))
    if reason in _PULL:
        found.append(Trouble(f"{who}: {_pull(pod, message)}", whose, hopeless=reason != "ErrImagePull"))
    elif reason in _CANNOT_START:
        found.append(
            Trouble(
                f"{who} cannot be started on {_node(pod)}: {message or reason}.".replace("..", "."), whose
            )
        )
    return found


def _stuck(pod: Object, warnings: Iterable[Object]) -> str:
    """Why its container is not made, which only events tell; "" for what happened once and may be over."""
    about = [
        event
        for event in warnings
        if event["involvedObject"].get("uid") == pod["metadata"]["uid"] and event["reason"] in _STUCK
    ]
    if sum(event.get("count") or 1 for event in about) < 2:
        return ""
    last = max(about, key=lambda event: event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
    said = re.sub(r'"?\b[0-9a-f]{32,64}\b"?', "...", last["message"])  # another one each time
    said = said.removeprefix("(combined from similar events): ")[:_LONGEST].rstrip(".")
    name = pod["metadata"]["name"]
    return f"{said}. {_STUCK[last['reason']]} `kubectl describe pod {name}` tells more."


def _looping(pod: Object, who: str, whose: dict[str, str]) -> Trouble | None:
    """For Kubernetes' pauses, up to five minutes, are longer than any that we would take for a loop."""
    waiting = _container(pod).get("state", {}).get("waiting", {})
    if waiting.get("reason") != "CrashLoopBackOff" or ends(pod) < _LOOP:
        return None
    advice = "rollback() goes back to the version before." if whose else "`clipperlab logs` has more of them."
    return Trouble(
        f"{who}, pod {pod['metadata']['name']}, ends again and again, and Kubernetes starts it ever less "
        f"often, up to five minutes apart. Its last words tell why; {advice}",
        whose,
        last_words=last_end(pod)[1],
    )


def deployment_troubles(deployment: Object, its_pods: Iterable[Object]) -> list[Trouble]:
    """Why pods of it are not even made: a quota, a limit range, a policy.

    `its_pods` may be any pods, and those that are its own count. Its status lags behind them: a version that
    has all that it wants has no such trouble, whatever its condition says still.
    """
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") != "True" or _has_its_pods(deployment, its_pods):
        return []
    labels = deployment["metadata"]["labels"]
    if MODEL in labels:
        whose = {"model": labels[MODEL], "version": labels[VERSION]}
        who = f"{labels[MODEL]}:{labels[VERSION]}"
    else:
        whose, who = {}, f"The {deployment['metadata']['name']} Deployment"
    message = failure.get("message", "")
    if quota := re.search(r"exceeded quota: (.*)", message):
        advice = (
            f"the namespace's quota does not allow another pod ({quota[1]}). Ask for less "
            "(resources=, or fewer replicas), or have the quota raised."
        )
    elif "must specify" in message:
        quota_wants = message.rpartition("must specify")[2].strip()
        advice = (
            f"the namespace's quota wants every pod to say what it needs: {quota_wants}. "
            'Deploy it with resources={"cpus": 1, "memory": "1Gi"}.'
        )
    else:
        advice = f"the cluster refuses its pods: {message}"
    return [Trouble(f"{who} gets no more pods: {advice}", whose)]


def _has_its_pods(deployment: Object, its_pods: Iterable[Object]) -> bool:
    """Whether as many as it wants are there, by its template as it is now. Not where nobody can tell."""
    spec = deployment["spec"]
    if DIGEST not in (spec["template"]["metadata"].get("annotations") or {}):
        return False
    made = [p for p in its_pods if not stopping(p) and not has_ended(p) and _is_made_by(spec["template"], p)]
    return len(made) >= int(spec["replicas"])


def _is_made_by(template: Object, pod: Object) -> bool:
    """A pod has all the labels and annotations of the template that made it, and more."""
    return all(
        (template["metadata"].get(kind) or {}).items() <= (pod["metadata"].get(kind) or {}).items()
        for kind in ("labels", "annotations")
    )


def is_lost(pod: Object) -> bool:
    """Its node has not been heard of: Ready is taken away from outside, and all the rest stays as it was.

    A kubelet that takes it away says why, in the condition's reason.
    """
    ready, containers = condition(pod, "Ready"), condition(pod, "ContainersReady")
    if pod["status"].get("reason") == "NodeLost" or ready.get("reason") == "NodeStatusUnknown":
        return True
    unready = ready.get("status") == "False" and not ready.get("reason")
    return unready and containers.get("status") == "True" and not stopping(pod)


def condition(of: Object, type_: str) -> Object:
    """{} where it has none of the type."""
    conditions: list[Object] = of["status"].get("conditions") or []
    return next((found for found in conditions if found["type"] == type_), {})


def status(pod: Object, name: str, labels: dict[str, str]) -> Status | None:
    """While it runs, or is about to."""
    of_kind = kind(pod)
    if of_kind is None or has_ended(pod):
        return None
    return Status(name, of_kind, labels, 0, None, "", stopping(pod))


def _container(pod: Object) -> Object:
    statuses: list[Object] = pod["status"].get("containerStatuses") or [{}]
    return statuses[0]


def _node(pod: Object) -> str:
    name = pod["spec"].get("nodeName")
    return f"node {name}" if name else "a node"


def _memory(pod: Object) -> int | None:
    """The limit of its container, in bytes, as management wrote it."""
    limit = pod["spec"]["containers"][0].get("resources", {}).get("limits", {}).get("memory", "")
    if pod["spec"]["containers"][0]["name"] != CONTAINER or not limit.isdecimal():
        return None
    return int(limit)


def _evicted(pod: Object) -> str:
    """From the kubelet's "The node was low on resource: ..." or "Usage of EmptyDir volume ... exceeds"."""
    said = pod["status"].get("message", "").strip()
    said = f"{said.rstrip('.')}." if said else "No reason was given."
    if "shared-memory" in said:
        advice = 'Give it more shared memory (resources={"shared_memory": "2Gi"}).'
    elif f'"{packages.INSTALLER}" exceeds' in said:
        advice = (
            f"Packages have {packages.LIMIT_GIB} GiB: `build_model(..., pkgs_to_install=[...])` makes an "
            "image with them."
        )
    elif "exceeds the" in said:
        advice = "A replica has 1 GiB in /tmp: have the model write less."
    elif "ephemeral-storage" in said or "disk" in said.lower() or "inodes" in said:
        advice = (
            "The disk of that node is full: remove what nobody needs from it, or add a node "
            '(resources={"node_selector": ...} chooses one).'
        )
    else:
        advice = (
            'Say how much memory it needs (resources={"memory": "2Gi"}), so that it gets a node that has it.'
        )
    return f"It was evicted from {_node(pod)}: {said} {advice}"


def _unschedulable(message: str) -> str:
    """From the scheduler's "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 ..."."""
    reasons = message.partition(" preemption:")[0].rstrip(". ")
    told, advice = reasons, []
    if gpu := re.search(r"(\d+) Insufficient (\S+/\S+?)[,.]?($| )", reasons):
        nodes = re.match(r"0/(\d+) nodes", reasons)
        total = int(nodes[1] if nodes else gpu[1])
        kind_of = "GPU" if gpu[2] == "nvidia.com/gpu" else gpu[2]
        told = f"{'1 node' if total == 1 else f'{total} nodes'}, 0 with a free {kind_of} ({reasons})"
        advice.append("Add a node that has one, or ask for less in resources=")
    elif "Insufficient" in reasons:
        advice.append("Ask for less in resources=, stop what nobody needs, or add a node")
    if "node selector" in reasons or "affinity" in reasons:
        advice.append(
            "No node has the labels of its node_selector: `kubectl get nodes --show-labels` lists them"
        )
    if "untolerated taint" in reasons:
        advice.append("With tolerations in resources= it may run on a tainted node")
    if "unschedulable" in reasons:
        advice.append("`kubectl uncordon` opens a node that was closed")
    if "persistentvolumeclaim" in reasons.lower():
        advice.append("`kubectl get pvc` tells why its volume is not there")
    advice = advice or ["It starts when one has room"]
    return ". ".join([told, *advice]) + "."


def _pull(pod: Object, message: str) -> str:
    image = pod["spec"]["containers"][0]["image"]
    # Alike while it is tried, and while that is put off.
    why = re.sub(r'^Back-off pulling image "[^"]*"(: )?(ErrImagePull: )?', "", message)
    why = why.rpartition("desc = ")[2].rstrip(".")
    return (
        f"its image {image} cannot be pulled to {_node(pod)}: {why or 'no reason was given'}. "
        "`clipperlab images build --registry R --push` builds Clipper Lab's own, and "
        "KubernetesContainerManager(registry=R) uses them (on kind: `kind load docker-image`). Where the "
        "registry wants a password, name a secret in image_pull_secrets."
    )
