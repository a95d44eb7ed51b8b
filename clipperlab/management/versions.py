"""Models and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from clipper_container.errors import BadRequest

from ..files import writing
from ..names import check_name, check_version_label
from . import paths
from .calls import Calls


class Version(TypedDict):
    model_name: str
    model_version: str
    input_type: str
    labels: list[str]
    version_labels: list[str]  # by which clients ask for it
    artifact: str | None  # None for a model that runs elsewhere
    batching: str  # "learned", "aimd", "fixed(32)" or "off"
    batch_delay_micros: int
    size: str | None
    columns: dict[str, str] | None  # of data frames, with what each holds
    hang_after_s: float
    max_cached_input: int
    concurrency: int
    uses: list[str]  # models that it calls
    stages: list[list[str]]  # the same, in order
    used_by: list[str]  # versions that call it, as "model:version"
    is_used: bool  # by one that answers, or is about to
    num_replicas: int
    ready_replicas: int
    autoscaling: list[int] | None  # the bounds
    cpu_percent: int | None  # the CPU load at which Kubernetes keeps it, where that scales it
    resources: dict[str, Any]
    python: str
    image: str  # a container image that its owner named
    env: list[str]  # the names of the variables that its replicas were given
    requirements: list[str]
    deployed_by: str
    message: str
    state: str  # "starting", "ready", "crashing" or "failed"
    preparing: str  # how far the making of what its replicas run on is
    warnings: list[str]  # what its replicas say of their model
    error: str | None
    is_current_version: bool
    is_rolled_back_to: bool  # by the next roll-back


class Move(TypedDict):
    version: str
    at: float  # seconds since 1970
    move: (
        str  # "deploy", "set", "rollback" or "rollout"; "failed" or "aborted": a rollout, which moved nothing
    )
    who: str
    message: str


class Versions(Calls):
    def models(self) -> list[Version]:
        versions: list[Version] = self._call("GET", "/models")
        return versions

    def version(self, name: str, version: object, *, wait_s: float = 0) -> Version:
        found: Version = self._call("GET", paths.version(name, version), wait_s=wait_s)
        return found

    def example_input(self, name: str, version: object) -> Any:
        return self._call("GET", f"{paths.version(name, version)}/example")["input"]

    def upload(self, digest: str, artifact: Path) -> None:
        with artifact.open("rb") as file:
            self._call("PUT", f"/artifacts/{digest}", content=file)

    def download(self, digest: str, path: Path) -> None:
        """Raises BadRequest where the file cannot be written."""
        if path.is_dir():
            raise BadRequest(f"{path} is a folder. Name the file: {path / 'model.zip'}.")
        part = path.with_name(f"{path.name}.part")
        with writing(path):
            try:
                with part.open("wb") as file:
                    self._fetch(f"/artifacts/{digest}", file)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def deploy(self, name: str, version: object, fields: dict[str, Any]) -> None:
        """Post a version. Returns at once; `wait_ready` tells what became of it."""
        body = {"version": check_name("version", version), **fields}
        self._call("POST", f"{paths.model(name)}/versions", body)

    def remove_version(self, name: str, version: object) -> None:
        self._call("DELETE", paths.version(name, version))

    def remove_versions(self, versions: Sequence[tuple[str, str]]) -> None:
        """These, each a model and a version, in this order; or none."""
        named = [{"model": name, "version": version} for name, version in versions]
        self._call("POST", "/removals", {"versions": named})

    def set_current(self, name: str, version: object, message: str) -> None:
        body = {"version": check_name("version", version), "message": message}
        self._call("PUT", f"{paths.model(name)}/current", body)

    def set_version_label(self, name: str, label: str, version: object | None) -> None:
        path = f"{paths.model(name)}/labels/{check_version_label(label)}"
        if version is None:
            self._call("DELETE", path)
        else:
            self._call("PUT", path, {"version": check_name("version", version)})

    def roll_back(self, name: str, message: str) -> Version:
        version: Version = self._call("POST", f"{paths.model(name)}/rollback", {"message": message})
        return version

    def history(self, name: str) -> list[Move]:
        moves: list[Move] = self._call("GET", f"{paths.model(name)}/history")
        return moves

    def set_batching(self, name: str, version: object, batching: str, batch_delay_micros: int) -> None:
        body = {"batching": batching, "batch_delay_micros": batch_delay_micros}
        self._call("PUT", f"{paths.version(name, version)}/batching", body)

    def batching(self, name: str, version: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", f"{paths.version(name, version)}/batching")
        return found
