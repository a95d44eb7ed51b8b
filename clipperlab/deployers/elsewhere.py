"""Clipper's deployers that are not here, each with the sentence that says what does their work."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NoReturn

from clipper_container.errors import BadRequest

_INSTEAD = {
    "keras": "the model itself or its .keras file, with deployers.tensorflow.deploy_tensorflow_model",
    "mxnet": "the model exported to ONNX, for deployers.onnx.deploy_onnx_model; or a class whose __init__ "
    "loads it, for deployers.custom.deploy_model_class with files=[the model's files] and "
    'pkgs_to_install=["mxnet"]',
    "pyspark": "a class whose __init__ makes a local SparkSession and loads the model, for "
    "deployers.custom.deploy_model_class with files=[the model's folder] and "
    'pkgs_to_install=["pyspark"]',
}


def refusing(framework: str) -> ModuleType:
    """A stand-in for Clipper's module, whose functions raise BadRequest, and can be imported from it."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise BadRequest(
            f"There is no deployer for {framework} here. What serves such a model: {_INSTEAD[framework]}."
        )

    module = ModuleType(f"{__package__}.{framework}")
    vars(module).update({f"deploy_{framework}_model": refuse, "create_endpoint": refuse})
    sys.modules[module.__name__] = module
    return module
