"""A client of the management API: one method a route, plain dictionaries out, errors as exceptions."""

from __future__ import annotations

import getpass
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypedDict
from urllib.parse import quote

from clipper_container import errors
from clipper_container.errors import BadRequest, ClusterError, DeployError

from ..names import check_name
from ..places import ClusterRecord

try:
    import httpx2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Speaking to a cluster needs httpx2: pip install "clipperlab[client]"', name=error.name
    ) from None

ANSWER_S = 30.0
LOOK_S = 0.05  # between two looks for what has no long poll
LONG_POLL_S = 25.0  # management holds a long poll for 30 s at most


class Application(TypedDict):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    linked_models: list[str]
    on_overload: str  # "default" or "reject"


class Version(TypedDict):
    model_name: str
    model_version: str
    input_type: str
    labels: list[str]
    artifact: str | None  # None for a model that runs elsewhere
    batching: str  # "learned", "aimd", "fixed(32)" or "off"
    batch_delay_micros: int
    size: str | None
    hang_after_s: float
    max_cached_input: int
    num_replicas: int
    ready_replicas: int
    autoscaling: list[int] | None  # the bounds
    cpu_percent: int | None  # the CPU load at which Kubernetes keeps it, where that scales it
    resources: dict[str, Any]
    python: str
    image: str  # a container image that its owner named
    requirements: list[str]
    deployed_by: str
    message: str
    state: str  # "starting", "ready", "crashing" or "failed"
    preparing: str  # how far the making of what its replicas run on is
    warnings: list[str]  # what its replicas say of their model
    error: str | None
    is_current_version: bool


class GPU(TypedDict):
    memory_used: float  # in bytes, over all GPUs of a replica
    memory: float
    utilisation: float  # their mean, from 0 to 1


class Replica(TypedDict):
    model_id: str
    model_name: str
    model_version: str
    model_replica_id: str
    input_type: str
    state: str  # "starting", "ready", "stopping" or "dead"
    pid: int | None  # None where it runs elsewhere
    num_predictions: int
    gpu: GPU | None  # None where it has none, or does not tell of it


class Move(TypedDict):
    version: str
    at: float  # seconds since 1970
    move: str  # "deploy", "set" or "rollback"
    who: str
    message: str


class Event(TypedDict):
    id: int
    at: float  # seconds since 1970
    kind: str
    subject: dict[str, str]
    text: str


class ApplicationPoint(TypedDict):
    answers: dict[str, float]  # inputs a second: by "model", "rejected", or a default output's reason
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class VersionPoint(TypedDict):
    asked: float  # inputs a second
    waiting: int
    batch_size: float | None  # the mean; None where there was no batch
    compute_ms: float | None  # the mean of a batch
    utilisation: float | None  # from 0 to 1; None without replicas
    capacity: float | None  # of one replica, in inputs a second
    replicas: int


class Point(TypedDict):
    id: int
    at: float  # seconds since 1970
    applications: dict[str, ApplicationPoint]
    versions: dict[str, VersionPoint]  # by "model:version"


class Overview(TypedDict):
    cluster: dict[str, Any]
    applications: list[Application]
    models: list[Version]
    replicas: list[Replica]
    events: list[Event]
    points: list[Point]  # one a second


def credentials(record: ClusterRecord) -> dict[str, str]:
    """Headers that management takes from us.

    `Authorization` is not among them: `kubectl proxy` and the API server's proxy take that for themselves.
    """
    return {"X-Clipper-Token": record.token, "X-Clipper-Who": who()}


