"""An artifact that becomes part of an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipper_container import artifact, image
from clipper_container.errors import ArtifactError

from ..files import reading


@dataclass(frozen=True)
class Contained:
    """`kind` is the image that has what its loader needs, and `short` part of its digest."""

    path: Path
    kind: str
    requirements: list[str]
    short: str

    @classmethod
    def read(cls, path: Path) -> Contained:
        """Raises ArtifactError, also where this Python makes no image for it; or BadRequest."""
        with reading(path):
            if not path.is_file():
                raise ArtifactError(f"There is no artifact at {path}. conn.save_artifact() writes one.")
            manifest, digest = artifact.read_manifest(path), artifact.digest(path)
        if manifest.python.rpartition(".")[0] != image.PYTHON:
            raise ArtifactError(
                f"The model was packaged with Python {manifest.python}, and images that are built here have "
                f"Python {image.PYTHON}. Build it with that Python."
            )
        kind = image.kind(manifest.loader)
        return cls(path, kind, manifest.requirements, digest[7:19])
