"""Volumes are folders. There are no mounts: where a container's mountPath stands in its command, its
arguments or its environment, the folder's path is put in its place.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from .resources import CLAIMS, CONFIG_MAPS, SECRETS, Object, Resource
from .store import Store

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


class NotThere(Exception):
    """What a pod needs does not exist (yet), in the kubelet's words."""


class Volumes:
    """`account` gives a service account's token; `kept` is where persistent volumes lie."""

    def __init__(self, store: Store, kept: Path, ca: bytes, account: Callable[[str, str], str]) -> None:
        self._store = store
        self._kept = kept
        self._ca = ca
        self._account = account

    def prepare(self, pod: Object, folder: Path) -> dict[str, Path]:
        """Make or refresh the pod's volumes in the folder: each one's path by its name. Raises NotThere."""
        found: dict[str, Path] = {}
        for volume in pod["spec"].get("volumes") or []:
            name = volume["name"]
            found[name] = self._prepare(pod, volume, folder / name)
        path = folder / "account"
        path.mkdir(parents=True, exist_ok=True)
        namespace = pod["metadata"]["namespace"]
        if pod["spec"].get("automountServiceAccountToken", True):
            token = self._account(namespace, pod["spec"].get("serviceAccountName", "default"))
            for file, content in (
                ("token", token.encode()),
                ("ca.crt", self._ca),
                ("namespace", namespace.encode()),
            ):
                (path / file).write_bytes(content)
        found[ACCOUNT_PATH] = path
        return found

    def _prepare(self, pod: Object, volume: Object, path: Path) -> Path:
        namespace = pod["metadata"]["namespace"]
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if claim := volume.get("persistentVolumeClaim"):
            bound = self._store.get(CLAIMS, namespace, claim["claimName"])
            if bound is None or not bound["spec"].get("volumeName"):
                raise NotThere(f'persistentvolumeclaim "{claim["claimName"]}" not found')
            path = self._kept / bound["spec"]["volumeName"]
            path.mkdir(parents=True, exist_ok=True)
            return path
        path.mkdir(parents=True, exist_ok=True)
        sources = (volume.get("projected") or {}).get("sources") or [volume]
        for source in sources:
            if secret := source.get("secret"):
                name = secret.get("secretName") or secret.get("name")
                self._files(SECRETS, namespace, name, secret, path)
            elif config := source.get("configMap"):
                self._files(CONFIG_MAPS, namespace, config["name"], config, path)
            elif downward := source.get("downwardAPI"):
                for item in downward.get("items") or []:
                    _write(path / item["path"], str(field(pod, item["fieldRef"]["fieldPath"])).encode())
            elif token := source.get("serviceAccountToken"):
                account = pod["spec"].get("serviceAccountName", "default")
                _write(path / token["path"], self._account(namespace, account).encode())
        return path

    def _files(self, resource: Resource, namespace: str, name: str, wish: Object, path: Path) -> None:
        content = data_of(self._store, resource, namespace, name)
        if content is None:
            if wish.get("optional"):
                return
            raise NotThere(f'{resource.plural.removesuffix("s")} "{name}" not found')
        items = wish.get("items") or [{"key": key, "path": key} for key in content]
        for item in items:
            if item["key"] not in content:
                raise NotThere(
                    f"references non-existent {resource.plural.removesuffix('s')} key: {item['key']}"
                )
            _write(path / item["path"], content[item["key"]])


def data_of(store: Store, resource: Resource, namespace: str, name: str) -> dict[str, bytes] | None:
    """The contents of a Secret or ConfigMap; None where there is none of that name."""
    thing = store.get(resource, namespace, name)
    if thing is None:
        return None
    if resource == SECRETS:
        return {key: base64.b64decode(text) for key, text in (thing.get("data") or {}).items()}
    found = {key: text.encode() for key, text in (thing.get("data") or {}).items()}
    binary = thing.get("binaryData") or {}
    return found | {key: base64.b64decode(text) for key, text in binary.items()}


def field(pod: Object, path: str) -> str:
    """A field of the pod, as the downward API gives it."""
    meta, status = pod["metadata"], pod.get("status") or {}
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((meta.get(found[1]) or {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = meta.get(path.partition(".")[2]) or {}
        return "".join(f'{key}="{value}"\n' for key, value in sorted(values.items()))
    known = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
    }
    if path not in known:
        raise NotThere(f"unsupported fieldPath: {path}")
    return str(known[path])


def translator(mounts: dict[str, str]) -> Callable[[str], str]:
    """Replaces each path inside by the one outside, where it stands as a path or as the begin of one."""
    if not mounts:
        return lambda text: text
    longest_first = sorted(mounts, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, longest_first))})(?![\w.-])")
    return lambda text: pattern.sub(lambda found: mounts[found[1]], text)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(content)
        shutil.move(temporary, path)
