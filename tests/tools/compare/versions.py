"""What a system is of: the versions in its environment, asked of that environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .peer import Peer

ASK = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))
"""
MODELS_NEED = ("numpy", "scikit-learn")


def versions(peer: Peer, programs: Path) -> dict[str, str]:
    """By package, Python's own among them, and Java's where it is needed."""
    command: list[str | Path] = [programs / "python", "-c", ASK, *peer.packages, *MODELS_NEED]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    if "java" in peer.needs:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
        found["java"] = said.split('"')[1]
    return found
