"""Deploys TensorFlow's models: SavedModels, Keras models and their files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .folders import files
from .packaging import deploy_endpoint, pack_and_deploy, pickled_function

_FILES = (".keras", ".h5")


@dataclass(frozen=True)
class TensorFlowModel(Model):
    """A model of TensorFlow's.

    tensorflow_model
        The path of a SavedModel's folder or of a Keras file, or a Keras model. Its replicas need TensorFlow:
        in containers their image has it, and on processes `python` or `pkgs_to_install` brings it.
    func
        `func(model, inputs)`, which returns a list as long as `inputs`; `model` is the Keras model, or what
        tf.saved_model.load gives. By default the model gets the inputs as its signature has them: the only
        input stacked, several by name; and the rows of its output are the outputs.
    """

    loader = "tensorflow"
    tensorflow_model: Any
    func: Callable[[Any, Any], Any] | None = None

    def parts(self) -> dict[str, bytes]:
        function = pickled_function(self.func, ("model", "inputs"))
        model = self.tensorflow_model
        if is_keras(model):
            with tempfile.TemporaryDirectory(prefix="clipperlab-") as folder:
                path = Path(folder) / "model.keras"
                model.save(path)
                return {path.name: path.read_bytes(), **function}
        if not isinstance(model, str | Path):
            raise BadRequest(
                "tensorflow_model must be the path of a SavedModel's folder or of a .keras file, or a Keras "
                f"model, not {type(model).__name__}."
            )
        return {**_read(Path(model)), **function}


def is_keras(model: Any) -> bool:
    """Whether it is a Keras model, which is found out without Keras."""
    kinds = type(model).__mro__
    return any(kind.__module__.split(".")[0] in ("keras", "tf_keras") for kind in kinds) and hasattr(
        model, "save"
    )


def is_path(value: Any) -> bool:
    """Whether it is the path of such a model."""
    return isinstance(value, str | Path) and (
        str(value).endswith(_FILES) or (Path(value) / "saved_model.pb").is_file()
    )


def _read(path: Path) -> dict[str, bytes]:
    try:
        if path.is_file() and path.suffix in _FILES:
            return {f"model{path.suffix}": path.read_bytes()}
        if (path / "saved_model.pb").is_file():
            return files(path, "saved_model")
    except OSError as error:
        raise BadRequest(f"The TensorFlow model cannot be read: {error}.") from None
    raise BadRequest(
        f"{path} is no TensorFlow model: it has no saved_model.pb in it, and is no .keras or .h5 file. Save "
        "the model by model.export(folder) or model.save(file)."
    )


@dataclass(frozen=True)
class _Deployment(Deployment, TensorFlowModel, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, TensorFlowModel, EndpointHead): ...


@called_with(_Deployment)
def deploy_tensorflow_model(call: _Deployment) -> ModelHandle:
    """Deploy a TensorFlow model: a SavedModel's folder, a Keras file, or a Keras model.

    It is answered by TensorFlow, in the image or the environment of its replicas; this process needs none.
    Raises BadRequest, ArtifactError where the function cannot be pickled, and what
    `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.tensorflow.deploy_tensorflow_model(conn, "saved", 1, "floats", "model.keras")
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a TensorFlow model and link them: all under one name, or nothing.

    Raises what `deploy_tensorflow_model` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.tensorflow.create_endpoint(conn, "saved", "floats", "model.keras", default_output=[])
    """
    return deploy_endpoint(call)
