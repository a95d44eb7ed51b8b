"""Container images, built from the installed package: no source tree is needed.

An image's tag carries the version of Clipper Lab and the minor version of Python, because a model that was
pickled by one minor version does not load in another.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest, ClusterError
from clipper_container.image import PYTHON, tag

from . import __version__

_BASE = ("numpy", "msgspec", "cloudpickle")
_SERVER = (
    *_BASE,
    "docker",
    "fastapi",
    "httptools",
    "httpx2",
    "prometheus-client",
    "psutil",
    "uvicorn",
    "uvloop",
)
PACKAGES: dict[str, tuple[str, ...]] = {
    "server": _SERVER,
    "python": _BASE,
    "sklearn": (*_BASE, "scikit-learn"),
    "pytorch": (*_BASE, "torch"),
    "onnx": (*_BASE, "onnxruntime"),
}
"""What is installed in each image, in the versions that are installed here."""


def build(
    names: Sequence[str],
    *,
    base: str = "",
    registry: str = "",
    push: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Build these images on the engine of the environment; return their tags.

    `base` is the image to build upon, by default Python's own slim one. `registry` is put before the tags,
    and with `push` they are pushed there. `say` gets the engine's words. Raises BadRequest for a name that
    there is not, and ClusterError where the engine does not answer or fails.
    """
    import docker
    from docker.errors import DockerException

    unknown = set(names) - set(PACKAGES)
    if unknown:
        raise BadRequest(f"There is no image {', '.join(sorted(unknown))}. Images: {', '.join(PACKAGES)}.")
    base = base or f"python:{PYTHON}-slim"
    tags = []
    try:
        engine = docker.from_env(timeout=600)
        for name in names:
            found = tag(name, registry=registry)
            arguments = {"BASE": base, "PACKAGES": " ".join(map(_pinned, PACKAGES[name]))}
            words = engine.api.build(
                fileobj=_context(name),
                custom_context=True,
                dockerfile="Dockerfile",
                buildargs=arguments,
                tag=found,
                labels={"org.clipperlab.image": name, "org.clipperlab.version": __version__},
                rm=True,
                forcerm=True,
                decode=True,
            )
            _follow(words, f"Image {found} could not be built", say)
            if push:
                repository, _, version = found.rpartition(":")
                words = engine.api.push(repository, version, stream=True, decode=True)
                _follow(words, f"Image {found} could not be pushed", say)
            tags.append(found)
    except DockerException as error:
        raise ClusterError(
            f"The Docker engine does not do it: {error}. `docker info` tells whether one runs, and "
            "DOCKER_HOST says which is asked."
        ) from error
    return tags


def _follow(words: Iterator[dict[str, Any]], failed: str, say: Callable[[str], None]) -> None:
    said = ""
    for word in words:
        text = str(word.get("stream") or word.get("status") or "").strip()
        if text:
            said = f"{said}\n{text}"[-2000:]
            say(text)
        if "error" in word:
            raise ClusterError(f"{failed}: {word['error']}. The engine's last words:{said}")


def _pinned(package: str) -> str:
    """As it is installed here; the newest one where it is not."""
    try:
        version = importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return package
    return f"{package}=={version}"


def _context(name: str) -> io.BytesIO:
    """What is sent to the engine: the packages' code, and the Dockerfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for package in ("clipper_container", *(["clipper_server"] if name == "server" else [])):
            _add_package(archive, package)
        recipe = (
            _folder("clipper_container")
            / "images"
            / f"{'server' if name == 'server' else 'model'}.Dockerfile"
        )
        _add(archive, "Dockerfile", recipe.read_bytes())
        _add(archive, ".dockerignore", b"Dockerfile\n.dockerignore\n")
        metadata = f"Metadata-Version: 2.1\nName: clipperlab\nVersion: {__version__}\n"
        _add(archive, f"clipperlab-{__version__}.dist-info/METADATA", metadata.encode())
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
        _add(archive, f"{package}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    # Without times and owners: the same content is the same layer.
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))
