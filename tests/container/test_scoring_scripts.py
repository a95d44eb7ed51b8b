"""Azure ML's scoring scripts: packed with their folder and model, and asked a batch at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipper_container.errors import ArtifactError, BadRequest
from clipper_container.loaders import load
from clipperlab.deployers.azureml import ScoringScript

SCRIPT = """
import json, os
from helper import twice

def init():
    global offset
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "offset.txt")) as file:
        offset = int(file.read())

def run(data):
    return [twice(sum(row)) + offset for row in json.loads(data)["data"]]
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader has its process for itself, and changes it."""
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setenv("AZUREML_MODEL_DIR", "")


def loaded(script: str, input_type: str = "doubles", columns: dict[str, str] | None = None) -> Any:
    parts = {"script.json": b'"score.py"', "code/score.py": script.encode()}
    return load("azureml", parts, input_type, columns)


def answers(body: str) -> Any:
    return loaded(f"import json\ndef run(data):\n    rows = json.loads(data)['data']\n    {body}")


def test_a_script_has_its_folder_and_its_model(tmp_path: Path) -> None:
    for name, text in {
        "code/score.py": SCRIPT,
        "code/helper.py": "def twice(x): return 2 * x",
        "code/__pycache__/helper.pyc": "",
        "code/.env": "KEY=secret",
        "code/.git/config": "",
        "model/offset.txt": "100",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    parts = ScoringScript(tmp_path / "code" / "score.py", tmp_path / "model").parts()
    assert parts.keys() == {"script.json", "code/score.py", "code/helper.py", "model/model/offset.txt"}
    predict = load("azureml", parts, "doubles")
    assert predict(np.array([[1.0, 2.0], [3.0, 4.0]])) == [106, 114]
    assert Path(os.environ["AZUREML_MODEL_DIR"]).is_dir()
    (file,) = [
        key
        for key in ScoringScript(tmp_path / "code/score.py", tmp_path / "model/offset.txt").parts()
        if key.startswith("model/")
    ]
    assert file == "model/offset.txt"


def test_a_folder_in_which_somebody_works_does_not_travel(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def run(data): ...")
    with (tmp_path / "photos.zip").open("wb") as file:
        file.truncate((32 << 20) + 1)
    with pytest.raises(
        BadRequest, match=r"more than 32 MiB or 2,000 files; the largest is photos\.zip\. Put"
    ):
        ScoringScript(tmp_path / "score.py").parts()


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ("return [len(row) for row in rows]", [[1.0], [2.0, 3.0]], [1, 2]),
        ("return json.dumps([len(row) for row in rows])", [[1.0]], [1]),
        ("return {'result': [len(row) for row in rows]}", [[1.0], [1.0]], [1, 1]),
        ("return json.dumps({'result': len(rows)})", [[1.0]], [1]),
        ("import numpy; return numpy.array(rows)[:, 0]", [[1.0], [2.0]], [1.0, 2.0]),
    ],
)
def test_what_run_answers_is_an_output_for_each_row(body: str, inputs: list[Any], outputs: list[Any]) -> None:
    assert answers(body)([np.array(row) for row in inputs]) == outputs


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return 'no model here'", "a text that is no JSON: no model here"),
        ("return [1]", "1 outputs to 2 rows"),
        ("return {'a': [1, 2], 'b': [1, 2]}", "a dict to 2 rows"),
        ("return None", "a NoneType to 2 rows"),
    ],
)
def test_what_is_no_output_for_each_row_is_told(body: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        answers(body)([[1.0], [2.0]])


def test_rows_are_as_json_has_them() -> None:
    echo = "import json\ndef run(data):\n    return json.loads(data)['data']"
    assert loaded(echo, "bytes")([b"\x00\x01"]) == ["AAE="]
    assert loaded(echo, "strings")(["a"]) == ["a"]
    frame = pd.DataFrame({"a": [1.0], "b": ["x"]})
    predict = loaded(echo, "dataframe", {"a": "float64", "b": "text"})
    assert predict(frame.to_dict(orient="records")) == [{"a": 1.0, "b": "x"}]


def test_a_script_with_a_schema_gets_its_rows() -> None:
    util = SimpleNamespace(is_schema_decorated=lambda run: run.__name__ == "run")
    sys.modules["inference_schema.schema_util"] = util  # type: ignore[assignment]
    predict = loaded("def run(data):\n    return [len(row) for row in data]")
    assert predict([[1.0, 2.0]]) == [2]


def test_what_is_no_script_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"has no run\(data\)"):
        loaded("def init(): pass")
    script = tmp_path / "score.py"
    with pytest.raises(BadRequest, match="cannot be read"):
        ScoringScript(script).parts()
    script.write_text("def init(:")
    with pytest.raises(BadRequest, match="cannot be read"):
        ScoringScript(script).parts()
    script.write_text("def init(): pass")
    with pytest.raises(BadRequest, match=r"has no run\(data\)"):
        ScoringScript(script).parts()
    script.write_text("def run(data): pass")
    with pytest.raises(BadRequest, match="model: there is no"):
        ScoringScript(script, tmp_path / "nowhere").parts()
