"""What a folder with a model of MLflow's tells: its inputs, its packages, and its example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipper_container.errors import BadRequest

from ..packages import in_file, name_of

_COLUMNS = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "text",
}
"""MLflow's types of columns that data frames have here."""
_ALONE = {"integer": "integers", "float": "floats", "double": "doubles"}
_TEXTS = ("str", "object")
_NEVER_MISSING = ("bool", "int32", "int64")


@dataclass(frozen=True)
class Described:
    """`input_type` is None where there is no signature. `names` have with them what each holds."""

    input_type: str | None
    names: dict[str, str] | None
    packages: list[str]
    example: Any


def described(folder: Path) -> Described:
    """Raises BadRequest where there is no model in the folder."""
    found = _read(folder)
    signature = found.get("signature") or {}
    example = _example(folder, found)
    try:
        input_type, names = _inputs(json.loads(signature.get("inputs") or "[]"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"The signature in {folder / 'MLmodel'} cannot be read: {error!r}.") from None
    try:
        row = _row(example, input_type, names)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # in a form that none of it tells
        row = None
    return Described(input_type, names, _packages(folder), row)


def _read(folder: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load((folder / "MLmodel").read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadRequest(
            f"{folder} is no model of MLflow's: its file MLmodel cannot be read ({error}). Give the folder "
            "that mlflow.pyfunc.save_model, or mlflow.artifacts.download_artifacts, has made."
        ) from None
    if not isinstance(found, dict) or "python_function" not in (found.get("flavors") or {}):
        raise BadRequest(f"The model in {folder} has no flavor python_function, and so no predict().")
    return found


def _inputs(specs: list[dict[str, Any]]) -> tuple[str | None, dict[str, str] | None]:
    """The input type, and the names with what each holds, where inputs have names."""
    if not specs:
        return None, None
    kinds = [spec["type"] for spec in specs]
    named = all(spec.get("name") for spec in specs)
    if "tensor" in kinds:
        if named:
            return "named", {spec["name"]: _tensor(spec["tensor-spec"]) for spec in specs}
        return _of_one_tensor(specs[0]["tensor-spec"]), None
    if named and all(kind in _COLUMNS for kind in kinds):
        return "dataframe", {spec["name"]: _COLUMNS[spec["type"]] for spec in specs}
    if not named and len(set(kinds)) == 1:
        if len(kinds) == 1 and kinds[0] in ("string", "binary"):
            return {"string": "strings", "binary": "bytes"}[kinds[0]], None
        return _ALONE.get(kinds[0], "json"), None
    return "json", None


def _tensor(spec: Mapping[str, Any]) -> str:
    """The type of one input's array, as `clipper_container.signature` has it."""
    base = "text" if spec["dtype"] in _TEXTS else np.dtype(spec["dtype"]).name
    sizes = ",".join(str(int(size)) for size in spec["shape"][1:])
    return f"{base}[{sizes}]" if sizes else base


def _of_one_tensor(spec: Mapping[str, Any]) -> str:
    if spec["dtype"] not in _TEXTS:
        return "ndarray"
    return "strings" if len(spec["shape"]) == 1 else "json"


def _packages(folder: Path) -> list[str]:
    """Those in its requirements.txt, and what loads it where they lack that. Raises BadRequest."""
    path = folder / "requirements.txt"
    found = in_file(path) if path.exists() else []
    names = set(map(name_of, found))
    needed = [] if "mlflow" in names else ["mlflow-skinny", "pandas"]
    return [*found, *(name for name in needed if name not in names)]


def _example(folder: Path, found: Mapping[str, Any]) -> Any:
    """What the model was saved with, as MLflow's server takes it; None where there is nothing."""
    name = (found.get("saved_input_example_info") or {}).get("serving_input_path")
    try:
        return json.loads((folder / name).read_bytes()) if name else None
    except (OSError, ValueError):
        return None


def _row(example: Any, input_type: str | None, names: dict[str, str] | None) -> Any:
    """The first input of the example; None where it has none of that type."""
    if not isinstance(example, dict):
        return None
    split, values = example.get("dataframe_split"), example.get("inputs")
    if input_type == "dataframe" and names and split and split.get("data"):
        row = dict(zip(split["columns"], split["data"][0], strict=True))
        lacking = any(row.get(name) is None and kind in _NEVER_MISSING for name, kind in names.items())
        return None if lacking else {name: row.get(name) for name in names}
    if input_type == "named" and names and isinstance(values, dict):
        rows = {name: values[name][0] for name in names if values.get(name)}
        return rows if rows.keys() == names.keys() else None
    if input_type in ("ndarray", "strings") and isinstance(values, list) and values:
        return values[0]
    return None
