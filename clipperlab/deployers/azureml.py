"""Deploys a scoring script of Azure ML's: a file with init() and run(data)."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .folders import files, paths
from .packaging import deploy_endpoint, pack_and_deploy


@dataclass(frozen=True)
class ScoringScript(Model):
    """A scoring script.

    scoring_script
        Its path, such as "code/score.py". All of the folder in which it lies travels along. Its `run` gets
        the text of {"data": [row, ...]}, and answers an output for each row.
    model
        A file or a folder, which is found in AZUREML_MODEL_DIR under its own name.
    """

    loader = "azureml"
    scoring_script: str | Path
    model: str | Path | None = None

    def parts(self) -> dict[str, bytes]:
        script = Path(self.scoring_script)
        _check(script)
        found = {"script.json": json.dumps(script.name).encode(), **files(script.parent, "code")}
        if self.model is not None:
            model = Path(self.model)
            if not model.exists():
                raise BadRequest(f"model: there is no {model}.")
            for file in [model] if model.is_file() else paths(model):
                found[f"model/{file.relative_to(model.parent).as_posix()}"] = file.read_bytes()
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
