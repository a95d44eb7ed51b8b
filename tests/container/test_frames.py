"""What a model gets that takes data frames."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from clipper_container.columns import Columns
from clipper_container.errors import ArtifactError
from clipper_container.frames import Framed
from clipper_container.loaders import load
from clipper_container.tensors import decode

pandas: Any = pytest.importorskip("pandas")
TYPES = {"city": "text", "age": "float32", "any": "any"}


def batch(rows: list[dict[str, Any]], types: dict[str, str] = TYPES) -> Any:
    tensors = Columns(types).of_rows(rows)
    shapes = [t.shape for t in tensors]
    return decode(len(rows), [tensors[0].dtype], shapes, b"".join(t.data for t in tensors))


def framed(columns: dict[str, str] | None = TYPES) -> Framed:
    return Framed(lambda frame: frame, columns)


def test_columns_come_in_the_models_order_and_types() -> None:
    frame = framed()(batch([{"age": 1, "any": 1, "city": "x"}, {"age": None, "any": 2.5, "city": None}]))
    assert list(frame.columns) == ["city", "age", "any"]
    assert frame["age"].dtype == np.float32
    assert frame["any"].tolist() == [1, 2.5]
    assert frame["city"].isna().tolist() == frame["age"].isna().tolist() == [False, True]
    assert not any(value is None for value in frame["city"])


def test_other_versions_columns_are_left_out_and_other_types_are_changed() -> None:
    types = {"city": "text", "age": "int64", "any": "any", "more": "text"}
    frame = framed()(batch([{"age": 1, "any": 1, "city": "x", "more": "y"}], types))
    assert list(frame.columns) == ["city", "age", "any"]
    assert frame["age"].dtype == np.float32
    frame = framed()([{"age": 1, "any": 1, "city": "x"}, {"more": 1, "age": None, "any": 2.5, "city": "y"}])
    assert frame["age"].dtype == np.float32
    with pytest.raises(ValueError, match="lacks the column 'city'"):
        framed()([{"age": 1, "any": 1}])
    with pytest.raises(ValueError, match="the column 'age' is to hold float32"):
        framed()([{"age": "x", "any": 1, "city": "x"}])


def test_without_columns_a_frame_is_as_its_rows_are() -> None:
    frame = framed(None)([{"a": 1}, {"a": 2}])
    assert frame["a"].tolist() == [1, 2]


def test_a_container_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ArtifactError, match=r"pkgs_to_install=\['pandas'\]"):
        framed()


def test_functions_and_classes_get_the_frame_whole(tmp_path: Any) -> None:
    from clipper_container.loaders.custom import answering

    class Model:
        def predict(self, frame: Any) -> Any:
            return frame["a"] * 2

    assert list(answering(Model(), "dataframe")(pandas.DataFrame({"a": [1, 2]}))) == [2, 4]
    import cloudpickle

    parts = {"function.pickle": cloudpickle.dumps(lambda frame: (frame["a"] + 1).tolist())}
    predict = load("python", parts, "dataframe", {"a": "float64"})
    assert predict(batch([{"a": 1}, {"a": 2}], {"a": "float64"})) == [2, 3]
