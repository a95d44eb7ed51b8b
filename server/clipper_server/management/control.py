"""The operations on a cluster. A mutation returns when every live query frontend has it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import msgspec

from clipper_container import artifact
from clipper_container.errors import AlreadyExists, BadRequest, NotFound

from ..changes import Changes
from ..snapshot import ApplicationSpec, BatchingSpec, Snapshot, VersionSpec
from .artifacts import Artifacts
from .events import Events
from .frontends import Frontends
from .state import State, Version

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MAX_REPLICAS = 100


class Control:
    """Everything that changes the desired state."""

    def __init__(
        self,
        state: State,
        artifacts: Artifacts,
        frontends: Frontends,
        changes: Changes,
        events: Events,
        replica_token: Callable[[str, str], str],
    ) -> None:
        self.state = state
        self.artifacts = artifacts
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

    async def _publish(self, event: str) -> None:
        revision = self._announce(event)
        await self._frontends.acknowledge(revision)

    def _announce(self, event: str) -> int:
        self._events.add(event)
        revision = self.state.next_revision()
        self._changes.notify()
        return revision

    # Applications

    async def register_application(self, application: ApplicationSpec) -> ApplicationSpec:
        check_name("application", application.name)
        if application.latency_slo_micros <= 0:
            raise BadRequest("The latency objective is in microseconds, and must be above 0.")
        if self.state.application(application.name) is not None:
            raise AlreadyExists(
                f"application '{application.name}' already exists. Remove it with unregister_application, or "
                "use another name."
            )
        self.state.add_application(application)
        await self._publish(f"Registered application {application.name}.")
        return self.application(application.name)

    async def unregister_application(self, name: str) -> None:
        self.application(name)
        self.state.remove_application(name)
        await self._publish(f"Removed application {name}.")

    def application(self, name: str) -> ApplicationSpec:
        """Raises NotFound."""
        application = self.state.application(name)
        if application is None:
            known = ", ".join(a.name for a in self.state.applications()) or "none yet"
            raise NotFound(f"There is no application {name!r}. Applications: {known}.")
        return application

    async def link(self, application: str, model: str) -> ApplicationSpec:
        spec = self.application(application)
        version = self._any_version(model)
        if model in spec.linked_models:
            raise AlreadyExists(f"A model with name {model} is already linked to '{application}'.")
        if version.input_type != spec.input_type:
            raise BadRequest(
                f"Model {model} takes {version.input_type}, and application {application} {spec.input_type}: "
                "their input types must be the same."
            )
        self.state.link(application, model)
        await self._publish(f"Linked model {model} to application {application}.")
        return self.application(application)

    async def unlink(self, application: str, model: str) -> ApplicationSpec:
        if model not in self.application(application).linked_models:
            raise NotFound(f"Cannot remove nonexistent link between app {application} and model {model}.")
        self.state.unlink(application, model)
        await self._publish(f"Unlinked model {model} from application {application}.")
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
        """Start a version. It becomes current when it is ready, and leaves the one that serves alone."""
        check_name("model", version.model)
        check_name("version", version.version)
        packaged = artifact.read_manifest(self.artifacts.path(version.artifact))
        if packaged.input_type != version.input_type:
            raise BadRequest(
                f"The model was packaged for inputs of the type {packaged.input_type}, and is deployed for "
                f"{version.input_type}. Give both the same."
            )
        version = msgspec.structs.replace(version, size=packaged.size)
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
        await self._publish(f"Deploying {version.model}:{version.version}.")

    def came_up(self, version: Version) -> None:
        """The first time that all replicas of a version are ready: it becomes the current one."""
        self.state.set_version_state(version.model, version.version, "ready", None)
        self.state.set_current(version.model, version.version)
        self._announce(f"{version.model}:{version.version} is ready, and current.")

    def did_not_come_up(self, version: Version, why: str) -> None:
        message = f"Version {version.version} of model {version.model} was not deployed: {why}"
        self.state.set_version_state(version.model, version.version, "failed", message)
        self._announce(message)

    async def settled(self, model: str, version: str, ready: Callable[[], int], wait_s: float) -> Version:
        """The version, as soon as it failed, or has its replicas and all live frontends know; or later."""

        def is_settled() -> bool:
            found = self.version(model, version)
            return found.state == "failed" or (found.state == "ready" and ready() >= found.num_replicas)

        if await self._changes.wait_for(is_settled, wait_s):
            await self._frontends.acknowledge(self.state.revision)
        return self.version(model, version)

    async def set_current(self, model: str, version: str) -> Version:
        found = self.version(model, version)
        if found.state != "ready":
            raise BadRequest(f"{model}:{version} cannot answer: it is {found.state}.")
        self.state.set_current(model, version)
        await self._publish(f"{model}:{version} is current.")
        return found

    async def set_num_replicas(self, model: str, version: str, num_replicas: int) -> Version:
        if self.version(model, version).state == "failed":
            raise BadRequest(f"{model}:{version} failed to deploy. Deploy it again first.")
        _check_num_replicas(num_replicas)
        self.state.set_num_replicas(model, version, num_replicas)
        await self._publish(f"{model}:{version} gets {num_replicas} replicas.")
        return self.version(model, version)

    async def set_batching(self, model: str, version: str, batching: BatchingSpec) -> Version:
        if self.version(model, version).state == "failed":
            raise BadRequest(f"{model}:{version} failed to deploy. Deploy it again first.")
        self.state.set_batching(model, version, batching)
        await self._publish(f"{model}:{version} batches by {batching}.")
        return self.version(model, version)

    async def remove_version(self, model: str, version: str) -> None:
        self.version(model, version)
        self.state.remove_version(model, version)
        await self._publish(f"Removed {model}:{version}.")


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
