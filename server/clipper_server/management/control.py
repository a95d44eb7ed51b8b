"""The operations on a cluster. A mutation returns when every live query frontend has it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from clipper_container import artifact
from clipper_container.errors import AlreadyExists, BadRequest, NotFound
from clipper_container.size import compile_size

from ..changes import Changes
from ..snapshot import ApplicationSpec, BatchingSpec, Snapshot, VersionSpec
from . import moves
from .artifacts import Artifacts
from .containers import ContainerManager, Orchestrator, Runtime
from .events import Events
from .frontends import Frontends
from .state import Autoscaling, Move, State, Version

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MAX_REPLICAS = 100
MAX_CPU_PERCENT = 1000


class Control:
    """Everything that changes the desired state."""

    def __init__(
        self,
        state: State,
        artifacts: Artifacts,
        manager: ContainerManager,
        frontends: Frontends,
        changes: Changes,
        events: Events,
        replica_token: Callable[[str, str], str],
    ) -> None:
        self.state = state
        self.artifacts = artifacts
        self._manager = manager
        self._frontends = frontends
        self._changes = changes
        self._events = events
        self._replica_token = replica_token

    def snapshot(self) -> Snapshot:
        versions = [
            VersionSpec(
                version.model,
                version.version,
                version.input_type,
                hashlib.sha256(self._replica_token(version.model, version.version).encode()).hexdigest(),
                version.num_replicas,
                version.batching,
                version.size,
                version.hang_after_s,
                version.max_cached_input,
                version.autoscaling is not None,
            )
            for version in self.state.versions()
            if version.state != "failed"
        ]
        return Snapshot(
            self.state.revision,
            self.state.applications(),
            versions,
            self.state.current(),
            int(self.state.get("cache_size") or 0),
        )

    async def _publish(self, kind: str, text: str, **subject: str) -> None:
        revision = self._announce(kind, text, **subject)
        await self._frontends.acknowledge(revision)

    def _announce(self, kind: str, text: str, **subject: str) -> int:
        self._events.add(kind, text, **subject)
        self._changes.notify()
        return self.state.revision

    # Applications

    async def register_application(self, application: ApplicationSpec) -> ApplicationSpec:
        check_name("application", application.name)
        _check_objective(application)
        if self.state.application(application.name) is not None:
            raise AlreadyExists(
                f"application '{application.name}' already exists. Remove it with unregister_application, or "
                "use another name."
            )
        self.state.add_application(application)
        await self._publish(
            "application", f"Registered application {application.name}.", application=application.name
        )
        return self.application(application.name)

    async def update_application(self, application: ApplicationSpec) -> ApplicationSpec:
        """Another objective or default output, for the queries that come from now on."""
        self.application(application.name)
        _check_objective(application)
        self.state.update_application(application)
        objective = f"{application.latency_slo_micros / 1000:g} ms"
        default = msgspec.json.encode(application.default_output).decode()[:100]
        text = (
            f"Application {application.name} has the objective {objective} and the default output {default}."
        )
        await self._publish("application", text, application=application.name)
        return self.application(application.name)

    async def unregister_application(self, name: str) -> None:
        self.application(name)
        self.state.remove_application(name)
        await self._publish("application", f"Removed application {name}.", application=name)

    def application(self, name: str) -> ApplicationSpec:
        """Raises NotFound."""
        application = self.state.application(name)
        if application is None:
            known = ", ".join(a.name for a in self.state.applications()) or "none yet"
            raise NotFound(f"There is no application {name!r}. Applications: {known}.")
        return application

    async def link(self, application: str, *models: str) -> ApplicationSpec:
        """Link all of the models, or none."""
        spec = self.application(application)
        for model in models:
            version = self._any_version(model)
            if model in spec.linked_models or models.count(model) > 1:
                raise AlreadyExists(f"A model with name {model} is already linked to '{application}'.")
            if version.input_type != spec.input_type:
                raise BadRequest(
                    f"Model {model} takes {version.input_type}, and application {application} "
                    f"{spec.input_type}: their input types must be the same."
                )
        self.state.link(application, *models)
        for model in models:
            text = f"Linked model {model} to application {application}."
            self._announce("link", text, application=application, model=model)
        await self._frontends.acknowledge(self.state.revision)
        return self.application(application)

    async def unlink(self, application: str, *models: str) -> ApplicationSpec:
        """Unlink all of the models, or none."""
        linked = self.application(application).linked_models
        for model in models:
            if model not in linked:
                raise NotFound(f"Cannot remove nonexistent link between app {application} and model {model}.")
        self.state.unlink(application, *models)
        for model in models:
            text = f"Unlinked model {model} from application {application}."
            self._announce("link", text, application=application, model=model)
        await self._frontends.acknowledge(self.state.revision)
        return self.application(application)

    # Models

    def _any_version(self, model: str) -> Version:
        versions = [v for v in self.state.versions() if v.model == model and v.state != "failed"]
        if not versions:
            known = ", ".join(sorted({v.model for v in self.state.versions()})) or "none yet"
            raise NotFound(f"There is no model {model!r}. Models: {known}. Deploy it first.")
        return versions[-1]

    def version(self, model: str, version: str) -> Version:
        """Raises NotFound."""
        found = self.state.version(model, version)
        if found is None:
            known = ", ".join(v.version for v in self.state.versions() if v.model == model)
            have = f"Its versions: {known}." if known else "That model has no versions: deploy one."
            raise NotFound(f"There is no version {version!r} of model {model!r}. {have}")
        return found

    async def deploy(self, version: Version) -> None:
        """Start a version. It becomes current when it is ready, unless it is staged, and leaves the one that
        serves alone until then.
        """
        check_name("model", version.model)
        check_name("version", version.version)
        if version.artifact is not None:
            packaged = artifact.read_manifest(self.artifacts.path(version.artifact))
            if packaged.input_type != version.input_type:
                raise BadRequest(
                    f"The model was packaged for inputs of the type {packaged.input_type}, and is deployed "
                    f"for {version.input_type}. Give both the same."
                )
            if packaged.size is not None:
                compile_size(packaged.size)  # which refuses what no query frontend would serve
            named = version.runtime.python
            runtime = Runtime(
                named or packaged.interpreter,
                tuple(packaged.requirements),
                "" if named else packaged.python,
                version.runtime.image,
                packaged.loader,
                version.resources.gpus > 0,
            )
            version = msgspec.structs.replace(version, size=packaged.size, runtime=runtime)
            self._manager.check(version.resources, runtime)
        if not version.hang_after_s > 0:
            raise BadRequest("hang_after_s, in seconds, must be above 0.")
        if version.max_cached_input < 0:
            raise BadRequest("max_cached_input, in bytes, must not be below 0. With 0 nothing is cached.")
        _check_num_replicas(version.num_replicas)
        before = self.state.version(version.model, version.version)
        if before is not None and before.state != "failed":
            raise AlreadyExists(
                f"Version {version.version} of model {version.model} exists, and versions are never "
                "overwritten. Deploy under a new version."
            )
        for application in self.state.applications():
            if version.model in application.linked_models and application.input_type != version.input_type:
                raise BadRequest(
                    f"Model {version.model} is linked to application {application.name}, which takes "
                    f"{application.input_type}: this version takes {version.input_type}."
                )
        self.state.add_version(version)
        if version.artifact is None:
            self.state.came_up(version)
            await self._publish(
                "deploy",
                f"Registered {version}, which runs elsewhere and dials in.",
                model=version.model,
                version=version.version,
            )
        else:
            await self._publish(
                "deploy",
                f"Deploying {version}{_why(version.deployed_by, version.message)}.",
                model=version.model,
                version=version.version,
            )

    def came_up(self, version: Version) -> None:
        """The first time that all replicas of a version are ready: it is current now, unless it is staged."""
        self.state.came_up(version)
        current = "current" if version.make_current else "staged: set_model_version makes it current"
        self._announce("ready", f"{version} is ready, and {current}.", **_subject(version))
        for warning in self._frontends.warnings(version.model, version.version):
            self._events.add("warning", f"{version}: {warning}", **_subject(version))

    def did_not_come_up(self, version: Version, why: str) -> None:
        message = f"Version {version.version} of model {version.model} was not deployed: {why}"
        self.state.set_version_state(version.model, version.version, "failed", message)
        self._announce("failed", message, **_subject(version))

    def example_input(self, model: str, version: str) -> Any:
        """The input that was packaged with it, in JSON's form; None without one."""
        found = self.version(model, version)
        if found.artifact is None:
            return None
        return artifact.read_manifest(self.artifacts.path(found.artifact)).example_input

    async def settled(self, model: str, version: str, ready: Callable[[], int], wait_s: float) -> Version:
        """The version, as soon as it failed, or has its replicas and all live frontends know; or later."""

        def is_settled() -> bool:
            found = self.version(model, version)
            return found.state == "failed" or (found.state == "ready" and ready() >= found.num_replicas)

        if await self._changes.wait_for(is_settled, wait_s):
            await self._frontends.acknowledge(self.state.revision)
        return self.version(model, version)

    # Back and forward

    def history(self, model: str) -> list[Move]:
        """Every move of the model's pointer, the last one at the end. Raises NotFound."""
        history = self.state.history(model)
        if not history:
            self._any_version(model)
        return history

    async def set_current(self, model: str, version: str, who: str, message: str) -> Version:
        found = self.version(model, version)
        if found.state != "ready":
            raise BadRequest(f"{found} cannot answer: it is {found.state}.")
        self.state.move(model, version, "set", who, message)
        await self._publish("current", f"{found} is current{_why(who, message)}.", **_subject(found))
        return found

    async def roll_back(self, model: str, who: str, message: str) -> Version:
        """Make the version before the current one the current one."""
        self._any_version(model)
        usable = [v.version for v in self.state.versions() if v.model == model and v.state == "ready"]
        version = moves.before(self.state.history(model), usable)
        if version is None:
            raise BadRequest(
                f"Model {model} has no version before this one to go back to. set_model_version makes any of "
                f"these current: {', '.join(usable) or 'none is ready'}."
            )
        found = self.version(model, version)
        self.state.move(model, version, "rollback", who, message)
        await self._publish("current", f"Rolled back to {found}{_why(who, message)}.", **_subject(found))
        return found

    # How much, and how

    async def set_num_replicas(self, model: str, version: str, num_replicas: int) -> Version:
        found = self._running(model, version)
        _check_num_replicas(num_replicas)
        if found.autoscaling is not None:
            bounds = found.autoscaling
            raise BadRequest(
                f"{found} is scaled automatically, between {bounds.min_replicas} and {bounds.max_replicas} "
                f"replicas. set_autoscaling('{model}', None) switches that off."
            )
        self.state.set_num_replicas(model, version, num_replicas)
        await self._publish("scale", f"{found} gets {_replicas(num_replicas)}.", **_subject(found))
        return self.version(model, version)

    async def set_autoscaling(self, model: str, version: str, autoscaling: Autoscaling | None) -> Version:
        found = self._running(model, version)
        if autoscaling is None:
            self.state.set_autoscaling(model, version, None)
            await self._publish("scale", f"{found} is no longer scaled automatically.", **_subject(found))
            return self.version(model, version)
        low, high = autoscaling.min_replicas, autoscaling.max_replicas
        if not 0 <= low <= high <= MAX_REPLICAS or high == 0:
            raise BadRequest(
                f"The bounds must be 0 <= min_replicas <= max_replicas <= {MAX_REPLICAS}, and the upper one "
                f"above 0, not {low} and {high}."
            )
        self._check_cpu(found, autoscaling)
        self.state.set_autoscaling(model, version, autoscaling)
        self.state.set_num_replicas(model, version, min(max(found.num_replicas, low), high))
        how = (
            ""
            if autoscaling.cpu_percent is None
            else f", to keep its CPU load at {autoscaling.cpu_percent} %"
        )
        text = f"{found} is scaled automatically, between {low} and {high} replicas{how}."
        await self._publish("scale", text, **_subject(found))
        return self.version(model, version)

    def _check_cpu(self, version: Version, autoscaling: Autoscaling) -> None:
        if autoscaling.cpu_percent is None:
            return
        if not isinstance(self._manager, Orchestrator):
            raise BadRequest(
                "cpu_percent is for clusters on Kubernetes, whose HorizontalPodAutoscaler keeps to it. Leave "
                "it out, and the replicas follow the load that is measured here."
            )
        if not 1 <= autoscaling.cpu_percent <= MAX_CPU_PERCENT:
            raise BadRequest(
                f"cpu_percent must be from 1 to {MAX_CPU_PERCENT}, not {autoscaling.cpu_percent}."
            )
        if autoscaling.min_replicas == 0:
            raise BadRequest(
                "With cpu_percent min_replicas is at least 1: what has no pod has no CPU load either. Leave "
                "cpu_percent out for a model that may sleep."
            )
        if version.resources.cpus is None:
            raise BadRequest(
                f"cpu_percent is a part of what each replica asks for, and {version} asks for no CPU. Deploy "
                'it with resources={"cpus": 1}.'
            )

    def scaled(self, version: Version, num_replicas: int, why: str) -> None:
        """The autoscaler's word."""
        self.state.set_num_replicas(version.model, version.version, num_replicas)
        self._announce("scale", f"{version} gets {_replicas(num_replicas)}: {why}.", **_subject(version))

    async def set_batching(self, model: str, version: str, batching: BatchingSpec) -> Version:
        found = self.version(model, version)
        if found.state == "failed":
            raise BadRequest(f"{found} failed to deploy. Deploy it again first.")
        self.state.set_batching(model, version, batching)
        await self._publish("batching", f"{found} batches by {batching}.", **_subject(found))
        return self.version(model, version)

    def _running(self, model: str, version: str) -> Version:
        """The version, which has replicas of ours. Raises NotFound or BadRequest."""
        found = self.version(model, version)
        if found.state == "failed":
            raise BadRequest(f"{found} failed to deploy. Deploy it again first.")
        if found.artifact is None:
            raise BadRequest(
                f"{found} is a containerless model: it runs elsewhere and dials in. Start or stop it there."
            )
        return found

    async def remove_version(self, model: str, version: str, who: str = "") -> None:
        """Stop and forget it. Where it was current, the one before it is: there is nothing else to answer."""
        removed = self.version(model, version)
        was_current = self.state.current().get(model) == version
        self.state.remove_version(model, version)
        text = f"Removed {removed}."
        if was_current:
            usable = [v.version for v in self.state.versions() if v.model == model and v.state == "ready"]
            successor = moves.before(self.state.history(model), usable)
            if successor is not None:
                why = f"version {version}, which was current, was removed"
                self.state.move(model, successor, "rollback", who, why)
                text = f"Removed {removed}, which was current. {model}:{successor} is current now."
            elif usable:
                text = f"Removed {removed}, which was current. set_model_version makes another one current."
        self.collect()
        await self._publish("removed", text, **_subject(removed))

    def collect(self) -> None:
        """Remove the artifacts that no version has any more."""
        kept = {version.artifact for version in self.state.versions() if version.artifact}
        for digest in self.artifacts.collect(kept):
            self._events.add("artifact", f"Removed artifact {digest}: no version has it any more.")


def _check_objective(application: ApplicationSpec) -> None:
    if application.latency_slo_micros <= 0:
        raise BadRequest("The latency objective is in microseconds, and must be above 0.")


def check_name(what: str, name: str) -> None:
    """Raises BadRequest where `name` is no DNS label, which containers and Kubernetes need it to be."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the name of {'an' if what[0] in 'aeiou' else 'a'} {what}: use lower-case "
            "letters, digits and hyphens, at most 63, beginning and ending with a letter or digit."
        )


def _check_num_replicas(count: int) -> None:
    if not 0 <= count <= MAX_REPLICAS:
        raise BadRequest(f"The number of replicas must be from 0 to {MAX_REPLICAS}, not {count}.")


def _subject(version: Version) -> dict[str, str]:
    return {"model": version.model, "version": version.version}


def _why(who: str, message: str) -> str:
    """For the end of a sentence."""
    return (f", by {who}" if who else "") + (f": {message.rstrip('.')}" if message else "")


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"
