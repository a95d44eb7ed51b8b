"""Model archives of TorchServe's and multi-model-server's."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def archived(
    folder: Path,
    handler: str,
    files: Mapping[str, str | bytes],
    *,
    manifest: str = "MAR-INF/MANIFEST.json",
    **about: Any,
) -> Path:
    """As model archivers write it."""
    path = folder / "m.mar"
    model = {"modelName": "m", "modelVersion": "1.0", "handler": handler, **about}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            manifest, json.dumps({"runtime": "python", "model": model, "archiverVersion": "0.12"})
        )
        for name, data in files.items():
            archive.writestr(name, data)
    return path
