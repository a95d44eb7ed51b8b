"""The Docker engine of the environment, seen from the workbench: images are built on it and pushed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from clipper_container.errors import ClusterError
from clipper_container.image import follow


@contextmanager
def engine() -> Iterator[Any]:
    """The client of the environment's engine. What it raises in the block is raised as ClusterError."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=600)
        try:
            yield client
        finally:
            client.close()
    except DockerException as error:
        raise ClusterError(
            f"The Docker engine does not do it: {error}. `docker info` tells whether one runs, and "
            "DOCKER_HOST says which is asked."
        ) from error


def make_image(
    docker: Any,
    context: io.BytesIO,
    name: str,
    labels: dict[str, str],
    say: Callable[[str], None],
    arguments: dict[str, str] | None = None,
) -> None:
    words = docker.api.build(
        fileobj=context,
        custom_context=True,
        dockerfile="Dockerfile",
        buildargs=arguments,
        tag=name,
        labels={"org.clipperlab.version": version("clipperlab"), **labels},
        rm=True,
        forcerm=True,
        decode=True,
    )
    _follow(words, f"Image {name} could not be built", say)


def push_image(docker: Any, name: str, say: Callable[[str], None]) -> None:
    repository, _, number = name.rpartition(":")
    words = docker.api.push(repository, number, stream=True, decode=True)
    _follow(words, f"Image {name} could not be pushed", say)


def _follow(words: Iterable[dict[str, Any]], failed: str, say: Callable[[str], None]) -> None:
    if error := follow(words, say):
        raise ClusterError(f"{failed}: {error}")


def add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    # Without times and owners: the same content is the same layer.
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))


def add_folder(archive: tarfile.TarFile, name: str) -> None:
    """An empty one, which may be filled."""
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    member.mode = 0o755
    archive.addfile(member)
