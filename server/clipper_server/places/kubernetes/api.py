"""The API server, asked with the official client and answered with plain objects; for what is done once.

Nothing is turned into the client's models: they refuse what they do not know, and take seconds to load.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from urllib3.exceptions import HTTPError

from clipper_container.errors import ClusterError

ANSWER_S = 20.0
TRIES = 5

Object = dict[str, Any]


class Missing(Exception):
    """There is no such object."""


class Forbidden(ClusterError):
    """There is no right to do this."""


class Taken(ClusterError):
    """There is one of that name already."""


class Unreachable(ClusterError):
    """There is no API server that answers, or nobody said where it is."""


class KubernetesAPI:
    """That of a kubeconfig's context. "" is the current one; in a pod without a kubeconfig, the pod's own."""

    def __init__(self, context: str = "") -> None:
        settings = configuration(context)
        if not settings.verify_ssl:  # whoever wrote the kubeconfig knows
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._client = client.ApiClient(settings)
        self.ask("GET", "/version")

    def ask(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object:
        """Again, where the server has too much to do or somebody else was quicker.

        Raises Missing; Taken, Forbidden or another ClusterError, with the server's reason.
        """
        for attempt in range(TRIES):
            try:
                return self._ask(method, path, body, content_type, query or {})
            except client.ApiException as error:
                if error.status == 404:
                    raise Missing(_reason(error)) from error
                if error.status == 403:
                    text = f"The Kubernetes API server does not allow it: {_reason(error)}."
                    raise Forbidden(f"{text} Ask for a role that may.") from error
                if error.status == 409 and method == "POST":
                    raise Taken(f"It is there already: {_reason(error)}") from error
                if error.status not in (409, 429) or attempt == TRIES - 1:
                    text = f"The Kubernetes API server does not do it: {_reason(error)}"
                    raise ClusterError(text) from error
            except (HTTPError, OSError) as error:
                raise Unreachable(
                    f"No Kubernetes API server answers ({error}). `kubectl cluster-info` tells which one "
                    "is asked; KUBECONFIG, or context=, names another one."
                ) from None
            time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def _ask(
        self, method: str, path: str, body: Object | None, content_type: str, query: dict[str, str]
    ) -> Object:
        request = self._client.param_serialize(
            method=method,
            resource_path=path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*request, _request_timeout=ANSWER_S)
        content = response.read()  # type: ignore[no-untyped-call]
        if not 200 <= response.status < 300:
            raise client.ApiException(
                status=response.status, reason=response.reason, body=content.decode(errors="replace")
            )
        found: Object = json.loads(content)
        return found


def _reason(error: client.ApiException) -> str:
    """The server's own word."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def configuration(context: str) -> client.Configuration:
    """Of the kubeconfig's context; or, in a pod where there is no kubeconfig, of its service account."""
    settings = client.Configuration()
    settings.retries = False
    try:
        if not context and in_pod():
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                os.environ.get("KUBECONFIG"), context=context or None, client_configuration=settings
            )
    except (config.ConfigException, OSError) as error:
        raise Unreachable(
            f"There is no Kubernetes cluster to ask: {error}. Set KUBECONFIG, or context= to one of "
            "`kubectl config get-contexts`."
        ) from None
    return settings


def in_pod() -> bool:
    """Whether this process is in a pod and nobody gave it a kubeconfig."""
    has_config = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().exists()
    return "KUBERNETES_SERVICE_HOST" in os.environ and not has_config
