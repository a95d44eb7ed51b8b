"""What a query frontend serves: the applications and model versions of its snapshot."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from clipper_container.errors import ClusterError
from clipper_container.inputs import SETS

from ..snapshot import (
    MAX_FRONTENDS,
    ApplicationReport,
    ApplicationSpec,
    ArmReport,
    Complaint,
    ReplicaReport,
    Report,
    Snapshot,
    VersionReport,
    VersionSpec,
)
from .able import AbleArms
from .admission import MAX_WAITING
from .application import Application
from .cache import Cache
from .calls import Calls
from .cors import CORS
from .deadlines import Deadlines
from .exposition import Metrics
from .feedback import Feedback
from .ids import Ids
from .intake.desk import Desk
from .learned import Learned
from .limits import DEFAULT, Limits
from .metrics import ArmMetrics
from .parts import Parts
from .protocols import Adapter, PassOn, Spoken
from .protocols.clipper import ClipperProtocol, SetsOverClipper
from .protocols.open_inference import OpenInferenceProtocol, infer_path
from .protocols.open_inference.v1 import KServeV1, SetsOverKServeV1, predict_path
from .querylog import Records
from .queue import ModelQueue
from .replicas import Replica
from .rollouts import Rollouts
from .shadows import Shadows
from .slices import Slices
from .task import ELSEWHERE
from .traces import Traces

COMPLAIN_EVERY_S = 60.0
NOTICES = 20  # of one version, in as long
MOST_NOTICES = 100  # that wait for management; of more the oldest are left out
log = logging.getLogger(__name__)


class Configuration:
    """The state of one query frontend. `apply` turns it into what a snapshot says."""

    def __init__(
        self,
        frontend: str,
        changed: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.frontend = frontend
        self.serving = False
        self.private = ""
        self.snapshot: Snapshot | None = None
        self.applications: dict[str, Application] = {}
        self.routes: dict[bytes, Adapter] = {}
        self.opened: dict[str, str] = {}  # protocols with ports of their own, as reports have them
        self.spoken: list[Spoken] = []
        self.pass_on: PassOn = _to_nobody
        self.desks: dict[bytes, Desk] = {}
        self.replicas: set[Replica] = set()
        self.queues: dict[tuple[str, str], ModelQueue] = {}
        self._by_name: dict[tuple[str, str | None], ModelQueue] = {}  # without a version: the current one's
        self.metrics = Metrics(frontend)
        self.metrics.gauges.append(_Gauges(self))
        self.cache = Cache()
        self.traces = Traces(Ids.STEP)
        self.complaints: dict[tuple[str, str], Complaint] = {}  # which management has not heard yet
        self._complained_at: dict[tuple[str, str], float] = {}
        self._notices: list[Complaint] = []  # which management has not heard yet
        self._noticed_at: dict[tuple[str, str], deque[float]] = {}
        self._has_lapsed = False
        self._changed = changed
        self._loop = loop
        self.clock = clock
        self._began = clock()
        self.cors: CORS | None = None
        self.is_local = False
        self.limits = DEFAULT
        ids = Ids(int(frontend), time.time())
        self.rollouts = Rollouts(clock)
        self.learned = Learned()
        self.feedback = Feedback(self._began, self._complain_of_feedback, MAX_FRONTENDS)
        deadlines = Deadlines(loop, clock)
        self._able = AbleArms(self.queue)
        self.shadows = Shadows(loop, clock, deadlines, self.queue)
        self.records = Records(self.shadows.shed)
        self.shadows.keep = self.feedback.keep = self.records.add
        self.calls = Calls(clock, deadlines, self.cache, self.rollouts, self.queue, self._able)
        self._parts = Parts(
            *(clock, self._able, deadlines, self.cache, self.traces, ids, Slices(loop)),
            *(self.rollouts, self.shadows, self.learned, self.feedback, self._complain_of_version),
        )

    def apply(self, snapshot: Snapshot) -> None:
        """Serve this from now on. Queries under way end as they began.

        A part of it that cannot be served is left out and told of, and all others are served.
        """
        self.snapshot = snapshot
        self.cache.resize(snapshot.cache_size)
        requests = snapshot.requests
        self.cors = CORS(requests.cors_origins) if requests.cors_origins else None
        self.limits = Limits(requests.max_inputs, requests.max_json)
        self.calls.max_json = requests.max_json
        self.feedback.tokens.configure(snapshot.feedback_keys)
        credentials = {(spec.model, spec.version): spec.credential for spec in snapshot.versions}
        gone = [key for key, queue in self.queues.items() if queue.spec.credential != credentials.get(key)]
        for key in gone:
            queue = self.queues.pop(key)
            # Its replicas answer what they have; management ends them.
            queue.close(f"{queue} was stopped.")
            self.metrics.versions.pop(key, None)
            self._complained_at.pop(key, None)
            self._noticed_at.pop(key, None)
        for version in snapshot.versions:
            try:
                self._serve(version)
            except Exception as error:
                log.exception("%s:%s cannot be served", version.model, version.version)
                text = f"{version.model}:{version.version} cannot be served here: {error}"
                self.complain(Complaint(version.model, version.version, "", text))
        self._by_name = dict(self.queues.items())
        for model, current in snapshot.current.items():
            if (model, current) in self.queues:
                self._by_name[model, None] = self.queues[model, current]
        before = self.applications
        self.applications = {}
        for spec in snapshot.applications:
            application = before.get(spec.name)
            try:
                if application is None or application.spec != spec:
                    application = self._application(spec)
            except Exception:
                log.exception("the application %s cannot be served as it is now", spec.name)
                if application is None:
                    continue
            self.applications[spec.name] = application
        for name in before.keys() - self.applications.keys():
            self.metrics.applications.pop(name, None)
        for metrics in self.metrics.applications.values():
            metrics.keep_rewards(queue.name for queue in self.queues.values())
        self._able.changed()
        self.rollouts.configure(snapshot.rollouts)
        self.shadows.configure(snapshot.shadows, snapshot.current)
        self._find_routes()
        for protocol in self.spoken:
            protocol.configure()
        self._changed()

    def _serve(self, version: VersionSpec) -> None:
        key = version.model, version.version
        if key in self.queues:
            self.queues[key].configure(version)
        else:
            for replica in list(self.replicas):
                if replica.hello is not None and (replica.hello.model, replica.hello.version) == key:
                    replica.retire()  # it is of an earlier one of this name
            self.queues[key] = ModelQueue(
                *(version, self._loop, self.clock, self.cache, self.metrics.version(*key)),
                *(self._changed, self._able.changed),
            )
        # A request that is allowed has room in a queue where nothing waits.
        self.queues[key].admission.most = max(MAX_WAITING, self.limits.inputs)

    def _application(self, spec: ApplicationSpec) -> Application:
        return Application(spec, self, self._parts, self.metrics.application(spec.name))

    def _find_routes(self) -> None:
        self.routes = {}
        self.desks = {}
        for name, application in self.applications.items():
            over_clipper, v1 = ClipperProtocol, KServeV1
            if application.input_type.name in SETS:
                over_clipper, v1 = SetsOverClipper, SetsOverKServeV1
            clipper = over_clipper(application, self.limits)
            for path in clipper.paths(name):
                self.routes[path.encode()] = clipper
            self.routes[predict_path(name).encode()] = v1(application, self.limits)
            self.desks[f"/{name}/feedback".encode()] = Desk(clipper, self.feedback, self.limits)
            self.desks[f"/{name}/update".encode()] = Desk(clipper, self.feedback, self.limits, updates=True)
            for version in (None, *self.versions_of(application)):
                path = infer_path(name, version)
                self.routes[path.encode()] = OpenInferenceProtocol(application, version, self.limits)

    @property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """By model: which version each label names."""
        return {} if self.snapshot is None else self.snapshot.labels

    @property
    def keys(self) -> dict[str, str]:
        specs = [] if self.snapshot is None else self.snapshot.protocols
        return {spec.key: spec.secret for spec in specs if spec.key}

    def queue(self, model: str, version: str | None) -> ModelQueue | None:
        return self._by_name.get((model, version))

    def versions(self, model: str) -> list[str]:
        return sorted(version for name, version in self.queues if name == model)

    def versions_of(self, application: Application) -> list[str]:
        """The versions of the models that it may ask, if any."""
        models = dict.fromkeys(arm.model for arm in application.policy.arms)
        return sorted({version for model in models for version in self.versions(model)})

    def objective_s(self, model: str) -> float:
        """The shortest of the objectives of the applications that the model is linked to; else a second."""
        linked = [a for a in self.applications.values() if model in a.spec.linked_models]
        return min((application.objective_s for application in linked), default=1.0)

    def replicas_changed(self) -> None:
        self._changed()

    def complain(self, complaint: Complaint) -> None:
        """Once in a while for each version: a replica that is closed comes again, and says it again."""
        key = complaint.model, complaint.version
        if self.clock() - self._complained_at.get(key, -math.inf) > COMPLAIN_EVERY_S:
            self._complained_at[key] = self.clock()
            self.complaints[key] = complaint
            self._changed()

    def notice(self, notice: Complaint) -> None:
        """`NOTICES` of a version in a minute: what is said beyond that is left out."""
        key = notice.model, notice.version
        at = self._noticed_at.setdefault(key, deque(maxlen=NOTICES))
        if len(at) == NOTICES and self.clock() - at[0] < COMPLAIN_EVERY_S:
            return
        at.append(self.clock())
        self._notices = [*self._notices, notice][-MOST_NOTICES:]
        self._changed()

    def _complain_of_version(self, version: str, text: str) -> None:
        model, _, number = version.partition(":")
        self.complain(Complaint(model, number, "", text))

    def _complain_of_feedback(self, text: str) -> None:
        self.complain(Complaint("", "", "", text))

    def heard(self, complaints: Sequence[Complaint]) -> None:
        """Management has these."""
        self._notices = [notice for notice in self._notices if not any(notice is c for c in complaints)]
        for complaint in complaints:
            if self.complaints.get(key := (complaint.model, complaint.version)) is complaint:
                del self.complaints[key]

    def complete(self) -> bool:
        """There is a snapshot, and all of its replicas are connected."""
        if self.snapshot is None:
            return False
        here = [r.hello for r in self.replicas if r.hello is not None]
        return all(
            sum((h.model, h.version) == (v.model, v.version) for h in here) >= v.num_replicas
            for v in self.snapshot.versions
        )

    def report(self) -> Report:
        now = self.clock()
        self._tell_of_lapse()
        replicas = []
        for replica in list(self.replicas):
            replica.look_for_hang(now)
            if (hello := replica.hello) is not None:
                ready, answered = replica.state == "ready", replica.metrics.answered
                who = (hello.model, hello.version, hello.replica)
                gpu, useless = replica.metrics.gpu, replica.latencies.useless()
                warnings = [*replica.warnings, useless] if useless else replica.warnings
                replicas.append(ReplicaReport(*who, ready, answered, replica.hangs, warnings, gpu))
        applications = [
            ApplicationReport(
                *(name, m.answered, dict(m.defaults), m.rejected, m.latency.counts),
                [_arm(arm, did) for arm, did in m.arms.items()],
                m.confidence.counts if m.confidence.count else [],
            )
            for name, application in self.applications.items()
            for m in [application.metrics]
        ]
        versions = [
            VersionReport(
                *(*key, queue.asked(), queue.waiting.count, queue.capacity(self.objective_s(key[0]))),
                *(queue.metrics.compute.count, int(queue.metrics.batch_size.sum), queue.metrics.compute.sum),
                bool(queue.waking),
            )
            for key, queue in self.queues.items()
        ]
        revision = self.snapshot.revision if self.snapshot else 0
        return Report(
            *(self.frontend, os.getpid(), self.serving, revision, self.private),
            *(replicas, applications, versions, self._began, [*self.complaints.values(), *self._notices]),
            self.rollouts.report(),
            dict(self.opened),
        )

    def _tell_of_lapse(self) -> None:
        if self.rollouts.lapsed() and not self._has_lapsed:
            models = ", ".join(self.rollouts.by_model)
            text = (
                f"Management was silent for too long: {models} is answered by the version before the rollout."
            )
            self.complain(Complaint("", "", "", text))
        self._has_lapsed = self.rollouts.lapsed()


async def _to_nobody(method: str, path: str, token: str, body: object = None) -> None:
    raise ClusterError("This query frontend has no management.")


class _Gauges:
    """What is so at this moment: (name, what it is, labels, value)."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def __iter__(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        cache = self._configuration.cache
        yield "cache_bytes", "The prediction cache's use of memory", {}, cache.used
        yield "cache_entries", "Outputs in the prediction cache", {}, len(cache)
        yield "cache_evictions", "Outputs that made room for others, so far", {}, cache.evictions
        outbox = self._configuration.feedback.outbox
        yield "feedback_waiting", "Feedback that management has not written yet", {}, outbox.waiting
        yield "feedback_dropped", "Feedback that was lost or had no room, so far", {}, outbox.dropped
        uncounted = self._configuration.feedback.decisions.uncounted
        yield "decisions_uncounted", "Decisions that had no room among what is counted, so far", {}, uncounted
        for (model, version), queue in self._configuration.queues.items():
            labels = {"model": model, "version": version}
            yield "model_waiting", "Inputs that wait for a replica", labels, queue.waiting.count
            yield "model_replicas_ready", "Replicas that are ready here", labels, len(queue.ready)


def _arm(name: str, did: ArmMetrics) -> ArmReport:
    faults, late = did.faults.total(), did.faults["deadline"]
    elsewhere = sum(did.faults[reason] for reason in ELSEWHERE)
    used = did.chosen - faults
    return ArmReport(name, did.chosen, used, faults - late - elsewhere, late, did.latency.counts)
