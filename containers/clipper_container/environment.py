"""Environments with packages of a model's own: `python -m clipper_container.environment FOLDER PACKAGE`.

It sees what the interpreter that makes it sees, and before that what was asked for. So a model has the
packages that it was made with, and the replica's own code, without either being installed again.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

WHOLE = ".whole"  # is in an environment that was built to the end


def make(place: Path, packages: Iterable[str]) -> int:
    """pip's exit code; 0 at once where the environment is there. What a failed try has left is removed."""
    if (place / WHOLE).exists():
        return 0
    venv.create(place, clear=True, symlinks=True)
    base = {"base": str(place), "platbase": str(place)}
    lines = [f"import site; site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    Path(sysconfig.get_path("purelib", "venv", base), "base.pth").write_text("\n".join(lines) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python(place), "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(dir=place) as scratch:  # what is unpacked may be too large for /tmp
        environment = {**os.environ, "TMPDIR": scratch}
        code = subprocess.run([*pip, "install", "--no-input", *packages], env=environment).returncode
    if code == 0:
        (place / WHOLE).touch()
    return code


def python(place: Path) -> str:
    """The path of its interpreter."""
    return str(place / "bin" / "python")


if __name__ == "__main__":
    sys.exit(make(Path(sys.argv[1]), sys.argv[2:]))
