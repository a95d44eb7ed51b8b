"""Finds packages that a model uses here, and that had another version where it was packaged."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress

# Packages whose modules have another name. Others are looked for under their own.
_MODULES = {
    "scikit-learn": "sklearn",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "opencv-python": "cv2",
    "xgboost-cpu": "xgboost",
}


def mismatches(packaged: Mapping[str, str], imported: Collection[str] | None = None) -> list[str]:
    """A sentence for each package that is `imported` by now, and is of another series than in `packaged`.

    Versions that differ in their third part only are of one series.
    """
    modules = sys.modules if imported is None else imported
    found = []
    for name, there in packaged.items():
        if _MODULES.get(name, name.replace("-", "_")) in modules:
            with suppress(importlib.metadata.PackageNotFoundError):
                here = importlib.metadata.version(name)
                if _series(here) != _series(there):
                    found.append(f"{name} is {here} here, and was {there} where the model was packaged.")
    return found


def _series(version: str) -> list[str]:
    return version.partition("+")[0].split(".")[:2]
