"""What runs where MLflow is: makes small models, answers by them as a replica does, and asks as its client.

python of_mlflow.py make FOLDER
python of_mlflow.py answer FOLDER/NAME INPUT_TYPE COLUMNS INPUTS
python of_mlflow.py ask HOST PORT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import Array
from mlflow.utils.proto_json_utils import dump_input_data

REQUIREMENTS = ["mlflow-skinny"]
FRAME = pd.DataFrame({"rooms": [1.0, 2.0], "city": ["Rome", "Bern"]})
CODE = """
from pathlib import Path
import mlflow

class Priced(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.each = int(Path(context.artifacts["each"]).read_text())

    def predict(self, context, model_input, params=None):
        return [rooms * self.each + len(city or "") for rooms, city in model_input.itertuples(index=False)]

mlflow.models.set_model(Priced())
"""


class Sums(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        if isinstance(model_input, dict):
            assert model_input["ids"].dtype == np.int64
            return model_input["ids"].sum(axis=1) + model_input["x"]
        assert model_input.dtype == np.float32
        return model_input.sum(axis=1)


class Lengths(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, model_input: list[str], params: Any = None) -> list[int]:
        return [len(text) for text in model_input]


class Days(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return pd.DataFrame({"day": model_input["at"].dt.day, "most": model_input["values"].map(max)})


class Plain(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return np.asarray(model_input).max(axis=1)


def make(folder: Path) -> None:
    (folder / "priced.py").write_text(CODE)
    (folder / "each.txt").write_text("10")
    priced = infer_signature(FRAME, [11.0])
    mlflow.pyfunc.save_model(
        folder / "priced",
        python_model=str(folder / "priced.py"),
        artifacts={"each": str(folder / "each.txt")},
        signature=priced,
        input_example=FRAME.head(1),
        pip_requirements=REQUIREMENTS,
    )
    tensors = [TensorSpec(np.dtype("int64"), (-1, 2), "ids"), TensorSpec(np.dtype("float32"), (-1,), "x")]
    one = infer_signature(np.zeros((2, 3), np.float32))
    days = [ColSpec("datetime", "at"), ColSpec(Array("double"), "values")]
    signatures = {"one": one, "two": ModelSignature(Schema(tensors))}
    for name, signature in signatures.items():
        _save(folder / name, Sums(), signature=signature)
    _save(folder / "lengths", Lengths())
    _save(folder / "days", Days(), signature=ModelSignature(Schema(days)))
    _save(folder / "plain", Plain())


def _save(path: Path, model: Any, **options: Any) -> None:
    mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=REQUIREMENTS, **options)


def answer(path: Path, input_type: str, columns: dict[str, str] | None, inputs: Any) -> Any:
    from clipper_container.loaders import load
    from clipperlab.deployers.mlflow import Pyfunc

    predict: Any = load("mlflow", Pyfunc(path).parts(), input_type, columns)
    found = predict([np.asarray(each) for each in inputs] if input_type == "ndarray" else inputs)
    return found.to_dict("records") if hasattr(found, "columns") else list(found)


def bodies() -> dict[str, str]:
    """What its client sends, by what it is given; tests/golden/mlflow/bodies.json has the same."""
    frame = pd.DataFrame({"a": [1.0, 2.5], "b": ["x", "yy"]})
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    given = {"frame": frame, "array": array, "list": array.tolist()}
    return {name: dump_input_data(value) for name, value in given.items()}


def ask(host: str, port: str) -> Any:
    client = ScoringServerClient(host, port)
    client.ping()
    found: Any = client.invoke(FRAME).get_predictions()
    return {"version": client.get_version(), "predictions": found.to_numpy().ravel().tolist()}


def main(what: str, *given: str) -> None:
    found: Any = None
    if what == "make":
        make(Path(given[0]))
    elif what == "answer":
        found = [answer(Path(given[0]) / name, *rest) for name, *rest in json.loads(given[1])]
    elif what == "bodies":
        found = bodies()
    else:
        found = ask(*given)
    print(json.dumps(found, default=lambda value: value.item()))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
