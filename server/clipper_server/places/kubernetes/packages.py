"""A version's own packages on Kubernetes: a container of its pods installs them before the model's begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipper_container import environment

Object = dict[str, Any]
INSTALLER = "packages"
"""The init container, and the volume that it installs into."""
LABEL = {"clipperlab.org/packages": "installed"}
"""Of its pods: a policy lets those reach an index."""
PIP = "clipper-pip"
"""The secret with pip's settings, such as PIP_INDEX_URL, where somebody has made one."""
LIMIT_GIB = 10
_FOLDER = Path("/packages")
_UNKNOWN = ("Unknown", "ContainerStatusUnknown")  # reasons of an end that nobody saw


def install(pod: Object, packages: Sequence[str]) -> None:
    """Have the pod, whose only container is the model's, install them first, with the same user and rights.

    What is the model's own stays its own: its credential, and the variables that its owner gave it.
    """
    (model,) = pod["containers"]
    mounts, volume = model["volumeMounts"], {"name": INSTALLER, "mountPath": str(_FOLDER)}
    settings = {"PIP_NO_CACHE_DIR": "1", "PIP_PROGRESS_BAR": "off"}
    pod["initContainers"] = [
        {
            **model,
            "name": INSTALLER,
            "command": ["python", "-P", "-m", environment.__name__, str(_FOLDER)],
            "args": [package.replace("$", "$$") for package in packages],  # $(NAME) is a variable's value
            "env": [{"name": name, "value": value} for name, value in settings.items()],
            "envFrom": [{"secretRef": {"name": PIP, "optional": True}}],
            "volumeMounts": [*mounts, volume],
        }
    ]
    model["command"] = [environment.python(_FOLDER), "-P", "-m", "clipper_container"]
    model["volumeMounts"] = [*mounts, {**volume, "readOnly": True}]
    pod["volumes"].append({"name": INSTALLER, "emptyDir": {"sizeLimit": f"{LIMIT_GIB}Gi"}})


def names(pod: Object) -> str:
    """Those that it installs, as they were asked for; "" where it has none of its own."""
    found = _installer(pod["spec"].get("initContainers"))
    return ", ".join(package.replace("$$", "$") for package in found.get("args") or [])


def status(pod: Object) -> Object:
    """Of the container that installs them, until it is done; {} of pods without one, and after that."""
    found = _installer(pod["status"].get("initContainerStatuses"))
    return {} if found.get("state", {}).get("terminated", {}).get("exitCode") == 0 else found


def progress(pod: Object, last_line: str) -> str:
    """How far that is, in words, while it runs."""
    return f"pip installs {names(pod)}: {last_line.strip()[:200]}".rstrip(": ")


def failure(pod: Object) -> str:
    """Why they could not be installed when that was last tried; "" where they were, or nobody knows yet, or
    nobody knows any more, as when the node began anew.
    """
    found = status(pod)
    end = found.get("state", {}).get("terminated") or found.get("lastState", {}).get("terminated")
    if end is None or end.get("reason") in _UNKNOWN:
        return ""
    if end.get("reason") == "OOMKilled":
        return (
            f"pip install {names(pod)} takes more memory than a replica may have. Give it more "
            '(resources={"memory": "8Gi"}).'
        )
    if "No module named" in end.get("message", "") and environment.__name__ in end["message"]:
        return "Its image has another Clipper Lab, which installs no packages. Make it anew with this one."
    words = end.get("message", "").strip() or f"It ended with exit code {end['exitCode']}, and said nothing."
    return (
        f"pip install {names(pod)} failed. See that each package's name and version exist for this Python, "
        f"and that pods reach the index that pip uses: a secret {PIP} in the namespace may name another one. "
        f"Its last words:\n\n{words}"
    )


def _installer(containers: Sequence[Object] | None) -> Object:
    return next((found for found in containers or () if found["name"] == INSTALLER), {})
