"""The protocols that remote models are asked by."""

from __future__ import annotations

from ..errors import BadRequest
from .address import Address
from .forms import AzureML, Form, MLflow, SageMaker, SageMakerCSV, TensorFlowServing, TorchServe
from .open_inference import OpenInference

_FORMS: dict[str, type[Form]] = {
    "open-inference": OpenInference,
    "tensorflow-serving": TensorFlowServing,
    "sagemaker": SageMaker,
    "sagemaker-csv": SageMakerCSV,
    "torchserve": TorchServe,
    "azureml": AzureML,
    "mlflow": MLflow,
}


def form_of(protocol: str, address: Address) -> Form:
    """Raises BadRequest."""
    if protocol not in _FORMS:
        raise BadRequest(f"There is no protocol {protocol!r}. Choose one of: {', '.join(_FORMS)}.")
    form = _FORMS[protocol](address)
    if not address.path and not form.path:
        raise BadRequest(
            f"url {address} names no model. By {protocol} it is such as {address}{form.example}."
        )
    return form
