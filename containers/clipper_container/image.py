"""Container images: their names, and what lies upon one that another is made from.

Names carry Clipper Lab's version, and Python's minor version, because a model that was pickled by one minor
version of Python does not load in another.
"""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DATA = "/model"
_OWN = {"sklearn", "pytorch", "onnx", "tensorflow"}
_SAID = 2000


def kind(loader: str, *, gpus: bool = False) -> str:
    """The kind of image that an artifact with this loader needs."""
    if loader == "mar":  # whose handlers are PyTorch's, mostly
        loader = "pytorch"
    if loader not in _OWN:
        return "python"
    return "pytorch-cuda" if loader == "pytorch" and gpus else loader


def tag(image: str, *, python: str = PYTHON, registry: str = "") -> str:
    """The image's name, such as clipper-python:0.1.0-py3.11."""
    version = re.sub(r"[^A-Za-z0-9_.-]", "-", importlib.metadata.version("clipperlab"))
    return f"{in_registry(registry)}clipper-{image}:{version}-py{python}"


def in_registry(registry: str | None) -> str:
    return f"{registry.rstrip('/')}/" if registry else ""


def layer(
    base: str,
    user: str,
    packages: Iterable[str],
    *,
    data: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The recipe of an image upon `base`, which runs as `user`: with packages, and the folder model/."""
    lines = [f"FROM {base}", "USER root"]
    if wanted := shlex.join(packages):
        lines.append(f"RUN pip install --no-cache-dir {wanted}")
    if data:
        lines.append(f"COPY model {DATA}")
    lines += [f'ENV {name}="{value}"' for name, value in (environment or {}).items()]
    return "\n".join([*lines, f"USER {user or 'root'}", ""])


def follow(words: Iterable[Mapping[str, Any]], say: Callable[[str], None] = lambda _: None) -> str | None:
    """Tell what an engine says of a build, push or pull, line by line; return its error with what it said
    before, or None where all went well.
    """
    said = ""
    for word in words:
        for line in str(word.get("stream") or word.get("status") or "").splitlines():
            if line.strip():
                said = f"{said}\n{line.strip()}"[-_SAID:]
                say(line.strip())
        if "error" in word:
            return f"{word['error']}. The engine's last words:{said}"
    return None
