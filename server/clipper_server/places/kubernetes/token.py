"""The cluster's token, in a secret that the query frontends' pods are given: made by whoever comes first."""

from __future__ import annotations

import base64
import time

from clipper_container.errors import ClusterError

from .api import Forbidden, KubernetesAPI, Missing
from .manifests import NAME, Manifest

SECRET = "clipper-token"
GIVE_UP_S = 60.0
ASK_AGAIN_S = 1.0


def shared_token(namespace: str, wish: str) -> str:
    """The token in the secret; `wish`, where there is no secret yet. Blocks.

    Raises ClusterError where the API server does not do it for a minute.
    """
    give_up = time.monotonic() + GIVE_UP_S
    while True:
        try:
            return _read_or_make(KubernetesAPI(), namespace, wish)
        except Forbidden as error:
            raise ClusterError(
                f"{error} The role `management` in clipper_container/kubernetes/base/accounts.yaml has it."
            ) from None
        except ClusterError:
            if time.monotonic() > give_up:
                raise
        time.sleep(ASK_AGAIN_S)


def _read_or_make(api: KubernetesAPI, namespace: str, wish: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    try:
        found = api.ask("GET", f"{path}/{SECRET}")
        return base64.b64decode(found["data"]["token"]).decode()
    except Missing:
        api.ask("POST", path, manifest(wish))
        return wish


def manifest(token: str) -> Manifest:
    metadata = {"name": SECRET, "labels": NAME}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": token}}
