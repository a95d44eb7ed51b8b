"""Measurements as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(path: Path, measured: object) -> None:
    path.write_text(json.dumps(finite(measured), indent=1) + "\n")


def finite(value: Any) -> Any:
    """As JSON can have it: what could not be measured is null."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
