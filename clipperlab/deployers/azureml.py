"""Deploys a scoring script of Azure ML's: a file with init() and run(data)."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from clipper_container.errors import BadRequest

from ..files import reading
from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .folders import files, paths
from .packaging import deploy_endpoint, pack_and_deploy

MAX_CODE = 32 << 20
"""Bytes of a scoring script's folder, of ..."""
MAX_FILES = 2000


@dataclass(frozen=True)
class ScoringScript(Model):
    """A scoring script.

    scoring_script
        Its path, such as "code/score.py". All of the folder in which it lies travels along, but for what is
        hidden: 32 MiB at most. Its `run` gets the text of {"data": [row, ...]}, and answers an output for
        each row.
    model
        A file or a folder, which is found in AZUREML_MODEL_DIR under its own name.
    """

    loader = "azureml"
    scoring_script: str | Path
    model: str | Path | None = None

    def parts(self) -> dict[str, bytes]:
        script = Path(self.scoring_script)
        _check(script)
        _check_size(script.parent)
        found = {"script.json": json.dumps(script.name).encode(), **files(script.parent, "code")}
        if self.model is not None:
            model = Path(self.model)
            if not model.exists():
                raise BadRequest(f"model: there is no {model}.")
            if model.is_file():
                with reading(model):
                    found[f"model/{model.name}"] = model.read_bytes()
            else:
                found |= files(model, f"model/{model.name}")
        return found


def _check(script: Path) -> None:
    """Raises BadRequest where it is no script with run(data)."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise BadRequest(f"The scoring script cannot be read: {error}.") from None
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if "run" not in names:
        raise BadRequest(f"The scoring script {script.name} has no run(data), which answers. Add one.")


def _check_size(folder: Path) -> None:
    """Nobody named it: it may be the one in which somebody works. Raises BadRequest where it is large."""
    size, largest = 0, (0, folder)
    try:
        for count, path in enumerate(paths(folder), 1):
            of_it = path.stat().st_size
            size, largest = size + of_it, max(largest, (of_it, path))
            if size > MAX_CODE or count > MAX_FILES:
                raise BadRequest(
                    f"The folder of the scoring script, {folder.resolve()}, travels along, and has more than "
                    f"{MAX_CODE >> 20} MiB or {MAX_FILES:,} files; the largest is "
                    f"{largest[1].relative_to(folder)}. Put the script into a folder of its own, and give "
                    "what it loads as model=."
                )
    except OSError as error:
        raise BadRequest(f"The folder {folder} cannot be read: {error}.") from None


@dataclass(frozen=True)
class _Deployment(Deployment, ScoringScript, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, ScoringScript, EndpointHead): ...


@called_with(_Deployment)
def deploy_scoring_script(call: _Deployment) -> ModelHandle:
    """Deploy Azure ML's scoring script, with its folder and its model; `pkgs_to_install` is what it imports.

    Raises BadRequest, and what `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.azureml.deploy_scoring_script(conn, "sums", 1, "doubles", "code/score.py")
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a scoring script and link them: all under one name, or nothing.

    Raises what `deploy_scoring_script` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.azureml.create_endpoint(conn, "sums", "doubles", "code/score.py", default_output=0)
    """
    return deploy_endpoint(call)
