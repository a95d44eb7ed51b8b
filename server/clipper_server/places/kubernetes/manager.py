"""The container manager `kubernetes`: each model version is a Deployment in the cluster's namespace.

Kubernetes counts and restarts the pods; management says what is wanted, and tells what became of it. It knows
the world by watches, so that nothing is asked again and again. While the API server cannot be reached, what
was last seen holds, and nothing is changed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from clipper_container.errors import BadRequest, ClusterError, NotFound
from clipper_container.limits import MIB
from clipper_container.resources import Resources

from ...supervisor import Supervisor
from .. import Runtime, Spec, Status, Trouble, Wanted
from . import autoscalers, deployments, packages, pods
from .api_server import APIServer, Object, Refused, unreachable
from .logs import Logs
from .manifests import COMPONENT, Manifest
from .numbers import Numbers

LISTED_S = 10.0
PROGRESS_S = 1.0
WIRE_PORT = 7000
PROTOCOLS = "clipper-protocols"  # who owns their ports: whoever applies the rest leaves them alone
SMALLEST = 64 * MIB
OVER = math.inf  # ends of a pod that has ended as a whole, of which its container's is a part
LOST = Trouble(
    "This Kubernetes cluster has no default storage class: applications, models and versions are lost with "
    "management's pod, when its node is drained, say, or the cluster stopped. `kubectl get storageclass` "
    "tells which there are; with a default one, stop_all(purge=True) and start again.",
    {},
)
log = logging.getLogger(__name__)


class KubernetesContainerManager:
    """Pods of the namespace that this process, a pod of it, is in.

    `registry` is where Clipper Lab's images for models are. `keeps` says whether the state outlives the pod.
    """

    def __init__(self, namespace: str, registry: str, numbers: Numbers, *, keeps: bool) -> None:
        self._namespace = namespace
        self._keeps = keeps
        self._registry = registry
        self._numbers = numbers
        self._tasks: list[asyncio.Task[None]] = []
        self._server: APIServer
        self._noted: dict[str, float] | None = None  # ends of a pod's container that were told, by its uid
        self._ended: list[Object] = []  # pods that went between the last two polls
        self._gone: dict[str, Status] = {}  # and those that were not forgotten yet, by the status's name
        self._logs = Logs(self._log_name)
        self._installing: dict[tuple[str, str], str] = {}  # how far that is, by version
        self._refused: dict[str, Trouble] = {}  # what the API server does not take, by Deployment
        self._budgeted: set[str] = set()  # uids of Deployments that have their secret and budget

    def check(self, resources: Resources, runtime: Runtime) -> None:
        if resources.memory is not None and resources.memory < SMALLEST:
            raise BadRequest(f"memory: a replica needs at least {SMALLEST // MIB} MiB.")

    async def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        """The nodes pull what they lack, and pods install their packages."""

    async def start(self, spec: Spec) -> None:
        raise NotImplementedError("replicas on Kubernetes are wanted, and not started: see want()")

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        await self._connect()
        with suppress(NotFound):
            options = {"gracePeriodSeconds": 0} if at_once else {}
            await self._server.delete("Pod", self._pod(name), **options)

    async def poll(self) -> list[Status]:
        await self._connect()
        now = self._pods.objects
        if self._noted is None:  # what ended before this management began, the last one has told
            self._noted = {_uid(pod): pods.ends(pod) for pod in now.values()}
        self._ended = list(self._pods.gone)
        self._pods.gone.clear()
        for pod in self._ended:
            self._noted.pop(_uid(pod), None)
            if (old := self._status(pod)) is not None:
                code, words = (0, "") if pods.stopping(pod) else (-1, pods.last_end(pod)[1])
                why = pods.disruption(pod) or words or "It was deleted."
                self._gone[old.name] = Status(old.name, old.kind, old.labels, 0, code, why, stopping=True)
        statuses = list(self._gone.values())
        for pod in now.values():
            statuses += self._statuses(pod, self._noted)
        for status in statuses:
            if status.exit_code is not None and status.name not in self._gone:
                self._logs.ended(status)
        return statuses

    def _statuses(self, pod: Object, noted_ends: dict[str, float]) -> list[Status]:
        """Its container's last end, where that was not told yet, and that it runs."""
        ends = _ends(pod)
        noted = noted_ends.setdefault(_uid(pod), 0)
        found = []
        whose = self._name(pod)
        kind = pods.kind(pod)
        if whose is None or kind is None:
            return []
        name, labels = whose
        if ends > noted and not pods.stopping(pod):
            found.append(Status(name, kind, labels, 0, *pods.last_end(pod)))
        if (running := self._status(pod)) is not None:
            found.append(running)
        return found

    def _status(self, pod: Object) -> Status | None:
        whose = self._name(pod)
        return None if whose is None else pods.status(pod, *whose)

    def _name(self, pod: Object) -> tuple[str, dict[str, str]] | None:
        """The name and labels of its status; None where it has no number yet, or is management's own."""
        kind, name = pods.kind(pod), pod["metadata"]["name"]
        if kind == "replica":
            labels = pods.subject(pod)
            return f"{labels['model']}.{labels['version']}.{name}", labels
        number = self._numbers.find(name)
        if kind is None or number is None:
            return None
        return f"query-{number}", {"frontend": str(number)}

    async def forget(self, name: str) -> None:
        self._gone.pop(name, None)
        pod = self._pods.objects.get(self._pod(name))
        if pod is None:
            return
        if self._noted is not None:
            self._noted[_uid(pod)] = _ends(pod)

    def number(self, frontend: str) -> int:
        return self._numbers.give(frontend, self._pods.objects if self._tasks else ())

    async def want(self, wanted: Sequence[Wanted], ready: Collection[str]) -> None:
        await self._connect()
        names = {_name_of(one.spec) for one in wanted}
        there = {
            name: found
            for name, found in self._deployments.objects.items()
            if found["metadata"]["labels"].get(COMPONENT) == "model"
        }
        self._refused = {name: why for name, why in self._refused.items() if name in names}
        for name in there.keys() - names:
            if not pods.stopping(there[name]):
                with suppress(NotFound):
                    await self._server.delete("Deployment", name, propagationPolicy="Background")
        await self._remove_ended()
        for one in wanted:
            try:
                await self._apply(one, there)
                self._refused.pop(_name_of(one.spec), None)
            except Refused as error:
                labels = one.spec.labels
                who = f"{labels['model']}:{labels['version']}"
                whose = {"model": labels["model"], "version": labels["version"]}
                self._refused[_name_of(one.spec)] = Trouble(
                    f"{who} cannot be deployed: {error}", whose, hopeless=True
                )
        await self._mark(ready)
        await self._follow_installing()

    async def _remove_ended(self) -> None:
        """An evicted pod stays until somebody takes it away; first its end must have been told."""
        for name, pod in list(self._pods.objects.items()):
            told = (self._noted or {}).get(_uid(pod), 0) == OVER
            if pods.kind(pod) is not None and pods.has_ended(pod) and told:
                with suppress(NotFound):
                    await self._server.delete("Pod", name)

    async def _apply(self, wanted: Wanted, there: dict[str, Object]) -> None:
        """Raises Refused."""
        spec = wanted.spec
        count = wanted.num_replicas if wanted.by_cpu is None else None
        manifest = deployments.deployment(spec, count, self._registry)
        name = manifest["metadata"]["name"]
        found = there.get(name)
        if found is None:
            # Without pods, which would look for their secret in vain, and then again after a while only. The
            # secret is the Deployment's, and ends with it.
            empty = deployments.deployment(spec, 0, self._registry)
            await self._add_credential(spec, _owned_by(await self._server.apply(empty)))
        elif not _agrees(found, manifest):
            await self._add_credential(spec, _owned_by(found))
            if count is None:
                # What nobody applies any more goes back to 1: so somebody else does, before we no longer do.
                await self._hand_over(manifest, int(found["spec"].get("replicas", 1)) or wanted.num_replicas)
        if found is None or not _agrees(found, manifest):
            is_new = found is None
            found = await self._server.apply(manifest)
            if is_new and count is None and wanted.num_replicas > 1:
                found = await self._hand_over(manifest, wanted.num_replicas)
            self._deployments.objects[name] = found  # the watch will say so too
        owner = _owned_by(found)
        await self._autoscale(wanted, name, owner)
        if _uid(found) in self._budgeted:
            return
        await self._add_credential(spec, owner)  # which a management before this one may have left out
        budget = deployments.budget(spec)
        budget["metadata"]["ownerReferences"] = owner
        await self._server.apply(budget)
        self._budgeted.add(_uid(found))

    async def _add_credential(self, spec: Spec, owner: list[dict[str, str]]) -> None:
        secret = deployments.secret(spec)
        secret["metadata"]["ownerReferences"] = owner
        await self._server.create(secret)

    async def _hand_over(self, manifest: Manifest, num_replicas: int) -> Object:
        """The number of replicas, to a name of its own, from which the autoscaler takes it."""
        part = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": manifest["metadata"]["name"]},
            "spec": {"replicas": num_replicas},
        }
        return await self._server.apply(part, deployments.HANDS_OVER)

    async def _autoscale(self, wanted: Wanted, name: str, owner: list[dict[str, str]]) -> None:
        there = self._autoscalers.objects.get(name)
        if wanted.by_cpu is None:
            if there is not None and autoscalers.is_of_a_model(there):
                with suppress(NotFound):
                    await self._server.delete("HorizontalPodAutoscaler", name)
                self._autoscalers.objects.pop(name, None)
            return
        manifest = autoscalers.autoscaler(wanted)
        if there is None or not _has_digest(there, manifest):
            manifest["metadata"]["ownerReferences"] = owner
            self._autoscalers.objects[name] = await self._server.apply(manifest)

    def decided(self, model: str, version: str) -> tuple[int, str] | None:
        name = deployments.name_of(model, version)
        autoscaler = self._autoscalers.objects.get(name) if self._tasks else None
        deployment = self._deployments.objects.get(name) if self._tasks else None
        if autoscaler is None or deployment is None:
            return None
        count = deployment["spec"].get("replicas")
        return None if count is None else (int(count), autoscalers.why(autoscaler, int(count)))

    async def _mark(self, ready: Collection[str]) -> None:
        """Tell Kubernetes which replicas can be queried; for good, so that a new frontend unreadies none."""
        for name in ready:
            pod = self._pods.objects.get(self._pod(name))
            if pod is None or pods.condition(pod, deployments.QUERYABLE).get("status") == "True":
                continue
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            true = {
                "type": deployments.QUERYABLE,
                "status": "True",
                "reason": "EveryFrontendHasIt",
                "lastTransitionTime": now,
            }
            with suppress(NotFound):
                pod_name = pod["metadata"]["name"]
                self._pods.objects[pod_name] = await self._server.set_condition(pod_name, true)

    async def _follow_installing(self) -> None:
        """One pod of each version tells how far it is with the packages."""
        asked: dict[tuple[str, str], Object] = {}
        for pod in self._pods.objects.values():
            if "running" in packages.status(pod).get("state", {}) and not pods.is_lost(pod):
                whose = pods.subject(pod)
                asked.setdefault((whose["model"], whose["version"]), pod)
        told = await asyncio.gather(*map(self._installs, asked.values()))
        self._installing = dict(zip(asked, told, strict=True))

    async def _installs(self, pod: Object) -> str:
        """How far that pod is."""
        line = b""
        with suppress(NotFound, Refused, ClusterError, TimeoutError):
            async with asyncio.timeout(PROGRESS_S):
                name = pod["metadata"]["name"]
                line = await self._server.read_log(name, container=packages.INSTALLER, tailLines="1")
        return packages.progress(pod, line.decode(errors="replace"))

    def preparing(self, model: str, version: str) -> str:
        return self._installing.get((model, version), "")

    async def open_ports(self, manifests: Sequence[Manifest]) -> None:
        """Have the query Service lead to the ports of protocols as these say."""
        await self._connect()
        try:
            for manifest in manifests:
                await self._server.apply(manifest, PROTOCOLS)
        except (Refused, NotFound) as error:
            raise ClusterError(
                f"The query Service gets no port for it: {error}. The role `management` in "
                "clipper_container/kubernetes/base/accounts.yaml may change it, and the policy `protocols`."
            ) from error

    def wires(self) -> list[str]:
        if not self._tasks:
            return []
        found = [pods.address(pod) for pod in self._pods.objects.values() if pods.kind(pod) == "query"]
        return sorted(f"{address}:{WIRE_PORT}" for address in found if address)

    def troubles(self) -> list[Trouble]:
        found = [*self._refused.values(), *([] if self._keeps else [LOST])]
        # One that went quickly has its reason too.
        for pod in [*self._pods.objects.values(), *filter(pods.disruption, self._ended)]:
            if pods.kind(pod) is not None:
                found += pods.troubles(pod, self._warnings.objects.values())
        for deployment in self._deployments.objects.values():
            found += pods.deployment_troubles(deployment, self._pods.objects.values())
        for autoscaler in self._autoscalers.objects.values():
            found += autoscalers.troubles(autoscaler)
        if why := self._pods.trouble or self._deployments.trouble or self._autoscalers.trouble:
            found.append(Trouble(unreachable(why), {}))
        return _unlike(found)

    async def logs(self) -> dict[str, str]:
        await self._connect()
        return await self._logs.all(self._server, list(self._pods.objects.values()))

    async def log(self, name: str, after: int) -> tuple[str, int]:
        await self._connect()
        return await self._logs.read(self._server, self._pods.objects.values(), name, after)

    def _log_name(self, pod: Object) -> str:
        whose = self._name(pod)
        return whose[0] if whose else str(pod["metadata"]["labels"].get(COMPONENT, pod["metadata"]["name"]))

    def _pod(self, name: str) -> str:
        """The pod behind a status."""
        if not name.startswith("query-"):
            return name.rpartition(".")[2]
        number = int(name.removeprefix("query-"))
        return next((n for n in self._pods.objects if self._numbers.find(n) == number), "")

    async def _connect(self) -> None:
        """Begin to watch, once. Raises ClusterError as long as nothing was seen yet."""
        if not self._tasks:
            self._server = APIServer(self._namespace)
            self._pods = self._server.watched("Pod")
            self._deployments = self._server.watched("Deployment")
            self._autoscalers = self._server.watched("HorizontalPodAutoscaler")
            self._warnings = self._server.watched("Event", "", fieldSelector=pods.WARNINGS)
            supervisor = Supervisor()
            self._tasks = [
                asyncio.create_task(supervisor.keep("watch", watched.run), name="watch")
                for watched in (self._pods, self._deployments, self._autoscalers, self._warnings)
            ]
        for watched in (self._pods, self._deployments):  # without the others models run, too
            try:
                await asyncio.wait_for(watched.listed.wait(), LISTED_S)
            except TimeoutError:
                raise ClusterError(unreachable(watched.trouble or "it takes too long")) from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._tasks:
            await self._server.close()


