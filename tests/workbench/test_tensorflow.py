"""TensorFlow's models, packed without TensorFlow: `make peers` deploys them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab.deployers.kinds import kind_of
from clipperlab.deployers.tensorflow import TensorFlowModel


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    folder = tmp_path / "half"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


class Keras:
    """As Keras's models are to who does not know Keras."""

    def save(self, path: Path) -> None:
        path.write_bytes(b"keras")

    def predict(self, inputs: Any) -> Any:
        return inputs


Keras.__module__ = "keras.src.models.functional"


def test_a_saved_model_travels_with_all_of_its_files(saved_model: Path) -> None:
    assert TensorFlowModel(saved_model).parts() == {
        "saved_model/saved_model.pb": b"graph",
        "saved_model/variables/variables.index": b"index",
    }


def test_a_keras_model_is_its_file(tmp_path: Path) -> None:
    assert TensorFlowModel(Keras()).parts() == {"model.keras": b"keras"}
    Keras().save(tmp_path / "other.keras")
    assert TensorFlowModel(str(tmp_path / "other.keras")).parts() == {"model.keras": b"keras"}
    parts = TensorFlowModel(Keras(), lambda model, inputs: [0 for _ in inputs]).parts()
    assert parts.keys() == {"model.keras", "function.pickle"}


@pytest.mark.parametrize("given", ["nothing", "nothing.keras"])
def test_what_is_no_model_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadRequest, match=r"is no TensorFlow model.*model\.export"):
        TensorFlowModel(tmp_path / given).parts()
    with pytest.raises(BadRequest, match="not int"):
        TensorFlowModel(1).parts()


def test_they_are_known_when_they_are_seen(saved_model: Path) -> None:
    for value in (Keras(), saved_model, str(saved_model), "some.keras"):
        found = kind_of(value)
        assert found is not None
        assert found.call == "tensorflow.deploy_tensorflow_model"
    other = kind_of("some.onnx")
    assert other is not None
    assert other.call == "onnx.deploy_onnx_model"
