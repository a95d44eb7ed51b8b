"""Clipper's deployers that are not here, each with the sentence that says what does their work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

from clipper_container.errors import BadRequest

_INSTEAD = {
    "tensorflow": "a class whose __init__ loads the saved model, for deployers.custom.deploy_model_class "
    "with files=[the saved model's folder]",
    "keras": "a class whose __init__ calls keras.models.load_model, for deployers.custom.deploy_model_class "
    "with files=[the model's file]",
    "mxnet": "the model exported to ONNX, for deployers.onnx.deploy_onnx_model; or a class whose __init__ "
    "loads it, for deployers.custom.deploy_model_class with files=[the model's files]",
    "pyspark": "a class whose __init__ makes a local SparkSession and loads the model, for "
    "deployers.custom.deploy_model_class with files=[the model's folder]",
}


def refusing(framework: str) -> SimpleNamespace:
    """A stand-in for Clipper's module, whose functions raise BadRequest."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise BadRequest(
            f"There is no deployer for {framework} here. What serves such a model: {_INSTEAD[framework]}; "
            f'with pkgs_to_install=["{framework}"].'
        )

    return SimpleNamespace(**{f"deploy_{framework}_model": refuse, "create_endpoint": refuse})
