"""Which deployer an object has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipperlab import BadRequest
from clipperlab.deployers.kinds import kind_of, need_kind
from tests.support.clusters import constant


class Estimator:
    def predict(self, inputs: Any) -> Any: ...

    def get_params(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "call"),
    [
        (constant(1), "python.deploy_python_closure"),
        (len, "python.deploy_python_closure"),
        (Estimator(), "sklearn.deploy_sklearn_model"),
        (Estimator, "custom.deploy_model_class"),
        ("package.module:Class", "custom.deploy_model_class"),
        (b"onnx", "onnx.deploy_onnx_model"),
        (Path("model.onnx"), "onnx.deploy_onnx_model"),
    ],
)
def test_an_object_has_its_deployer(value: Any, call: str) -> None:
    found = kind_of(value)
    assert found is not None
    assert found.call == call


@pytest.mark.slow
def test_a_torch_module_has_its_deployer() -> None:
    torch: Any = pytest.importorskip("torch")
    assert need_kind(torch.nn.Linear(1, 1)).call == "pytorch.deploy_pytorch_model"


@pytest.mark.parametrize(
    ("value", "words"), [(5, "A int is nothing"), ("model.pkl", "'model.pkl' is nothing")]
)
def test_what_has_none_is_told_what_there_is(value: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=f"{words} that can be deployed: a function"):
        need_kind(value)


@pytest.mark.parametrize(
    ("value", "deployer"), [("http://host/v2/models/m", "remote"), (Path("a/model.mar"), "mar")]
)
def test_what_has_another_call_is_told_which(value: Any, deployer: str) -> None:
    with pytest.raises(BadRequest, match=rf"deployers\.{deployer}\.deploy_"):
        need_kind(value)
