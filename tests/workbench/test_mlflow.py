"""Models of MLflow's: what their folders tell, and real ones, which MLflow saves, loads and asks."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clipper_server
from clipper_container import artifact
from clipper_container.errors import BadRequest
from clipper_server.places import Runtime
from clipper_server.places.process.environments import Environments
from clipperlab import ClipperConnection, deployers
from clipperlab.deployers.mlflow import Pyfunc
from clipperlab.deployers.mlflow_models import described
from tests.support.clusters import ask

SCRIPT = Path(__file__).parents[1] / "support" / "of_mlflow.py"
GOLDEN = Path(__file__).parents[1] / "golden" / "mlflow" / "bodies.json"
FLAVOR = "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n"


def folder_with(folder: Path, inputs: Any = None, requirements: str | None = None, more: str = "") -> Path:
    signature = "" if inputs is None else f"signature:\n  inputs: '{json.dumps(inputs)}'\n"
    (folder / "MLmodel").write_text(FLAVOR + signature + more)
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
    return folder


def column(kind: str, name: str | None = None) -> dict[str, Any]:
    return {"type": kind, "required": True} | ({} if name is None else {"name": name})


def tensor(dtype: str, shape: list[int], name: str | None = None) -> dict[str, Any]:
    return column("tensor", name) | {"tensor-spec": {"dtype": dtype, "shape": shape}}


@pytest.mark.parametrize(
    ("inputs", "input_type", "names"),
    [
        (
            [column("long", "n"), column("string", "city"), column("boolean", "new"), column("float", "f")],
            "dataframe",
            {"n": "int64", "city": "text", "new": "bool", "f": "float32"},
        ),
        ([column("double", "x"), column("datetime", "at")], "json", None),
        ([column("array", "values") | {"items": {"type": "double"}}], "json", None),
        ([column("double"), column("double")], "doubles", None),
        ([column("float")] * 3, "floats", None),
        ([column("integer")] * 3, "integers", None),
        ([column("double"), column("string")], "json", None),
        ([column("string")], "strings", None),
        ([column("binary")], "bytes", None),
        ([column("any")], "json", None),
        ([tensor("float32", [-1, 28, 28])], "ndarray", None),
        ([tensor("str", [-1])], "strings", None),
        ([tensor("float64", [-1, 3], "x")], "named", {"x": "float64[3]"}),
        (
            [tensor("int64", [-1, -1], "ids"), tensor("object", [-1], "text"), tensor("float32", [-1], "x")],
            "named",
            {"ids": "int64[-1]", "text": "text", "x": "float32"},
        ),
        (None, None, None),
    ],
)
def test_the_signature_tells_the_input_type(
    tmp_path: Path, inputs: Any, input_type: str | None, names: dict[str, str] | None
) -> None:
    found = described(folder_with(tmp_path, inputs))
    assert (found.input_type, found.names) == (input_type, names)


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        (None, ["mlflow-skinny", "pandas"]),
        ("mlflow==3.1.0\nnumpy==2.0\n", ["mlflow==3.1.0", "numpy==2.0"]),
        ("# these\nmlflow_skinny>=3 # and\n\nscipy", ["mlflow_skinny>=3", "scipy", "pandas"]),
        ("scikit-learn\npandas<4", ["scikit-learn", "pandas<4", "mlflow-skinny"]),
    ],
)
def test_its_packages_are_those_of_its_file_and_what_loads_it(
    tmp_path: Path, text: str | None, packages: list[str]
) -> None:
    assert Pyfunc(folder_with(tmp_path, requirements=text)).packages() == packages


EXAMPLE = "saved_input_example_info:\n  serving_input_path: serving.json\n"


@pytest.mark.parametrize(
    ("inputs", "example", "row"),
    [
        (
            [column("double", "a"), column("string", "b")],
            {"dataframe_split": {"columns": ["b", "a"], "data": [["x", 1.5], ["y", 2]]}},
            {"a": 1.5, "b": "x"},
        ),
        ([tensor("float32", [-1, 2])], {"inputs": [[1, 2], [3, 4]]}, [1, 2]),
        (
            [tensor("int64", [-1, 2], "ids"), tensor("float32", [-1], "x")],
            {"inputs": {"ids": [[3, 7]], "x": [0.5]}},
            {"ids": [3, 7], "x": 0.5},
        ),
        ([column("array", "a")], {"dataframe_split": {"columns": ["a"], "data": [[[1]]]}}, None),
        # Whole numbers are never missing, and a form that nobody knows is no example.
        ([column("long", "n")], {"dataframe_split": {"columns": ["a"], "data": [[1.5]]}}, None),
        ([column("double", "a")], {"dataframe_split": {"data": [[1.5]]}}, None),
        ([column("double", "a")], {"dataframe_split": {"columns": ["a", "b"], "data": [[1.5]]}}, None),
        ([tensor("float32", [-1], "x")], {"inputs": {"x": 5}}, None),
        (None, {"inputs": [[1, 2]]}, None),
    ],
)
def test_what_it_was_saved_with_warms_it_up(tmp_path: Path, inputs: Any, example: Any, row: Any) -> None:
    (tmp_path / "serving.json").write_text(json.dumps(example))
    assert described(folder_with(tmp_path, inputs, more=EXAMPLE)).example == row


def test_an_artifact_has_the_types_of_the_signature_and_not_of_the_example(tmp_path: Path) -> None:
    whole = [column("long", "n"), column("string", "b")]
    model = Pyfunc(folder_with(tmp_path, whole))
    path = tmp_path / "artifact.zip"

    def manifest(input_type: str, **options: Any) -> artifact.Manifest:
        artifact.pack(path, loader="mlflow", input_type=input_type, parts={}, names=model.names(), **options)
        return artifact.read_manifest(path)

    found = manifest("dataframe", example_input={"n": 3, "b": "x", "more": 1})
    assert (found.columns, found.example_input) == ({"n": "int64", "b": "text"}, {"n": 3, "b": "x"})
    assert manifest("dataframe").columns == {"n": "int64", "b": "text"}
    model = Pyfunc(folder_with(tmp_path, [tensor("float32", [-1, 2], "x")]))
    assert manifest("named").columns == {"x": "float32[2]"}
    assert manifest("named", example_input={"x": [1, 2]}).example_input == {"x": [1, 2]}
    with pytest.raises(BadRequest, match=r"the array 'x' has the shape \[2\]"):
        manifest("named", example_input={"x": [1, 2, 3]})
    with pytest.raises(BadRequest, match=r"The column 'x' holds float32\[2\]"):
        manifest("dataframe", example_input={"x": 1})


def test_what_is_no_such_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="is no model of MLflow's: its file MLmodel cannot be read"):
        described(tmp_path)
    (tmp_path / "MLmodel").write_text("flavors: {spark: {}}")
    with pytest.raises(BadRequest, match="no flavor python_function"):
        described(tmp_path)
    (tmp_path / "MLmodel").write_text("a: [")
    with pytest.raises(BadRequest, match="cannot be read"):
        described(tmp_path)
    with pytest.raises(BadRequest, match=r"The signature in .*MLmodel cannot be read: KeyError"):
        described(folder_with(tmp_path, [{"name": "a"}]))
    with pytest.raises(BadRequest, match=r"a line with -r: only packages"):
        described(folder_with(tmp_path, requirements="-r other.txt"))


def test_without_a_signature_its_owner_says_the_input_type(tmp_path: Path) -> None:
    conn: Any = None
    with pytest.raises(BadRequest, match=r"has no signature, .* Give input_type="):
        deployers.mlflow.deploy_pyfunc(conn, "m", 1, folder_with(tmp_path))
    with pytest.raises(BadRequest, match="Nothing tells the columns"):
        deployers.mlflow.deploy_pyfunc(conn, "m", 1, tmp_path, input_type="dataframe")


# With MLflow itself

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `tests/support/of_mlflow.py` where MLflow is, and returns what it prints."""
    runtime = Runtime(requirements=("mlflow-skinny", "pandas"))
    environments = Environments(tmp_path_factory.mktemp("environments"))
    asyncio.run(environments.build(runtime, lambda _: None))

    def run(*arguments: object) -> Any:
        command = [environments.python(runtime), str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def models(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    run("make", folder)
    return folder


CASES: list[tuple[str, str, list[Any], list[Any]]] = [
    ("priced", "dataframe", [{"rooms": 1, "city": "Rome"}, {"rooms": 2, "city": None}], [14, 20]),
    ("priced", "dataframe", [{"rooms": 2.5, "city": None}], [25]),
    ("one", "ndarray", [[1, 2, 3], [0.5, 0, 0]], [6, 0.5]),
    ("two", "named", [{"ids": [1, 2], "x": 0.5}, {"ids": [3, 4], "x": 1}], [3.5, 8]),
    ("lengths", "strings", ["a", "bcd"], [1, 3]),
    ("days", "json", [{"at": "2020-01-31", "values": [0.5, 7.5]}], [{"day": 31, "most": 7.5}]),
    ("plain", "ndarray", [[1, 2], [4, 3]], [2, 4]),
]


@pytest.mark.slow
def test_a_model_of_each_signature_answers(run: Run, models: Path) -> None:
    told = {name: described(models / name) for name, *_ in CASES}
    assert told["plain"].input_type is None
    assert all(told[name].input_type == kind for name, kind, *_ in CASES if name != "plain")
    cases = [(name, kind, told[name].names, inputs) for name, kind, inputs, _ in CASES]
    assert run("answer", models, json.dumps(cases)) == [outputs for *_, outputs in CASES]


@pytest.mark.slow
def test_its_client_sends_what_was_recorded(run: Run) -> None:
    assert run("bodies") == json.loads(GOLDEN.read_text())


@pytest.mark.slow
def test_a_model_answers_on_a_cluster_in_an_environment_of_its_own_and_mlflows_client_asks(
    run: Run, models: Path, conn: ClipperConnection
) -> None:
    conn.register_application("priced", "dataframe", -1, 20_000_000)
    handle = deployers.mlflow.deploy_pyfunc(conn, "priced", 1, models / "priced")
    assert handle.versions[0]["columns"] == {"rooms": "float64", "city": "text"}
    conn.link_model_to_app("priced", "priced")
    assert ask(conn, "priced", {"input": {"city": "Bonn", "rooms": 3}}).json()["output"] == 34
    host, _, port = conn.start_protocol("sagemaker")["rest"].rpartition(":")
    said = run("ask", host, port)
    assert said == {"version": clipper_server.__version__, "predictions": [14, 24]}
    conn.stop_protocol("sagemaker")
    conn.stop_models(["priced"])
    conn.unregister_application("priced")
