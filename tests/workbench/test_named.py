"""Models that take several named arrays, and that give several outputs: how they are deployed, and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipper_container import artifact
from clipper_container.artifact import Manifest
from clipper_container.loaders import load
from clipperlab import BadRequest, ClipperConnection, rows
from clipperlab.deployers.columns import has_arrays
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.sklearn import deploy_sklearn_model
from clipperlab.workbench.typed import parse
from tests.support.clusters import constant

EXAMPLE = {"ids": np.array([3, 7]), "scale": np.float32(0.5), "text": "x"}
SIGNATURE = {"ids": "int64[-1]", "scale": "float32", "text": "text"}


class _Recorder:
    """Stands in for a connection: keeps what a deployer packed."""

    manifest: Manifest

    def deploy_model(self, *_args: Any, artifact: Path, **_options: Any) -> None:
        self.manifest = packed(artifact)


def packed(path: Path) -> Manifest:
    return artifact.read_manifest(path)


def scores(arrays: Any) -> Any:
    import numpy as np

    total = arrays["ids"].sum(1) * arrays["scale"]
    return {"total": total, "first": arrays["ids"][:, :1], "text": np.char.upper(arrays["text"].astype(str))}


scores.__module__ = "__main__"  # packaged by value: a replica cannot import this module


def test_an_example_is_the_signature() -> None:
    conn: Any = _Recorder()
    deploy_python_closure(conn, "m", 1, "named", constant(1), example_input=EXAMPLE)
    assert conn.manifest.columns == SIGNATURE
    assert conn.manifest.example_input == {"ids": [3, 7], "scale": 0.5, "text": "x"}
    image = np.linspace(0, 1, 100, dtype=np.float32)
    deploy_python_closure(conn, "m", 1, "named", constant(1), example_input={"image": image})
    assert conn.manifest.example_input == {"image": rows.one("ndarray", image)}
    with pytest.raises(BadRequest, match="Nothing tells the arrays that the model takes"):
        deploy_python_closure(conn, "m", 1, "named", constant(1))
    with pytest.raises(BadRequest, match="is a list, and inputs are named arrays"):
        deploy_python_closure(conn, "m", 1, "named", constant(1), example_input=[1, 2])
    with pytest.raises(BadRequest, match=r"Deploy it with func\(model, inputs\), which gets a dictionary"):
        deploy_sklearn_model(conn, "m", 1, "named", object(), example_input=EXAMPLE)


def test_an_example_with_arrays_is_one_of_named_arrays() -> None:
    assert has_arrays(EXAMPLE)
    for other in ({"a": 1}, [np.zeros(2)], None, np.zeros(2)):
        assert not has_arrays(other)


def test_named_arrays_are_asked_as_people_have_them() -> None:
    torch_like = type(
        "Tensor", (), {"detach": lambda s: s, "cpu": lambda s: s, "numpy": lambda s: np.ones(2)}
    )
    assert rows.one("named", {"a": torch_like(), "b": b"\0", "c": (1, 2), "d": "x"}) == {
        **{"a": [1.0, 1.0], "b": "AA==", "c": [1, 2], "d": "x"},
    }
    large = np.full((10, 10), np.inf, np.float16)
    assert rows.one("named", {"a": large})["a"]["dtype"] == "float16"
    assert not rows.is_plain({"a": large})
    assert rows.is_plain({"a": [1], "b": np.float32(1)})
    assert not rows.is_several("named", EXAMPLE)
    assert rows.is_several("named", [EXAMPLE])
    both = [{"a": [1, 2], "b": "x"}, {"a": [3, 4], "b": "y"}]
    assert rows.several("named", {"a": np.array([[1, 2], [3, 4]]), "b": ["x", "y"]}) == both
    assert rows.several("named", both) == both
    with pytest.raises(BadRequest, match="An input names its arrays, and an ndarray does not"):
        rows.one("named", large)
    with pytest.raises(BadRequest, match="not lists of one length"):
        rows.several("named", {"a": [1], "b": [1, 2]})
    with pytest.raises(BadRequest, match="An input names its arrays"):
        parse("1, 2", "named")


def test_a_function_is_tried_on_stacked_arrays() -> None:
    tried = ClipperConnection.test_predict_function
    both = [{"ids": [1, 2], "scale": 2, "text": "a"}, {"ids": [3], "scale": 1, "text": "b"}]
    found = tried({"input_batch": both}, scores, "named")
    assert [(each["total"], each["text"]) for each in found] == [(6, "A"), (3, "B")]
    assert tried({"input": [1]}, scores, "named") == "Invalid input type"


@pytest.mark.slow
def test_a_module_takes_tensors_by_name() -> None:
    torch: Any = pytest.importorskip("torch")
    import cloudpickle

    class Gate(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(2, 1)

        def forward(self, x: Any, mask: Any) -> Any:
            return {"gated": x * mask[:, None], "kind": mask.to(torch.int64)}

    types = {"x": "float64[-1]", "mask": "bool"}
    predict = load("pytorch", {"model.pickle": cloudpickle.dumps(Gate())}, "named", types)
    found: Any = predict([{"x": [1.0, 2.0], "mask": True}, {"x": [3.0, 4.0], "mask": False}])
    assert {name: array.tolist() for name, array in found.items()} == {
        "gated": [[1, 2], [0, 0]],
        "kind": [1, 0],
    }


def test_an_onnx_model_gets_each_array_by_name_and_tells_all_outputs() -> None:
    onnx: Any = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["less"])]
    values = {
        name: helper.make_tensor_value_info(name, FLOAT, ["n", 2]) for name in ("a", "b", "sum", "less")
    }
    graph = helper.make_graph(nodes, "g", [values["a"], values["b"]], [values["sum"], values["less"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    types = {"a": "float64[-1]", "b": "float32[-1]"}
    predict = load("onnx", {"model.onnx": model.SerializeToString()}, "named", types)
    found: Any = predict([{"a": [1, 2], "b": [3, 4]}, {"a": [5, 6], "b": [0, 1]}])
    assert {name: array.tolist() for name, array in found.items()} == {
        "sum": [[4, 6], [5, 7]],
        "less": [[-2, -2], [5, 5]],
    }
    with pytest.raises(ValueError, match="has no input 'c', only a, b"):
        load("onnx", {"model.onnx": model.SerializeToString()}, "named", {"c": "int8"})([{"c": 1}])
