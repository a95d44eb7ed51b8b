"""Deployers: from a Python object to a deployed version, in one call.

A function that a deployer takes gets a list of inputs and returns a list of the same length. Each module has
`create_endpoint`, which registers the application and links the model too, all under one name.
One more framework is one more module like `sklearn`: what `arguments.Model` asks for, and two calls; and a
line in `kinds`, by which `conn.deploy` finds it.
"""

from . import (
    azureml,
    custom,
    lightgbm,
    mar,
    mlflow,
    onnx,
    pipeline,
    python,
    pytorch,
    remote,
    sklearn,
    tensorflow,
    xgboost,
)
from .elsewhere import refusing

keras = refusing("keras")
mxnet = refusing("mxnet")
pyspark = refusing("pyspark")

__all__ = [
    "azureml",
    "custom",
    "keras",
    "lightgbm",
    "mar",
    "mlflow",
    "mxnet",
    "onnx",
    "pipeline",
    "pyspark",
    "python",
    "pytorch",
    "remote",
    "sklearn",
    "tensorflow",
    "xgboost",
]
