"""A container's environment and command, from its spec."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib import resources

from .resources import CONFIG_MAPS, SECRETS, SERVICES, Object, quantity
from .store import Store
from .volumes import NotThere, data_of, field

_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")


def entrypoint(image: str) -> list[str]:
    """That of the image: ours have one in their recipe, others none that is known here."""
    name = image.rpartition("/")[2]
    if not name.startswith("clipper-"):
        return []
    kind = "server" if name.startswith("clipper-server") else "model"
    text = (resources.files("clipper_container") / "images" / f"{kind}.Dockerfile").read_text()
    found = re.search(r"^ENTRYPOINT \[(.*)\]$", text, re.MULTILINE)
    assert found is not None, f"the recipe of {image} has no ENTRYPOINT"
    return list(json.loads(f"[{found[1]}]"))


def command(container: Object, variables: dict[str, str], translate: Callable[[str], str]) -> list[str]:
    """Raises NotThere where there is nothing to run."""
    words = (container.get("command") or entrypoint(container["image"])) + (container.get("args") or [])
    if not words:
        raise NotThere("no command specified")
    words = [translate(expand(word, variables)) for word in words]
    return [sys.executable if words[0] in ("python", "python3") else words[0], *words[1:]]


def expand(text: str, variables: dict[str, str]) -> str:
    """$(NAME) is the variable's value, and stays as it is where there is none; $$ is one $."""

    def one(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return _VARIABLE.sub(one, text)


def variables(store: Store, pod: Object, container: Object) -> dict[str, str]:
    """Raises NotThere."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks", True):
        found |= _services(store, namespace)
    for source in container.get("envFrom") or []:
        for resource, wish in ((SECRETS, source.get("secretRef")), (CONFIG_MAPS, source.get("configMapRef"))):
            if wish:
                content = data_of(store, resource, namespace, wish["name"])
                if content is None and not wish.get("optional"):
                    raise NotThere(f'{resource.plural.removesuffix("s")} "{wish["name"]}" not found')
                prefix = source.get("prefix", "")
                found |= {prefix + key: value.decode() for key, value in (content or {}).items()}
    for entry in container.get("env") or []:
        if "valueFrom" not in entry:
            found[entry["name"]] = expand(entry.get("value", ""), found)
        elif (value := _value(store, pod, container, entry["valueFrom"])) is not None:
            found[entry["name"]] = value
    return found


def _value(store: Store, pod: Object, container: Object, source: Object) -> str | None:
    for resource, wish in (
        (SECRETS, source.get("secretKeyRef")),
        (CONFIG_MAPS, source.get("configMapKeyRef")),
    ):
        if wish:
            content = data_of(store, resource, pod["metadata"]["namespace"], wish["name"])
            kind = resource.plural.removesuffix("s")
            if content is None and not wish.get("optional"):
                raise NotThere(f'{kind} "{wish["name"]}" not found')
            value = (content or {}).get(wish["key"])
            if value is None and not wish.get("optional"):
                raise NotThere(f"couldn't find key {wish['key']} in {kind} {wish['name']}")
            return None if value is None else value.decode()
    if wish := source.get("fieldRef"):
        return field(pod, wish["fieldPath"])
    wish = source["resourceFieldRef"]
    kind, _, name = wish["resource"].partition(".")
    divisor = quantity(wish.get("divisor") or "1")
    amount = (container.get("resources", {}).get(kind) or {}).get(name, "0")
    return str(int(-(-quantity(amount) // divisor)))


def _services(store: Store, namespace: str) -> dict[str, str]:
    """{SVC}_SERVICE_HOST and _PORT, of those that are there when a container starts."""
    found = {}
    for service in store.view(SERVICES, namespace):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if address and address != "None" and ports:
            name = service["metadata"]["name"].upper().replace("-", "_")
            found[f"{name}_SERVICE_HOST"] = address
            found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
            for port in ports:
                if port.get("name"):
                    label = port["name"].upper().replace("-", "_")
                    found[f"{name}_SERVICE_PORT_{label}"] = str(port["port"])
    return found
