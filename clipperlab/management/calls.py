"""One call of the management API: bodies and answers as JSON, errors as exceptions."""

from __future__ import annotations

import getpass
import os
from typing import IO, Any

from clipper_container import errors
from clipper_container.errors import BadRequest, ClusterError
from clipper_container.plain import as_json

from .. import forked
from ..places import ClusterRecord

try:
    import httpx2
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Speaking to a cluster needs httpx2: pip install "clipperlab[client]"', name=error.name
    ) from None

ANSWER_S = 30.0


def credentials(record: ClusterRecord) -> dict[str, str]:
    """Headers that management takes from us.

    `Authorization` is not among them: `kubectl proxy` and the API server's proxy take that for themselves.
    """
    return {"X-Clipper-Token": record.token, "X-Clipper-Who": who()}


class Calls:
    """Calls the management of one cluster."""

    def __init__(self, record: ClusterRecord) -> None:
        self._cluster_name = record.cluster_name
        self._record = record
        self._client: httpx2.Client | None = None
        forked.in_child(self._leave_to_parent)

    def _leave_to_parent(self) -> None:
        """In a forked process: a thread that it has not may have had the client's lock."""
        self._client = None

    @property
    def _http(self) -> httpx2.Client:
        if self._client is None:
            self._client = _client(self._record)
        return self._client

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
            raise self._silent(error) from None
        if response.is_error:
            raise _error(response)
        if response.headers.get("content-type", "").startswith("text/plain"):
            return response.text
        return response.json() if response.content else None

    def _fetch(self, path: str, file: IO[bytes]) -> None:
        """Write what is there, which may be large, into `file`."""
        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                    raise _error(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except httpx2.TransportError as error:
            raise self._silent(error) from None

    def _silent(self, error: httpx2.TransportError) -> ClusterError:
        return ClusterError(
            f"Management of cluster {self._cluster_name!r} does not answer "
            f"({str(error) or type(error).__name__}). connect(), or "
            f"`clipperlab start --cluster-name {self._cluster_name}`, starts its management again, or finds "
            "the cluster where somebody started it anew, perhaps without what was deployed."
        )


def _client(record: ClusterRecord) -> httpx2.Client:
    # Calls are rare, so each has its own connection: none goes stale when management restarts.
    # The proxies of the environment are for the outside, not for this machine. And it is plain HTTP, with
    # nothing to verify: the machine's certificates take 50 ms to read.
    return httpx2.Client(
        base_url=f"http://{record.management}/api/v1",
        headers=credentials(record),
        timeout=httpx2.Timeout(ANSWER_S, connect=5.0),
        limits=httpx2.Limits(max_keepalive_connections=0),
        trust_env=False,
        verify=False,
    )


def who() -> str:
    """The name of the person, for the history: a hub's, where there is one."""
    try:
        name = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""  # in some containers nobody has a name
    return name.encode("ascii", "replace").decode()


def _json(body: dict[str, Any]) -> bytes:
    try:
        return as_json(body)
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
