"""TensorFlow's own models and client, in the environment of `make peers`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from clipperlab import ClipperConnection, DeployError
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.tensorflow import deploy_tensorflow_model
from tests.support.clusters import Attach
from tests.support.parts import need
from tests.support.places import Place
from tests.tools.benchmarks.models import by_value

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[2] / "build" / "peers" / "tensorflow" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:.* where the model was packaged"),  # not in that environment
]


TOLD = {
    "predict": [2.5, 3.0, 4.5],
    "float_val": [2.5, 3.0, 4.5],
    "version": 123,
    "by label": [2.5, 3.0, 4.5],
    "refused": ["NOT_FOUND", "Servable not found for request: Specific(half, 50)"],
    "twice": [6.0, 8.0],
    "shout": ["ROME", "OSLO"],
    "regress": [42.0],
    "classify": [["", 42.0]],
    "metadata": ["float32", [-1, -1]],
    "status": [[123, "AVAILABLE"]],
}
"""What its client reads."""


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    need("TensorFlow", PYTHON.exists(), "`make peers` installs it.")


def run(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [PYTHON, FOLDER / script, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    run("tensorflow_models.py", folder)
    return folder


def deploy(
    conn: ClipperConnection, name: str, kind: str, path: Path, version: int = 1, **options: Any
) -> None:
    conn.register_application(name, kind, -1, 20_000_000)
    deploy_tensorflow_model(conn, name, version, kind, path, python=str(PYTHON), timeout_s=240, **options)
    conn.link_model_to_app(name, name)


def test_its_models_are_served_and_its_client_reads_the_answers(
    conn: ClipperConnection, models: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    deploy(conn, "half", "floats", models / "half", 123, example_input=[1.0])
    row = pandas.DataFrame({"age": [3.0], "city": ["Rome"]}).astype({"age": "float32"})
    deploy(conn, "two", "dataframe", models / "two", example_input=row)
    conn.set_version_label("half", 123, "stable")
    at = conn.start_protocol("tensorflow-serving")
    assert json.loads(run("ask_tensorflow_serving.py", at["grpc"])) == TOLD
    url = f"http://{at['rest']}/v1/models/half"
    answer = httpx2.post(f"{url}:predict", json={"instances": [1.0, 2.0, 5.0]}, trust_env=False)
    assert answer.json() == {"predictions": [2.5, 3.0, 4.5]}
    assert httpx2.get(url, trust_env=False).json()["model_version_status"][0]["version"] == "123"
    conn.stop_protocol("tensorflow-serving")


def test_keras_files_are_models(conn: ClipperConnection, models: Path) -> None:
    deploy(conn, "dense", "doubles", models / "dense.keras")
    assert conn.application("dense").predict([1.0, 2.0])["output"] == [9.0]
    broken = models / "broken.keras"
    broken.write_bytes(b"no model")
    with pytest.raises(DeployError, match="keras"):
        deploy_tensorflow_model(conn, "dense", 2, "doubles", broken, python=str(PYTHON), timeout_s=240)


@pytest.mark.parametrize("place", ["docker"], indirect=True, scope="module")
def test_its_client_reads_the_answers_of_models_in_containers(attach: Attach, place: Place) -> None:
    def half(rows: Any) -> Any:
        return [row[0] / 2 + 2 for row in rows]

    def two(arrays: Any) -> Any:
        return {"twice": 2 * arrays["age"], "shout": [text.upper() for text in arrays["city"]]}

    conn = attach("tensorflow")
    try:
        conn.start_clipper(protocols=["tensorflow-serving"], fresh=True)
        for name, version, kind, model, example in (
            ("half", 123, "floats", half, [1.0]),
            ("two", 1, "named", two, {"age": np.float32(3), "city": "Rome"}),
        ):
            conn.register_application(name, kind, -1, 20_000_000)
            deploy_python_closure(conn, name, version, kind, by_value(model), example_input=example)
            conn.link_model_to_app(name, name)
        conn.set_version_label("half", 123, "stable")
        [at] = [each for each in conn.protocols() if each["name"] == "tensorflow-serving"]
        assert json.loads(run("ask_tensorflow_serving.py", at["grpc"])) == TOLD
    finally:
        conn.stop_all(purge=True)
    assert place.left("tensorflow") == []
