"""Deploys models that other systems' servers have: a replica asks theirs, in its own protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.loaders.remote import PART, SECRET, Where
from clipper_container.remotes import address, credentials
from clipper_container.remotes.kinds import form_of

from ..handles import ApplicationHandle, ModelHandle
from ..operations import Operations
from .arguments import DEFAULT_SLO_MICROS, Deployment, DeploymentHead, Endpoint, EndpointHead, Model, Options
from .packaging import deploy_endpoint, pack_and_deploy

WAITS_S = 10.0
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[ -~]{1,8000}")
_OURS = frozenset({"host", "content-length", "content-type", "connection", "transfer-encoding", "accept"})


Secret = str | Mapping[str, str]


@dataclass(frozen=True)
class Remote(Model):
    """A model that another server has."""

    loader = "remote"
    url: str
    protocol: str
    waits_s: float

    def parts(self) -> dict[str, bytes]:
        return {PART: msgspec.json.encode(Where(self.url, self.protocol, self.waits_s))}


@dataclass(frozen=True)
class _Deployment(Deployment, Remote, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Remote, EndpointHead): ...


def deploy_remote(
    clipper_conn: Operations,
    name: str,
    version: object,
    url: str,
    *,
    protocol: str = "open-inference",
    input_type: str = "json",
    secret: Secret | None = None,
    request_timeout_s: float = WAITS_S,
    **options: Unpack[Options],
) -> ModelHandle:
    """Deploy a model that another system's server has: its replica asks at `url`, by `protocol`.

    The protocols are open-inference (MLServer, KServe, Triton and others: http://host:8080/v2/models/m),
    tensorflow-serving (http://host:8501/v1/models/m), torchserve (http://host:8080/predictions/m), azureml
    (http://host:5001/score), mlflow and sagemaker (http://host:8080/invocations), and sagemaker-csv for
    containers that take CSV alone. A batch is one request; by torchserve each input is one.

    `secret` is a token, sent as "Authorization: Bearer ...", or a dictionary of headers; or, by sagemaker,
    what boto3 calls aws_access_key_id, aws_secret_access_key, perhaps aws_session_token, and region_name,
    with which requests are signed (http://host/endpoints/m/invocations). It is in the environment of the
    version's replicas, and shown nowhere. A request takes `request_timeout_s` at most, and
    what is not answered within the objective is a default output before. It is sent again, once, only where
    no connection came about, or where a 503 says when. While the server is down, as failures in a row tell,
    it is left alone for a while, and events say so; faults have its own words.

    Each replica has `concurrency` requests under way at once: 4 by default, and by torchserve 64. With an
    `example_input` the server is asked before the version is ready. Its certificate is checked as everywhere
    in Python: env={"SSL_CERT_FILE": ...} names others to trust. On Docker and Kubernetes models have no way
    out of the cluster, and reach servers within it alone. Raises BadRequest, and what
    `ClipperConnection.deploy_model` raises.

    >>> url = f"http://{conn.get_query_addr()}/v2/models/digits"
    >>> handle = deployers.remote.deploy_remote(conn, "theirs", 1, url, input_type="doubles")
    """
    given = _given(url, protocol, secret, request_timeout_s, options)
    call = _Deployment(
        clipper_conn, name, version, input_type, url, protocol, float(request_timeout_s), **given
    )
    return pack_and_deploy(call)


def create_endpoint(
    clipper_conn: Operations,
    name: str,
    url: str,
    *,
    protocol: str = "open-inference",
    input_type: str = "json",
    secret: Secret | None = None,
    request_timeout_s: float = WAITS_S,
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = DEFAULT_SLO_MICROS,
    slo_ms: float | None = None,
    **options: Unpack[Options],
) -> ApplicationHandle:
    """Register an application, deploy a remote model and link them: all under one name, or nothing.

    Raises what `deploy_remote` raises, or AlreadyExists for another application of that name.

    >>> url = f"http://{conn.get_query_addr()}/v2/models/digits"
    >>> app = deployers.remote.create_endpoint(conn, "theirs", url, input_type="doubles", slo_ms=20_000)
    >>> app.predict(X[0])["output"]
    0
    """
    given = _given(url, protocol, secret, request_timeout_s, options)
    call = _Endpoint(
        *(clipper_conn, name, input_type, url, protocol, float(request_timeout_s)),
        default_output=default_output,
        version=version,
        slo_micros=slo_micros,
        slo_ms=slo_ms,
        **given,
    )
    return deploy_endpoint(call)


def _given(
    url: str, protocol: str, secret: Secret | None, waits_s: float, options: Options
) -> dict[str, Any]:
    """The options, with what a remote model is where it was not said otherwise. Raises BadRequest."""
    form_of(protocol, address.read(url))
    if isinstance(waits_s, bool) or not isinstance(waits_s, int | float) or not 0 < waits_s <= 86_400:
        raise BadRequest(f"request_timeout_s must be seconds, such as 10, not {waits_s!r}.")
    usual = {"concurrency": 64, "batching": "off"} if protocol == "torchserve" else {"concurrency": 4}
    given: dict[str, Any] = {**usual, **options}
    if secret is not None:
        headers = _headers(secret)
        if credentials.are_in(headers):
            if not protocol.startswith("sagemaker"):
                raise BadRequest(f"secret: requests by {protocol} are not signed. Give a token, or headers.")
            credentials.Signer(headers, address.read(url))
        given["env"] = {**(options.get("env") or {}), SECRET: json.dumps(headers)}
    return given


def _headers(secret: Secret) -> dict[str, str]:
    """Raises BadRequest, which quotes no value."""
    headers = {"Authorization": f"Bearer {secret}"} if isinstance(secret, str) else secret
    if not isinstance(headers, Mapping) or not headers or secret == "":
        raise BadRequest('secret must be a token, or headers, such as {"X-Api-Key": "..."}.')
    for name, value in headers.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise BadRequest(f"secret: {name!r:.100} cannot be the name of a header with a secret.")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise BadRequest(f"secret: the value of {name} must be a text on one line, of ASCII alone.")
    return dict(headers)
