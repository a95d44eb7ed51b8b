"""Models that select columns by name: how they are deployed, and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipper_container import artifact
from clipper_container.artifact import Manifest
from clipperlab import BadRequest, ClipperConnection, rows
from clipperlab.deployers.columns import is_named, names_of, selected_by_name
from clipperlab.deployers.onnx import deploy_onnx_model
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.pytorch import deploy_pytorch_model
from clipperlab.deployers.sklearn import deploy_sklearn_model
from clipperlab.workbench.typed import parse
from tests.support.clusters import ask, constant

pandas: Any = pytest.importorskip("pandas")
compose: Any = pytest.importorskip("sklearn.compose")

FRAME = pandas.DataFrame({"city": ["Rome", "Bonn"] * 4, "rooms": range(8), "age": np.arange(8) / 2})
ROW = {"city": "Rome", "rooms": 0, "age": 0.0}
COLUMNS = {"city": "text", "rooms": "int64", "age": "float64"}


class _Recorder:
    """Stands in for a connection: keeps what a deployer packed."""

    manifest: Manifest

    def deploy_model(self, *_args: Any, artifact: Path, **_options: Any) -> None:
        self.manifest = packed(artifact)


def packed(path: Path) -> Manifest:
    return artifact.read_manifest(path)


def pipeline() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = compose.ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, FRAME["city"])


def test_a_fitted_pipeline_tells_its_columns() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    assert names_of(pipeline()) == ["city", "rooms", "age"]
    assert selected_by_name(pipeline()) == ["city"]
    numbers = FRAME[["rooms", "age"]]
    named = make_pipeline(LogisticRegression()).fit(numbers, FRAME["city"])
    assert names_of(named) == ["rooms", "age"]
    assert selected_by_name(named) == []
    bare = LogisticRegression().fit(numbers.to_numpy(), FRAME["city"])
    assert names_of(bare) is None
    assert names_of(make_pipeline(LogisticRegression())) is None
    for other in (bare, constant(1), 7):
        assert selected_by_name(other) == []


def test_an_example_with_names_is_a_row_of_a_data_frame() -> None:
    for named in (FRAME, FRAME.iloc[0]):
        assert is_named(named)
    for other in (None, [1.0], np.zeros(3), pandas.Series([1, 2]), pandas.DataFrame([[1]]), {"a": 1}, "text"):
        assert not is_named(other)


@pytest.mark.parametrize("example", [FRAME, FRAME.head(1), FRAME.iloc[0], ROW])
def test_columns_are_the_models_with_the_examples_types(example: Any) -> None:
    conn: Any = _Recorder()
    deploy_sklearn_model(conn, "m", 1, "dataframe", pipeline(), example_input=example)
    columns = conn.manifest.columns
    assert list(columns) == list(COLUMNS)
    assert columns == (COLUMNS if hasattr(example, "columns") else {**COLUMNS, "rooms": "float64"})
    assert conn.manifest.example_input == ROW
    turned = FRAME[["age", "rooms", "city"]]
    deploy_python_closure(conn, "m", 1, "dataframe", constant(1), example_input=turned)
    assert list(conn.manifest.columns) == ["age", "rooms", "city"]


def test_without_an_example_a_pipeline_tells_names_alone() -> None:
    conn: Any = _Recorder()
    deploy_sklearn_model(conn, "m", 1, "dataframe", pipeline())
    assert conn.manifest.columns == dict.fromkeys(COLUMNS, "any")
    with pytest.raises(BadRequest, match=r"Nothing tells the columns .* X\.head\(1\)"):
        deploy_python_closure(conn, "m", 1, "dataframe", constant(1))
    with pytest.raises(BadRequest, match="lacks the column 'rooms'"):
        deploy_sklearn_model(conn, "m", 1, "dataframe", pipeline(), example_input={"city": "x", "age": 1})


def test_a_deploy_that_could_answer_nothing_is_refused() -> None:
    conn: Any = _Recorder()
    for kind in ("d", "json", "ndarray"):
        with pytest.raises(BadRequest, match=r"selects columns by name \(city\).*'dataframe'"):
            deploy_sklearn_model(conn, "m", 1, kind, pipeline())
    deploy_sklearn_model(conn, "m", 1, "json", pipeline(), lambda model, inputs: inputs)
    with pytest.raises(BadRequest, match=r"An ONNX model takes arrays.* func\(session, inputs\)"):
        deploy_onnx_model(conn, "m", 1, "dataframe", b"onnx")


@pytest.mark.slow
def test_a_torch_module_takes_no_data_frames() -> None:
    conn: Any = _Recorder()
    torch: Any = pytest.importorskip("torch")
    with pytest.raises(BadRequest, match=r"A PyTorch module takes arrays.* func\(model, inputs\)"):
        deploy_pytorch_model(conn, "m", 1, "dataframe", None, torch.nn.Linear(1, 1))


def test_rows_of_data_frames_are_asked_by_name() -> None:
    with_holes = pandas.DataFrame({"a": [1.0, None], "t": ["x", None], "n": pandas.array([None, 2], "Int64")})
    sent = [{"a": 1.0, "t": "x", "n": None}, {"a": None, "t": None, "n": 2}]
    assert rows.is_several("dataframe", with_holes)
    assert rows.several("dataframe", with_holes) == sent
    assert rows.several("dataframe", sent) == sent
    assert rows.several("dataframe", {"a": [1, 2], "t": ["x", "y"]}) == [
        {"a": 1, "t": "x"},
        {"a": 2, "t": "y"},
    ]
    assert not rows.is_several("dataframe", with_holes.iloc[0])
    assert rows.one("dataframe", with_holes.iloc[0]) == sent[0]
    assert rows.one("dataframe", {"a": np.float32(1), "t": np.str_("x")}) == {"a": 1, "t": "x"}
    for other in (np.zeros(3), pandas.Series([1, 2]), 7):
        with pytest.raises(BadRequest, match="A row of a data frame names its columns"):
            rows.one("dataframe", other)
    with pytest.raises(BadRequest, match="not lists of one length"):
        rows.several("dataframe", {"a": [1], "b": [1, 2]})


def test_a_function_is_tried_on_a_data_frame() -> None:
    def total(frame: Any) -> list[float]:
        return list(frame["a"] + frame["b"])

    total.__module__ = "__main__"
    tried = ClipperConnection.test_predict_function
    assert tried({"input": {"a": 1, "b": 2}}, total, "dataframe") == [3]
    assert tried({"input_batch": [{"a": 1, "b": 2}] * 2}, total, "dataframe") == [3, 3]
    assert tried({"input": [1, 2]}, total, "dataframe") == "Invalid input type"


def test_a_row_is_typed_as_json() -> None:
    assert parse('{"city": "Rome"}', "dataframe") == {"city": "Rome"}
    with pytest.raises(BadRequest, match="A row names its columns"):
        parse("Rome, 3", "dataframe")


@pytest.mark.slow
def test_a_pipeline_is_deployed_and_asked(cluster: ClipperConnection) -> None:
    conn = cluster
    conn.register_application("town", "dataframe", None, 30_000_000)
    handle = conn.deploy(pipeline(), "town", example_input=FRAME.head(1))
    assert handle.versions[0]["input_type"] == "dataframe"
    assert handle.versions[0]["columns"] == COLUMNS
    conn.link_model_to_app("town", "town")
    app = conn.application("town")
    assert app.predict(FRAME.iloc[1])["output"] == "Bonn"
    assert app.predict(ROW)["output"] == "Rome"
    for several in (FRAME.head(3), FRAME.head(3).to_dict("records")):
        assert [each["output"] for each in app.predict(several)] == ["Rome", "Bonn", "Rome"]
    with pytest.raises(BadRequest, match="takes the column 'cty': 'city' is missing, and may be meant"):
        app.predict({"cty": "Rome", "rooms": 1, "age": 2})
    columns = FRAME[["age", "city", "rooms"]].head(2).to_dict("list")
    found = ask(conn, "town", {"input_batch": columns}).json()["batch_predictions"]
    assert [each["output"] for each in found] == ["Rome", "Bonn"]
    result = conn.load("town", rate=20, seconds=1, inputs=FRAME).result()
    assert result["answers"] == {"model": result["sent"]}
    conn.register_application("numbers", "doubles", -1, 30_000_000)
    with pytest.raises(BadRequest, match="their input types must be the same"):
        conn.link_model_to_app("numbers", "town")
