"""The versions of models: how they come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from clipper_container import artifact, sets
from clipper_container.counting import next_version
from clipper_container.errors import AlreadyExists, BadRequest, ClipperException
from clipper_container.size import compile_size

from ...changes import Changes
from ...places import ContainerManager, Runtime
from ...snapshot import MAX_EXAMPLE, BatchingSpec
from .. import moves
from ..able import without_replicas
from ..artifacts import Artifacts
from ..events import Events
from ..frontends import Frontends
from ..state import State, Version
from . import find, labels, policies, rollouts, shadows, uses
from .fit import check_fits, fits
from .names import check_name
from .publisher import Publisher, by, subject
from .requirements import check_requirements
from .rollouts import check_no_rollout
from .scaling import check_num_replicas
from .stopping import Stopping


@lru_cache(maxsize=1024)
def _small_example(path: Path) -> Any:
    """Of an artifact, which never changes."""
    found = artifact.read_manifest(path).example_input
    return found if len(msgspec.json.encode(found)) <= MAX_EXAMPLE else None


class Versions:
    """Deployed once, and never overwritten."""

    def __init__(
        self,
        state: State,
        artifacts: Artifacts,
        manager: ContainerManager,
        frontends: Frontends,
        changes: Changes,
        events: Events,
        publisher: Publisher,
        stopping: Stopping,
    ) -> None:
        self._state = state
        self._artifacts = artifacts
        self._manager = manager
        self._frontends = frontends
        self._changes = changes
        self._events = events
        self._publisher = publisher
        self._stopping = stopping

    async def deploy(self, version: Version) -> None:
        """Start a version. It becomes current when it is ready, unless it is staged, and leaves the one that
        serves alone until then.
        """
        check_name("model", version.model)
        check_name("version", version.version)
        for label in version.labels:
            check_name("label", label)
        if version.artifact is not None:
            packaged = artifact.read_manifest(self._artifacts.path(version.artifact))
            if packaged.input_type != version.input_type:
                raise BadRequest(
                    f"The model was packaged for inputs of the type {packaged.input_type}, and is deployed "
                    f"for {version.input_type}. Give both the same."
                )
            if packaged.size is not None:
                compile_size(packaged.size)  # which refuses what no query frontend would serve
            if packaged.columns is not None:
                sets.check(packaged.input_type, packaged.columns)
            check_requirements(packaged.requirements)
            named = version.runtime.python
            runtime = Runtime(
                named or packaged.interpreter,
                tuple(packaged.requirements),
                "" if named else packaged.python,
                version.runtime.image,
                packaged.loader,
                version.resources.gpus > 0,
            )
            version = msgspec.structs.replace(
                version, size=packaged.size, columns=packaged.columns, runtime=runtime
            )
            self._manager.check(version.resources, runtime)
        if not version.hang_after_s > 0:
            raise BadRequest("hang_after_s, in seconds, must be above 0.")
        if version.max_cached_input < 0:
            raise BadRequest("max_cached_input, in bytes, must not be below 0. With 0 nothing is cached.")
        check_num_replicas(version.num_replicas)
        uses.check_version(self._state, version)
        before = self._state.version(version.model, version.version)
        if before is not None and before.state != "failed":
            taken = [v.version for v in self._state.versions() if v.model == version.model]
            raise AlreadyExists(
                f"Version {version.version} of model {version.model} exists, and versions are never "
                f"overwritten. Deploy under a new version: {next_version(taken)} is free, and the version "
                '"next" counts by itself.'
            )
        if version.make_current:
            check_fits(self._state, version)
            check_no_rollout(self._state, version.model, f"{version} cannot become current")
        self._state.add_version(version)
        if version.artifact is None:
            self._state.came_up(version)
            await self._publisher.publish(
                "deploy",
                f"Registered {version}, which runs elsewhere and dials in.",
                model=version.model,
                version=version.version,
            )
        else:
            await self._publisher.publish(
                "deploy",
                f"Deploying {version}{by(version.deployed_by, version.message)}.",
                model=version.model,
                version=version.version,
            )

    def came_up(self, version: Version) -> None:
        """The first time that all replicas of a version are ready: it is current now, unless it is staged."""
        self._state.came_up(version)
        current = "current" if version.make_current else "staged: set_model_version makes it current"
        self._publisher.announce("ready", f"{version} is ready, and {current}.", **subject(version))
        for warning in self._frontends.warnings(version.model, version.version):
            self._events.add("warning", f"{version}: {warning}", **subject(version))

    def did_not_come_up(self, version: Version, why: str) -> None:
        message = f"Version {version.version} of model {version.model} was not deployed: {why}"
        self._state.set_version_state(version.model, version.version, "failed", message)
        self._publisher.announce("failed", message, **subject(version))

    def example_input(self, model: str, version: str) -> Any:
        """The input that was packaged with it, in JSON's form; None without one."""
        found = find.version(self._state, model, version)
        if found.artifact is None:
            return None
        return artifact.read_manifest(self._artifacts.path(found.artifact)).example_input

    def small_example(self, version: Version) -> Any:
        """The same, to be told with what is served; None where it is large."""
        if version.artifact is None:
            return None
        try:
            return _small_example(self._artifacts.path(version.artifact))
        except (ClipperException, OSError):
            return None  # whoever needs the artifact says what is wrong with it

    async def settled(self, model: str, version: str, ready: Callable[[], int], wait_s: float) -> Version:
        """The version, as soon as it failed, or has its replicas and all live frontends know; or later."""

        def is_settled() -> bool:
            found = find.version(self._state, model, version)
            return found.state == "failed" or (found.state == "ready" and ready() >= found.num_replicas)

        if await self._changes.wait_for(is_settled, wait_s):
            await self._publisher.acknowledged()
        return find.version(self._state, model, version)

    async def set_batching(self, model: str, version: str, batching: BatchingSpec) -> Version:
        found = find.version(self._state, model, version)
        if found.state == "failed":
            raise BadRequest(f"{found} failed to deploy. Deploy it again first.")
        self._state.set_batching(model, version, batching)
        await self._publisher.publish("batching", f"{found} batches by {batching}.", **subject(found))
        return find.version(self._state, model, version)

    async def remove(self, versions: Sequence[tuple[str, str]], who: str = "") -> None:
        """Stop and forget these, each a model and a version, in this order; none where one is refused."""
        with self._state.transaction():
            removed = [self._remove(model, version, who) for model, version in versions]
        self.collect()
        for version, text in removed:
            await self._publisher.publish("removed", text, **subject(version))
            await self._stopping.asked(version)

    def _remove(self, model: str, version: str, who: str) -> tuple[Version, str]:
        """What it was, and what to say of it. Where it was current, the one before it that has replicas is:
        there is nothing else to answer.
        """
        removed = find.version(self._state, model, version)
        labels.check_remove(self._state, removed)
        was_current = self._state.current().get(model) == version
        others = [v for v in self._state.versions() if v.model == model and v.version != version]
        usable = [v for v in others if v.state == "ready" and fits(self._state, v)]
        could = [v.version for v in usable if without_replicas(v) is None]
        successor = moves.before(self._state.history(model), could) if was_current else None
        policies.check_remove(self._state, removed, is_last=was_current and successor is None)
        rollouts.check_remove(self._state, removed)
        shadows.check_remove(self._state, removed)
        uses.check_remove(self._state, removed)
        self._state.remove_version(model, version)
        text = f"Removed {removed}."
        if successor is not None:
            why = f"version {version}, which was current, was removed"
            self._state.move(model, successor, "rollback", who, why)
            text = f"Removed {removed}, which was current. {model}:{successor} is current now."
        elif was_current and usable:
            text = f"Removed {removed}, which was current. set_model_version makes another one current"
            text += "." if could else ", once set_num_replicas has given it replicas: none has any."
        return removed, text

    def collect(self) -> None:
        """Remove the artifacts that no version has any more."""
        kept = {version.artifact for version in self._state.versions() if version.artifact}
        for digest in self._artifacts.collect(kept):
            self._events.add("artifact", f"Removed artifact {digest}: no version has it any more.")
