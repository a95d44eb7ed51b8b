"""The model that a container serves: an artifact in the folder into which SageMaker unpacks it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from clipper_container import artifact
from clipper_container.errors import ArtifactError

from ..snapshot import ApplicationSpec, RequestSpec, Snapshot, VersionSpec

NAME, VERSION = "model", "1"
MAX_JSON = 6_291_456  # bytes: of a request SageMaker passes on no more
_ELSEWHERE = {"pipeline": "calls other models", artifact.IN_THE_IMAGE: "is in an image of its own"}


@dataclass(frozen=True)
class Packaged:
    """An artifact, and what it says of itself."""

    path: Path
    manifest: artifact.Manifest

    @classmethod
    def find(cls, folder: Path) -> Packaged:
        """The only one in the folder. Raises ArtifactError, also where it could not be served here."""
        found = sorted(folder.glob("*.zip"))
        if len(found) != 1:
            there = ", ".join(path.name for path in found) or "none"
            raise ArtifactError(
                f"One artifact, a .zip file, is to be in {folder}, and there is {there}. "
                "`clipperlab save-artifact` writes one, and model.tar.gz has that alone."
            )
        manifest = artifact.read_manifest(found[0])
        if manifest.loader in _ELSEWHERE:
            raise ArtifactError(f"The model {_ELSEWHERE[manifest.loader]}: it cannot be served alone.")
        if lacking := missing(manifest.requirements):
            raise ArtifactError(
                f"The model needs {', '.join(lacking)}, which the image lacks, and nothing is installed when "
                "a container starts. Build the image with it: `clipperlab images build sagemaker "
                "--artifact FILE`."
            )
        return cls(found[0], manifest)

    def snapshot(self, credential: str, objective_s: float) -> Snapshot:
        """What a query frontend serves of it. `credential` is the digest of its replica's token."""
        says = self.manifest
        application = ApplicationSpec(
            NAME, says.input_type, None, int(objective_s * 1e6), [NAME], on_overload="reject"
        )
        version = VersionSpec(
            NAME, VERSION, says.input_type, credential, 1, size=says.size, columns=says.columns
        )
        return Snapshot(1, [application], [version], {NAME: VERSION}, requests=RequestSpec(max_json=MAX_JSON))


def missing(requirements: Iterable[str]) -> list[str]:
    """Those that are not installed here, in such a version, as far as they have names."""
    return [text for text in requirements if not _is_there(text)]


def _is_there(text: str) -> bool:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:  # such as an address
        return True
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)
