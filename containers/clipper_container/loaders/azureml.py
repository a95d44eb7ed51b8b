"""Loads a scoring script of Azure ML's: `init()` once, and `run(data)` for each batch.

As there, `run` gets the text of {"data": [row, ...]}; or the rows themselves, where `inference_schema` says
what they are. It answers an output for each row, in a list, an array or a text of JSON, alone or as the only
value of an object.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from ..articles import type_of
from ..errors import ArtifactError
from ..modules import imported
from . import Predict
from .files import unpacked
from .python import Function

MODEL_DIR = "AZUREML_MODEL_DIR"


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    folder = unpacked({name: data for name, data in parts.items() if "/" in name})
    os.environ[MODEL_DIR] = str(folder / "model")
    (folder / "model").mkdir(exist_ok=True)
    script = folder / "code" / json.loads(parts["script.json"])
    os.chdir(script.parent)
    sys.path.insert(0, str(script.parent))
    module = imported(script)
    init, run = getattr(module, "init", None), getattr(module, "run", None)
    if not callable(run):
        raise ArtifactError(f"The scoring script {script.name} has no run(data). Add one.")
    if callable(init):
        init()
    return Function(_answering(run), whole=True)


def _answering(run: Callable[..., Any]) -> Predict:
    if _is_typed(run):
        (name,) = inspect.signature(run).parameters

        def answer(rows: list[Any]) -> Any:
            return run(**{name: rows})
    else:

        def answer(rows: list[Any]) -> Any:
            return run(json.dumps({"data": rows}))

    def predict(inputs: Any) -> Sequence[Any]:
        rows = _rows(inputs)
        return _outputs(answer(rows), len(rows))

    return predict


def _is_typed(run: Callable[..., Any]) -> bool:
    """Whether `inference_schema` has said what it takes: one argument, which it makes of the rows."""
    util = sys.modules.get("inference_schema.schema_util")
    return util is not None and util.is_schema_decorated(run) and len(inspect.signature(run).parameters) == 1


def _rows(inputs: Any) -> list[Any]:
    """A batch as JSON has it."""
    if hasattr(inputs, "to_dict"):
        records: list[Any] = json.loads(inputs.to_json(orient="records"))
        return records
    return [_plain(value) for value in inputs]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.tolist() if hasattr(value, "tolist") else value


def _outputs(said: Any, count: int) -> Sequence[Any]:
    """What run() answered, as an output for each row. Raises ValueError."""
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except ValueError:
            raise ValueError(f"run() answered a text that is no JSON: {said[:300]}") from None
    if isinstance(said, dict) and len(said) == 1:
        (said,) = said.values()
    if hasattr(said, "tolist"):
        said = said.tolist()
    if count == 1 and not isinstance(said, list | tuple):
        said = [said]
    if not isinstance(said, list | tuple) or len(said) != count:
        has = f"{len(said)} outputs" if isinstance(said, list | tuple) else type_of(said)
        raise ValueError(f"run() answered {has} to {count} rows: it is to answer a list with one for each")
    return said
