"""A client of the management API: one method a route, plain dictionaries out, errors as exceptions."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import IO, Any, TypedDict

from clipper_container import errors
from clipper_container.errors import BadRequest, ClusterError, DeployError

from .managers import ClusterRecord
from .names import check_name

try:
    import httpx2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Speaking to a cluster needs httpx2: pip install "clipperlab[client]"', name=error.name
    ) from None

ANSWER_S = 30.0
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
    artifact: str
    batching: str  # "learned", "aimd", "fixed(32)" or "off"
    batch_delay_micros: int
    size: str | None
    hang_after_s: float
    max_cached_input: int
    num_replicas: int
    ready_replicas: int
    state: str  # "starting", "ready" or "failed"
    error: str | None
    is_current_version: bool


class Replica(TypedDict):
    model_id: str
    model_name: str
    model_version: str
    model_replica_id: str
    input_type: str
    state: str  # "starting", "ready", "stopping" or "dead"
    pid: int
    num_predictions: int


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
            headers={"Authorization": f"Bearer {record.token}"},
            timeout=httpx2.Timeout(ANSWER_S, connect=5.0),
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def cluster(self) -> dict[str, Any]:
        cluster: dict[str, Any] = self._call("GET", "/cluster")
        return cluster

    def logs(self) -> dict[str, str]:
        logs: dict[str, str] = self._call("GET", "/logs")
        return logs

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

    def upload(self, digest: str, artifact: Path) -> None:
        with artifact.open("rb") as file:
            self._call("PUT", f"/artifacts/{digest}", content=file)

    def deploy(self, name: str, version: object, fields: dict[str, Any]) -> None:
        """Post a version. Returns at once; `wait_ready` tells what became of it."""
        body = {"version": check_name("version", version), **fields}
        self._call("POST", f"/models/{check_name('model', name)}/versions", body)

    def wait_ready(self, name: str, version: object, *, timeout_s: float) -> None:
        """Return once all replicas that a version should have are ready.

        Raises DeployError, with the model's own traceback, where the version failed; ClusterError after
        `timeout_s`.
        """
        give_up = time.monotonic() + timeout_s
        while True:
            wait_s = max(0.0, min(LONG_POLL_S, give_up - time.monotonic()))
            found = self.version(name, version, wait_s=wait_s)
            if found["state"] == "ready":
                return
            if found["state"] == "failed":
                raise DeployError(found["error"] or f"{name}:{version} failed, and nothing tells why.")
            if time.monotonic() >= give_up:
                raise ClusterError(
                    f"{name}:{version} has {found['ready_replicas']} of {found['num_replicas']} replicas "
                    f"ready after {timeout_s:g} s, and goes on starting. get_clipper_logs() tells what it "
                    "does; stop_versioned_models() ends it."
                )

    def remove_version(self, name: str, version: object) -> None:
        self._call("DELETE", _version(name, version))

    def set_current(self, name: str, version: object) -> None:
        body = {"version": check_name("version", version)}
        self._call("PUT", f"/models/{check_name('model', name)}/current", body)

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
    ) -> Any:
        request = self._http.build_request(
            method,
            path,
            content=_json(body) if body is not None else content,
            headers={"Content-Type": "application/json"} if body is not None else None,
            params={"wait_s": wait_s} if wait_s else None,
            timeout=httpx2.Timeout(ANSWER_S + wait_s, connect=5.0),
        )
        try:
            response = self._http.send(request)
        except httpx2.TransportError as error:
            raise ClusterError(
                f"Management of cluster {self._cluster_name!r} does not answer "
                f"({error or type(error).__name__}). connect(), or "
                f"`clipperlab start --cluster-name {self._cluster_name}`, starts it again."
            ) from error
        if response.is_error:
            raise _error(response)
        if response.headers.get("content-type", "").startswith("text/plain"):
            return response.text
        return response.json() if response.content else None


def _application(name: str) -> str:
    return f"/applications/{check_name('application', name)}"


def _version(name: str, version: object) -> str:
    return f"/models/{check_name('model', name)}/versions/{check_name('version', version)}"


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
