"""Files that came along in an artifact."""

from __future__ import annotations

import atexit
import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

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


def imported(file: Path) -> ModuleType:
    """The file as a module of its own name, whatever else has that name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module
