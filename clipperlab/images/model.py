"""Container images with a model in them, for people who ship images instead of artifacts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest
from clipper_container.image import DATA, in_registry, layer, tag

from ..files import reading
from .engine import add_file, engine, make_image, push_image


def build_with_model(
    name: str,
    base: str,
    data: Path,
    *,
    packages: Sequence[str] = (),
    model_class: str = "",
    registry: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Build an image with a model in it, upon `base`, and push it where there is a registry; return its name.

    `data` is the folder or file that becomes /model; `model_class` the class there that answers. `base` is an
    image with Clipper Lab's entry point; "default" is that for models in Python. Raises BadRequest, or
    ClusterError where the engine does not answer or fails.
    """
    if not data.exists():
        raise BadRequest(f"model_data_path: there is no {data}.")
    base = tag("python") if base == "default" else base
    found = in_registry(registry) + name
    environment = {"CLIPPER_MODEL_PATH": DATA, **({"CLIPPER_MODEL": model_class} if model_class else {})}
    with engine() as docker:
        user = _user_of(docker, base)
        recipe = layer(base, user, packages, data=True, environment=environment)
        make_image(docker, _model_context(recipe, data), found, {"org.clipperlab.model": name}, say)
        if registry:
            push_image(docker, found, say)
    return found


def _user_of(docker: Any, base: str) -> str:
    """The user that the image runs as; it is pulled where it is not there."""
    from docker.errors import ImageNotFound

    try:
        found = docker.images.get(base)
    except ImageNotFound:
        found = docker.images.pull(base)
    return str(found.attrs["Config"].get("User") or "")


def _model_context(recipe: str, data: Path) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        add_file(archive, "Dockerfile", recipe.encode())
        with reading(data):
            if data.is_file():
                add_file(archive, f"model/{data.name}", data.read_bytes())
            else:
                for path in sorted(
                    p for p in data.rglob("*") if p.is_file() and "__pycache__" not in p.parts
                ):
                    add_file(archive, f"model/{path.relative_to(data).as_posix()}", path.read_bytes())
    file.seek(0)
    return file
