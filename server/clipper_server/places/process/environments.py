"""Python environments for models that need packages of their own: virtual ones, made once and kept."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clipper_container import environment
from clipper_container.errors import BadRequest, DeployError

from .. import Runtime

BUILD_S = 900.0
KEPT = 8  # environments that nobody needs are removed, the longest unused first, but for so many
_VERSION = "import platform; print(platform.python_version())"


class Environments:
    """Those in one folder. Builders of the same environment take turns, also between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python(self, runtime: Runtime) -> str:
        """The interpreter that a replica runs on. Raises BadRequest where there is none that could."""
        base = base_python(runtime)
        return environment.python(self._place(base, runtime)) if runtime.requirements else base

    async def build(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        """See that the interpreter is there, and has what it needs. Raises DeployError or BadRequest."""
        await asyncio.to_thread(self._build, runtime, say)

    def _build(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        base = base_python(runtime)
        if base != sys.executable:
            _check_base(base)
        if not runtime.requirements:
            return
        place = self._place(base, runtime)
        self._folder.mkdir(exist_ok=True)
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / environment.WHOLE).exists():
                wanted = ", ".join(runtime.requirements)
                say(f"pip installs {wanted}")
                command = [base, "-P", "-m", environment.__name__, str(place), *runtime.requirements]
                try:
                    _run(command, f"pip install {wanted}")
                except BaseException:
                    shutil.rmtree(place, ignore_errors=True)
                    raise
            os.utime(place)
        self._remove_old(place)

    def _place(self, base: str, runtime: Runtime) -> Path:
        key = json.dumps([base, runtime.python_version, sorted(runtime.requirements)])
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:16]

    def _remove_old(self, used: Path) -> None:
        places = sorted((p for p in self._folder.iterdir() if p.is_dir()), key=lambda p: -p.stat().st_mtime)
        for place in places[KEPT:]:
            if place != used:
                shutil.rmtree(place, ignore_errors=True)
                place.with_suffix(".lock").unlink(missing_ok=True)


def base_python(runtime: Runtime) -> str:
    """The path of the interpreter that is there for it. Raises BadRequest where none is."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not runtime.python:
        return sys.executable
    if os.access(runtime.python, os.X_OK):
        return runtime.python
    if runtime.python_version and runtime.python_version.split(".")[:2] == here.split("."):
        return sys.executable
    packaged = f"Python {runtime.python_version}, " if runtime.python_version else ""
    raise BadRequest(
        f"The model wants the interpreter {packaged}{runtime.python}, which is not on this machine. Name one "
        f"that is with python=..., or package the model with Python {here}."
    )


def _check_base(python: str) -> None:
    try:
        _run([python, "-P", "-c", f"import {environment.__name__}"], "")
    except DeployError as error:
        raise DeployError(
            f"The interpreter {python} cannot run a model container: clipperlab is not installed there, or "
            f"not usable ({str(error).splitlines()[-1].strip()}). Install clipperlab there, or name another "
            "one with python=..."
        ) from None


def _run(command: list[str], what: str) -> str:
    """What the command prints. Raises DeployError with its last words."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("CLIPPER_", "PYTHON"))}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_S,
            env=variables,
        )
    except subprocess.TimeoutExpired:
        raise DeployError(f"{what} took more than {BUILD_S:.0f} s and was ended.") from None
    except OSError as error:
        raise DeployError(f"{what} cannot be run: {error}.") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise DeployError(
            f"{what} failed. See that each package's name and version exist for this Python, and that the "
            f"machine reaches the index that pip uses. Its last words:\n\n{words}"
        )
    return done.stdout