def _agrees(found: Object, manifest: Manifest) -> bool:
    """Also in who counts the replicas."""
    counted_by = (found["metadata"].get("annotations") or {}).get(deployments.COUNTED_BY)
    if counted_by != manifest["metadata"]["annotations"].get(deployments.COUNTED_BY):
        return False
    count = manifest["spec"].get("replicas")
    return _has_digest(found, manifest) and count in (None, found["spec"].get("replicas"))


def _has_digest(found: Object, manifest: Manifest) -> bool:
    annotations = found["metadata"].get("annotations") or {}
    return bool(
        annotations.get(deployments.DIGEST) == manifest["metadata"]["annotations"][deployments.DIGEST]
    )


def _owned_by(deployment: Object) -> list[dict[str, str]]:
    name = deployment["metadata"]["name"]
    return [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": _uid(deployment)}]


def _name_of(spec: Spec) -> str:
    return deployments.name_of(spec.labels["model"], spec.labels["version"])


def _ends(pod: Object) -> float:
    return OVER if pods.has_ended(pod) else pods.ends(pod)


def _uid(found: Object) -> str:
    return str(found["metadata"]["uid"])


def _unlike(troubles: Sequence[Trouble]) -> list[Trouble]:
    """One of several replicas with the same trouble stands for them."""
    found = {(t.text, t.subject.get("model"), t.subject.get("version")): t for t in troubles}
    return list(found.values())
