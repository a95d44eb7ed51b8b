"""Deploys model archives (.mar) of TorchServe's and multi-model-server's."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Unpack

from clipper_container.archives import manifest
from clipper_container.archives.manifest import Manifest
from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from ..operations import Operations
from ..packages import in_text
from .arguments import DEFAULT_SLO_MICROS, Deployment, DeploymentHead, Endpoint, EndpointHead, Model, Options
from .packaging import deploy_endpoint, pack_and_deploy

MOST_TIMES = 100  # as large as packed ...
MAY_BE = 1 << 28  # ... beyond so many bytes


@dataclass(frozen=True)
class ModelArchive(Model):
    """An archive, with all that lies in it. Its handler may `explain` predictions, instead of making some."""

    loader = "mar"
    archive: str | Path
    explain: bool = field(default=False, kw_only=True)

    def parts(self) -> dict[str, bytes]:
        with self._opened() as archive:
            self._manifest(archive)
            files = [each for each in archive.infolist() if not each.is_dir()]
            parts = {f"{manifest.PREFIX}{each.filename}": archive.read(each) for each in files}
            return {**parts, manifest.EXPLAIN: b""} if self.explain else parts

    def packages(self) -> list[str]:
        """Those of its requirements."""
        with self._opened() as archive:
            name = self._manifest(archive).model.requirements_file or "requirements.txt"
            if name not in archive.namelist():
                return []
            return in_text(archive.read(name).decode(), f"{self.archive}: {name}")

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        """Raises BadRequest."""
        try:
            with zipfile.ZipFile(self.archive) as archive:
                self._check(archive.infolist())
                yield archive
        except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, zlib.error, ValueError) as error:
            raise BadRequest(
                f"The archive cannot be read: {error}. torch-model-archiver and model-archiver write such, "
                "as a .mar in their default format."
            ) from None

    def _manifest(self, archive: zipfile.ZipFile) -> Manifest:
        names = set(archive.namelist())
        return manifest.find(lambda name: archive.read(name) if name in names else None)

    def _check(self, files: list[zipfile.ZipInfo]) -> None:
        """Raises BadRequest where files would lie elsewhere, or be far more than they seem."""
        for each in files:
            path = PurePosixPath(each.filename)
            if path.is_absolute() or ".." in path.parts:
                raise BadRequest(f"The archive's file {each.filename!r} would lie elsewhere. Leave it out.")
        size = sum(each.file_size for each in files)
        if size > max(MAY_BE, MOST_TIMES * Path(self.archive).stat().st_size):
            raise BadRequest(
                f"The archive's files have {size >> 20} MiB, more than {MOST_TIMES} times what they have "
                "packed. No model is packed so well: leave out what is in it besides."
            )


@dataclass(frozen=True)
class _Deployment(Deployment, ModelArchive, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, ModelArchive, EndpointHead): ...


def deploy_archive(
    clipper_conn: Operations,
    name: str,
    version: object,
    archive: str | Path,
    *,
    input_type: str = "json",
    explain: bool = False,
    **options: Unpack[Options],
) -> ModelHandle:
    """Deploy a model archive of TorchServe's or multi-model-server's: its handler answers, without either.

    The handler gets a list with {"body": input} for each request of a batch. `input_type` says what a body
    is: "json" what JSON has, "bytes" a picture or any file, "strings" text. Its requirements.txt is
    installed. With `explain` the handler explains predictions, and makes none: TorchServe's clients find what
    explains those of an application `digits` where `digits-explanations` is one. Raises BadRequest, and what
    `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.mar.deploy_archive(conn, "archived", 1, "model.mar", example_input=[1, 2])
    """
    call = _Deployment(clipper_conn, name, version, input_type, archive, explain=explain, **options)
    return pack_and_deploy(call)


def create_endpoint(
    clipper_conn: Operations,
    name: str,
    archive: str | Path,
    *,
    input_type: str = "json",
    explain: bool = False,
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = DEFAULT_SLO_MICROS,
    slo_ms: float | None = None,
    **options: Unpack[Options],
) -> ApplicationHandle:
    """Register an application, deploy an archive and link them: all under one name, or nothing.

    Raises what `deploy_archive` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.mar.create_endpoint(conn, "archived", "model.mar", slo_ms=500)
    """
    call = _Endpoint(
        *(clipper_conn, name, input_type, archive),
        explain=explain,
        default_output=default_output,
        version=version,
        slo_micros=slo_micros,
        slo_ms=slo_ms,
        **options,
    )
    return deploy_endpoint(call)
