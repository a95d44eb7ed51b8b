"""Files that came along in an artifact."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import ArtifactError


def unpacked(files: Mapping[str, bytes]) -> Path:
    """A folder with these files, which ends with the process. Raises ArtifactError."""
    temporary = tempfile.TemporaryDirectory(prefix="clipper-model-")
    atexit.register(temporary.cleanup)
    folder = Path(temporary.name)
    for name, data in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ArtifactError(f"The artifact's file {name!r} would lie elsewhere. Package it again.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
