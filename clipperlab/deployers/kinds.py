"""Which deployer an object has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clipper_container.errors import BadRequest

from ..operations import Operations
from . import custom, lightgbm, onnx, python, pytorch, sklearn, tensorflow, xgboost

if TYPE_CHECKING:
    from ..handles import ModelHandle

_MODULES = {
    "custom": custom,
    "lightgbm": lightgbm,
    "onnx": onnx,
    "python": python,
    "pytorch": pytorch,
    "sklearn": sklearn,
    "tensorflow": tensorflow,
    "xgboost": xgboost,
}
_BOOSTERS = {
    "xgboost": ("XGBoost model", "Booster", "XGBModel"),
    "lightgbm": ("LightGBM model", "Booster", "LGBMModel"),
}


class Kind(NamedTuple):
    """What an object is, and the call that deploys it: with `before` it, after Clipper's four arguments."""

    words: str
    call: str
    before: tuple[Any, ...] = ()

    def deploy(
        self,
        conn: Operations,
        value: Any,
        model: str,
        version: object,
        input_type: str,
        options: Mapping[str, Any],
    ) -> ModelHandle:
        """Raises what the deployer raises."""
        module, _, name = self.call.partition(".")
        deploy: Callable[..., ModelHandle] = getattr(_MODULES[module], name)
        return deploy(conn, model, version, input_type, *self.before, value, **options)


def kind_of(value: Any) -> Kind | None:
    """None where no deployer takes it."""
    if isinstance(value, type):
        return Kind("class", "custom.deploy_model_class")
    if any(base.__module__.startswith("torch.nn") for base in type(value).__mro__):
        return Kind("PyTorch module", "pytorch.deploy_pytorch_model", (None,))
    if tensorflow.is_keras(value) or tensorflow.is_path(value):
        return Kind("TensorFlow model", "tensorflow.deploy_tensorflow_model")
    for base in type(value).__mro__:
        words, *names = _BOOSTERS.get(base.__module__.partition(".")[0], ("",))
        if base.__name__ in names:
            module = base.__module__.partition(".")[0]
            return Kind(words, f"{module}.deploy_{module}_model")
    if hasattr(value, "predict") and hasattr(value, "get_params"):
        return Kind("scikit-learn model", "sklearn.deploy_sklearn_model")
    if isinstance(value, bytes) or hasattr(value, "SerializeToString") or str(value).endswith(".onnx"):
        return Kind("ONNX model", "onnx.deploy_onnx_model")
    if isinstance(value, str) and ":" in value:
        return Kind("class", "custom.deploy_model_class")
    if callable(value):
        return Kind("function", "python.deploy_python_closure")
    return None


def need_kind(value: Any) -> Kind:
    """Raises BadRequest where no deployer takes it."""
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        raise BadRequest(
            "A model that another server has is deployed by deployers.remote.deploy_remote(conn, name, "
            "version, url, protocol=...)."
        )
    if str(value).endswith(".mar"):
        raise BadRequest(
            "A model archive is deployed by deployers.mar.deploy_archive(conn, name, version, path)."
        )
    found = kind_of(value)
    if found is None:
        what = repr(value) if isinstance(value, str | Path) else f"A {type(value).__name__}"
        raise BadRequest(
            f"{what} is nothing that can be deployed: a function of a list of inputs is, a fitted "
            "scikit-learn estimator, a model of XGBoost or LightGBM, a PyTorch module, an ONNX or a "
            'TensorFlow model or its file, a class or "module:Class".'
        )
    return found
