"""Container images, built from the installed package: no source tree is needed.

An image's tag carries the version of Clipper Lab and the minor version of Python, because a model that was
pickled by one minor version does not load in another.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.image import PYTHON, tag
from clipper_container.near import meant

from ..packages import name_of, pinned
from . import requirements
from .contained import Contained
from .engine import add_file, add_folder, engine, make_image, push_image
from .requirements import Requirements

_BASE = ("numpy", "msgspec", "cloudpickle")
_SERVER = (
    *_BASE,
    "docker",
    "fastapi",
    "grpcio",
    "grpcio-health-checking",
    "grpcio-reflection",
    "httptools",
    "httpx2",
    "kubernetes",
    "packaging",
    "prometheus-client",
    "protobuf",
    "psutil",
    "uvicorn",
    "uvloop",
)
_FRONTEND = ("httptools", "httpx2", "packaging", "prometheus-client", "starlette", "uvicorn", "uvloop")
"""What a query frontend needs that has REST alone, and no management."""
_RECIPES = {"server": "server", "sagemaker": "sagemaker"}
PACKAGES: dict[str, tuple[str, ...]] = {
    "server": _SERVER,
    "python": _BASE,
    "sklearn": (*_BASE, "scikit-learn", "pandas"),
    "pytorch": (*_BASE, "torch"),
    "pytorch-cuda": (*_BASE, "torch"),
    "onnx": (*_BASE, "onnxruntime"),
    "tensorflow": (*_BASE, "tensorflow"),
    "sagemaker": (*_BASE, "scikit-learn", "pandas", *_FRONTEND),
}
"""What is installed in each image, in the versions that are installed here (`requirements`)."""
_NUMBERS = "numpy, msgspec, cloudpickle"
_SERVING = (
    "docker, fastapi, grpc.aio, grpc_health.v1.health, grpc_reflection.v1alpha.reflection, httpx2, "
    "kubernetes.aio.client, prometheus_client, psutil, uvicorn, uvloop"
)
_LISTENING = "httpx2, prometheus_client, starlette.applications, uvicorn, uvloop"
IMPORTS = {
    "server": f"{_NUMBERS}, {_SERVING}",
    "python": _NUMBERS,
    "sklearn": f"{_NUMBERS}, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline",
    "pytorch": f"{_NUMBERS}, torch",
    "pytorch-cuda": f"{_NUMBERS}, torch",
    "onnx": f"{_NUMBERS}, onnxruntime",
    "tensorflow": f"{_NUMBERS}, tensorflow",
    "sagemaker": f"{_LISTENING}, {_NUMBERS}, sklearn.ensemble, sklearn.linear_model, sklearn.pipeline",
}
"""Of that, what is compiled when an image is built, because it is imported by most of what starts in it."""


def build(
    names: Sequence[str],
    *,
    base: str = "",
    registry: str = "",
    push: bool = False,
    pip_options: str = "",
    artifact: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Build these images on the engine of the environment; return their tags.

    `base` is the image to build upon, by default Python's own slim one. `registry` is put before the tags,
    and with `push` they are pushed there. `pip_options` are options of pip's, such as another index for
    builds of torch. With an `artifact`, the path of a packaged model, the image `sagemaker` has that model
    and what it needs. `say` gets the engine's words. Raises BadRequest for a name that there is not,
    ArtifactError, and ClusterError where the engine does not answer or fails.
    """
    unknown = set(names) - set(PACKAGES)
    if unknown:
        told = f"{', '.join(sorted(unknown))}.{meant(min(unknown), PACKAGES)}"
        raise BadRequest(f"There is no image {told} Images: {', '.join(PACKAGES)}.")
    if artifact is not None and list(names) != ["sagemaker"]:
        raise BadRequest("An artifact is for the image sagemaker alone: other images get theirs later.")
    model = None if artifact is None else Contained.read(Path(artifact))
    tags = []
    with engine() as docker:
        for name in names:
            found = tag(name if model is None else f"{name}-{model.short}", registry=registry)
            needs, imports = requirements.of(PACKAGES[name]), IMPORTS[name]
            if model is not None:
                needs, imports = _needed(model), f"{_LISTENING}, {IMPORTS[model.kind]}"
            if needs.others:
                say(f"{found} installs these without hashes: {', '.join(needs.others.split())}\n")
            arguments = {
                "BASE": base or f"python:{PYTHON}-slim",
                "PIP_OPTIONS": pip_options,
                "IMPORTS": imports,
                "CUDA": "1" if name.endswith("-cuda") else "",
            }
            context = _context(name, needs, model)
            make_image(docker, context, found, {"org.clipperlab.image": name}, say, arguments)
            if push:
                push_image(docker, found, say)
            tags.append(found)
    return tags


def _needed(model: Contained) -> Requirements:
    """What a container with it needs, in the model's own versions where it names any."""
    own = set(map(name_of, model.requirements))
    ours = [each for each in (*PACKAGES[model.kind], *_FRONTEND) if name_of(each) not in own]
    if not own:
        return requirements.of(ours)
    found = [version for each in ours for version in pinned(each) or [each]]
    return requirements.together([*found, *model.requirements])


def _context(name: str, needs: Requirements, model: Contained | None) -> io.BytesIO:
    """What is sent to the engine: the packages' code, and the Dockerfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for package in ("clipper_container", *(["clipper_server"] if name in _RECIPES else [])):
            _add_package(archive, package)
        recipe = _folder("clipper_container") / "images" / f"{_RECIPES.get(name, 'model')}.Dockerfile"
        add_file(archive, "Dockerfile", recipe.read_bytes())
        add_file(archive, ".dockerignore", b"Dockerfile\n.dockerignore\n")
        version = importlib.metadata.version("clipperlab")
        metadata = f"Metadata-Version: 2.1\nName: clipperlab\nVersion: {version}\n"
        add_file(archive, f"clipperlab-{version}.dist-info/METADATA", metadata.encode())
        add_file(archive, "requirements/locked.txt", needs.locked.encode())
        add_file(archive, "requirements/others.txt", needs.others.encode())
        if name == "sagemaker":
            add_folder(archive, "model")
        if model is not None:
            add_file(archive, "model/artifact.zip", model.path.read_bytes())
    file.seek(0)
    return file


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ClusterError(f'{package} is not installed here: pip install "clipperlab[server]"')
    return Path(spec.origin).parent


def _add_package(archive: tarfile.TarFile, package: str) -> None:
    folder = _folder(package)
    for path in sorted(folder.rglob("*.py")):
        add_file(archive, f"{package}/{path.relative_to(folder).as_posix()}", path.read_bytes())
