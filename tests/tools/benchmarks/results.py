"""Measurements as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from clipperlab.load.plain import finite


def write(path: Path, measured: object) -> None:
    path.write_text(json.dumps(finite(measured), indent=1) + "\n")