class Management:
    """The management frontend of one cluster. May be used from any thread, and from a forked process.

    Every method raises ClusterError where management does not answer, and the error that management
    names otherwise. Names are checked here too, so that they can stand in a URL: BadRequest.
    """

    def __init__(self, record: ClusterRecord) -> None:
        self._cluster_name = record.cluster_name
        # Calls are rare, so each has its own connection: none goes stale when management restarts.
        # The proxies of the environment are for the outside, not for this machine.
        self._http = httpx2.Client(
            base_url=f"http://{record.management}/api/v1",
            headers=credentials(record),
            timeout=httpx2.Timeout(ANSWER_S, connect=5.0),
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = self._call("GET", "/cluster")
        return cluster

    def overview(self, after_event: int | None, after_point: int | None, *, wait_s: float) -> Overview:
        query = {"after_event": after_event, "after_point": after_point}
        known = {name: value for name, value in query.items() if value is not None}
        overview: Overview = self._call("GET", "/overview", wait_s=wait_s, query=known)
        return overview

    def logs(self) -> dict[str, str]:
        logs: dict[str, str] = self._call("GET", "/logs")
        return logs

    def log(self, name: str, after: int) -> tuple[str, int]:
        found: dict[str, Any] = self._call("GET", f"/logs/{quote(name, safe='')}", query={"after": after})
        return found["text"], found["position"]

    def events(self, after: int | None, *, wait_s: float = 0) -> list[Event]:
        query = None if after is None else {"after": after}
        events: list[Event] = self._call("GET", "/events", wait_s=wait_s, query=query)
        return events

    # Applications

    def applications(self) -> list[Application]:
        applications: list[Application] = self._call("GET", "/applications")
        return applications

    def application(self, name: str) -> Application:
        application: Application = self._call("GET", _application(name))
        return application

    def register_application(
        self, name: str, input_type: str, default_output: object, slo_micros: int, on_overload: str
    ) -> None:
        body = {
            "name": check_name("application", name),
            "input_type": input_type,
            "default_output": default_output,
            "latency_slo_micros": slo_micros,
            "on_overload": on_overload,
        }
        self._call("POST", "/applications", body)

    def update_application(self, name: str, fields: dict[str, Any]) -> None:
        self._call("PATCH", _application(name), fields)

    def unregister_application(self, name: str) -> None:
        self._call("DELETE", _application(name))

    def link(self, app_name: str, model_name: str) -> None:
        self._call("PUT", f"{_application(app_name)}/links/{check_name('model', model_name)}")

    def unlink(self, app_name: str, model_name: str) -> None:
        self._call("DELETE", f"{_application(app_name)}/links/{check_name('model', model_name)}")

    # Models

    def models(self) -> list[Version]:
        versions: list[Version] = self._call("GET", "/models")
        return versions

    def version(self, name: str, version: object, *, wait_s: float = 0) -> Version:
        found: Version = self._call("GET", _version(name, version), wait_s=wait_s)
        return found

    def example_input(self, name: str, version: object) -> Any:
        return self._call("GET", f"{_version(name, version)}/example")["input"]

    def upload(self, digest: str, artifact: Path) -> None:
        with artifact.open("rb") as file:
            self._call("PUT", f"/artifacts/{digest}", content=file)

    def deploy(self, name: str, version: object, fields: dict[str, Any]) -> None:
        """Post a version. Returns at once; `wait_ready` tells what became of it."""
        body = {"version": check_name("version", version), **fields}
        self._call("POST", f"{_model(name)}/versions", body)

    def wait_ready(
        self,
        name: str,
        version: object,
        *,
        timeout_s: float,
        said: Callable[[str], None] = lambda _: None,
        look_every_s: float = LONG_POLL_S,
    ) -> None:
        """Return once all replicas that a version should have are ready.

        Raises DeployError, with the model's own traceback, where the version failed; ClusterError after
        `timeout_s`.
        """
        give_up = time.monotonic() + timeout_s
        look_s = LOOK_S  # soon at first, for what is prepared may be told at once and over in a second
        while True:
            wait_s = max(0.0, min(look_s, give_up - time.monotonic()))
            look_s = min(2 * look_s, look_every_s)
            found = self.version(name, version, wait_s=wait_s)
            wrong = found["warnings"][-1] if found["state"] == "starting" and found["warnings"] else ""
            counted = f"{found['ready_replicas']} of {found['num_replicas']} replicas ready"
            said(found["preparing"] or (f"{counted}. {wrong}" if wrong else counted))
            if found["state"] == "ready":
                for warning in found["warnings"]:
                    warnings.warn(f"{name}:{version}: {warning}", stacklevel=3)
                return
            if found["state"] in ("failed", "crashing"):
                raise DeployError(found["error"] or f"{name}:{version} failed, and nothing tells why.")
            if time.monotonic() >= give_up:
                raise ClusterError(
                    f"{name}:{version} has {found['ready_replicas']} of {found['num_replicas']} replicas "
                    f"ready after {timeout_s:g} s, and goes on starting. "
                    f"{wrong or 'get_clipper_logs() tells what it does.'} stop_versioned_models() ends it."
                )

    def wait_dialled(self, name: str, version: object, replica: str, *, timeout_s: float) -> None:
        """Return once a replica that runs elsewhere is ready. Raises ClusterError after `timeout_s`."""
        give_up = time.monotonic() + timeout_s
        while not any(
            (r["model_name"], r["model_version"], r["model_replica_id"], r["state"])
            == (name, str(version), replica, "ready")
            for r in self.replicas()
        ):
            if time.monotonic() > give_up:
                raise ClusterError(
                    f"No query frontend has taken up replica {replica} of {name}:{version} within "
                    f"{timeout_s:g} s. status() tells what runs."
                )
            time.sleep(LOOK_S)

    def remove_version(self, name: str, version: object) -> None:
        self._call("DELETE", _version(name, version))

    def set_current(self, name: str, version: object, message: str) -> None:
        body = {"version": check_name("version", version), "message": message}
        self._call("PUT", f"{_model(name)}/current", body)

    def roll_back(self, name: str, message: str) -> Version:
        version: Version = self._call("POST", f"{_model(name)}/rollback", {"message": message})
        return version

    def history(self, name: str) -> list[Move]:
        moves: list[Move] = self._call("GET", f"{_model(name)}/history")
        return moves

    def set_autoscaling(
        self, name: str, version: object, bounds: tuple[int, int] | None, cpu_percent: int | None = None
    ) -> None:
        path = f"{_version(name, version)}/autoscaling"
        if bounds is None:
            self._call("DELETE", path)
        else:
            cpu = {} if cpu_percent is None else {"cpu_percent": cpu_percent}
            self._call("PUT", path, {"min_replicas": bounds[0], "max_replicas": bounds[1], **cpu})

    def credential(self, name: str, version: object) -> dict[str, str]:
        found: dict[str, str] = self._call("GET", f"{_version(name, version)}/credential")
        return found

    def set_num_replicas(self, name: str, version: object, num_replicas: int) -> None:
        self._call("PUT", f"{_version(name, version)}/replicas", {"num_replicas": num_replicas})

    def set_batching(self, name: str, version: object, batching: str, batch_delay_micros: int) -> None:
        body = {"batching": batching, "batch_delay_micros": batch_delay_micros}
        self._call("PUT", f"{_version(name, version)}/batching", body)

    def batching(self, name: str, version: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", f"{_version(name, version)}/batching")
        return found

    # What was measured

    def why(self, query_id: int) -> dict[str, Any]:
        trace: dict[str, Any] = self._call("GET", f"/queries/{int(query_id)}")
        return trace

    def instance(self) -> dict[str, Any]:
        metrics: dict[str, Any] = self._call("GET", "/instance")
        return metrics

    def metrics(self) -> str:
        text: str = self._call("GET", "/metrics")
        return text

    def replicas(self) -> list[Replica]:
        replicas: list[Replica] = self._call("GET", "/replicas")
        return replicas

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        content: IO[bytes] | None = None,
        wait_s: float = 0,
        query: dict[str, int] | None = None,
    ) -> Any:
        request = self._http.build_request(
            method,
            path,
            content=_json(body) if body is not None else content,
            headers={"Content-Type": "application/json"} if body is not None else None,
            params={**(query or {}), **({"wait_s": wait_s} if wait_s else {})},
            timeout=httpx2.Timeout(ANSWER_S + wait_s, connect=5.0),
        )
        try:
            response = self._http.send(request)
        except httpx2.TransportError as error:
            raise ClusterError(
                f"Management of cluster {self._cluster_name!r} does not answer "
                f"({str(error) or type(error).__name__}). connect(), or "
                f"`clipperlab start --cluster-name {self._cluster_name}`, starts it again."
            ) from error
        if response.is_error:
            raise _error(response)
        if response.headers.get("content-type", "").startswith("text/plain"):
            return response.text
        return response.json() if response.content else None


def _application(name: str) -> str:
    return f"/applications/{check_name('application', name)}"


def _model(name: str) -> str:
    return f"/models/{check_name('model', name)}"


def _version(name: str, version: object) -> str:
    return f"{_model(name)}/versions/{check_name('version', version)}"


def who() -> str:
    """The name of the person, for the history: a hub's, where there is one."""
    try:
        name = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""  # in some containers nobody has a name
    return name.encode("ascii", "replace").decode()


def _json(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise BadRequest(
            f"This cannot be sent as JSON: {error}. Use plain Python numbers, strings, lists and dicts."
        ) from error


def _error(response: httpx2.Response) -> errors.ClipperException:
    try:
        body = response.json()
        return errors.from_name(body["error"], body["message"])
    except (ValueError, KeyError, TypeError):
        return ClusterError(
            f"Management answered {response.status_code} to {response.request.method} "
            f"{response.request.url.path}: {response.text[:300]}. Are the cluster and the workbench of the "
            "same version of clipperlab?"
        )
