"""Each deployer on a real cluster, with real frameworks."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from clipper_container import ModelContainerBase
from clipper_container.resources import Resources
from clipperlab import (
    ArtifactError,
    BadRequest,
    ClipperConnection,
    DeployError,
    deployers,
)
from clipperlab.deployers import onnx_models
from clipperlab.deployers.custom import deploy_model_class
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import ask, constant
from tests.support.wheels import imports_tinywheel, wheel

pytestmark = pytest.mark.slow


def answer(conn: ClipperConnection, app: str, value: Any) -> Any:
    found = ask(conn, app, {"input": value}).json()
    assert not found["default"], found
    return found["output"]


def finished(conn: ClipperConnection, name: str) -> None:
    conn.stop_models([name])
    conn.unregister_application(name)


# Frameworks


def test_a_torch_module_answers_by_itself_or_by_a_function(conn: ClipperConnection) -> None:
    torch = pytest.importorskip("torch")
    deploy = deployers.pytorch

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(2, 1, bias=False)
            self.dropout = torch.nn.Dropout(0.9)

        def forward(self, x: Any) -> Any:
            return self.dropout(self.linear(x))

    net = Net()
    with torch.no_grad():
        net.linear.weight[:] = torch.tensor([[1.0, 10.0]])
    net.train()
    deploy.create_endpoint(conn, "net", "doubles", None, net, -1, example_input=[1.0, 2.0])
    assert net.training, "the original stays as it is"
    assert answer(conn, "net", [1.0, 2.0]) == pytest.approx([21.0])

    def twice(model: Any, inputs: list[Any]) -> list[Any]:
        import torch

        rows = model(torch.tensor(np.array(inputs), dtype=torch.float32))
        return [2 * row[0] for row in rows]

    deploy.deploy_pytorch_model(conn, "net", 2, "doubles", twice, net)
    assert answer(conn, "net", [1.0, 2.0]) == pytest.approx(42.0)
    finished(conn, "net")
    with pytest.raises(BadRequest, match=r"torch\.nn\.Module, not int"):
        deploy.deploy_pytorch_model(conn, "net", 3, "doubles", None, 7)
    net.lock = threading.Lock()
    with pytest.raises(ArtifactError, match=r"attribute 'lock' .* cannot be pickled"):
        deploy.deploy_pytorch_model(conn, "net", 3, "doubles", None, net)


def test_onnx_models_answer_whether_exported_here_or_elsewhere(conn: ClipperConnection) -> None:
    torch = pytest.importorskip("torch")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    net = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        net.weight[:] = torch.tensor([[1.0, 2.0, 3.0]])
    deploy = deployers.onnx
    deploy.create_pytorch_endpoint(
        conn, "exported", "floats", torch.zeros(2, 3), None, net, -1, example_input=[1.0, 1.0, 1.0]
    )
    assert answer(conn, "exported", [1.0, 1.0, 1.0]) == pytest.approx([6.0])

    def first(session: Any, inputs: list[Any]) -> list[Any]:
        name = session.get_inputs()[0].name
        return [float(row[0]) for row in session.run(None, {name: np.array(inputs, dtype=np.float32)})[0]]

    exported = onnx_models.exported(net, torch.zeros(2, 3))
    assert onnxruntime.InferenceSession(exported).get_inputs()
    deploy.deploy_onnx_model(conn, "exported", 2, "floats", exported, first)
    batch = ask(conn, "exported", {"input_batch": [[1, 0, 0], [0, 0, 1], [0, 1, 0]]}).json()
    outputs = [each["output"] for each in batch["batch_predictions"]]
    assert outputs == pytest.approx([1.0, 3.0, 2.0])
    finished(conn, "exported")
    with pytest.raises(BadRequest, match="cannot be read"):
        deploy.deploy_onnx_model(conn, "x", 1, "floats", "/no/such/file")
    with pytest.raises(BadRequest, match=r"onnx\.ModelProto, not int"):
        deploy.deploy_onnx_model(conn, "x", 1, "floats", 7)
    with pytest.raises(BadRequest, match="onnxruntime is"):
        deploy.deploy_pytorch_model(conn, "x", 1, "floats", None, None, None, "caffe2")
    with pytest.raises(DeployError, match=r"onnxruntime"):
        deploy.deploy_onnx_model(conn, "x", 1, "floats", b"garbage")


def test_clippers_container_class_answers_by_the_method_of_its_input_type(conn: ClipperConnection) -> None:
    class Summed(ModelContainerBase):
        def __init__(self, times: float) -> None:
            self.times = times

        def predict_doubles(self, inputs: Any) -> list[str]:
            return [str(self.times * sum(x)) for x in inputs]

    Summed.__module__ = "__main__"
    deployers.custom.create_endpoint(conn, "summed", "doubles", Summed, [2.0], default_output="none")
    assert answer(conn, "summed", [1.0, 2.0]) == "6.0"
    finished(conn, "summed")
    with pytest.raises(DeployError, match=r"Summed has no predict_strings\(inputs\)"):
        deploy_model_class(conn, "summed", 1, "strings", Summed, [2.0])


def test_a_class_that_is_importable_travels_with_its_files(conn: ClipperConnection, tmp_path: Path) -> None:
    package = tmp_path / "mymodel"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(
        "from pathlib import Path\n"
        "class Model:\n"
        "    def __init__(self): self.word = Path('mymodel/word.txt').read_text()\n"
        "    def predict(self, inputs): return [self.word for _ in inputs]\n"
    )
    (package / "word.txt").write_text("from a file")
    deploy_model_class(conn, "filed", 1, "doubles", "mymodel.model:Model", files=[package])
    conn.register_application("filed", "doubles", -1, 20_000_000)
    conn.link_model_to_app("filed", "filed")
    assert answer(conn, "filed", [1.0]) == "from a file"
    finished(conn, "filed")
    for name, words in (("mymodel.model:Other", "has no class Other"), ("nomodule:X", "No module named")):
        with pytest.raises(DeployError, match=words):
            deploy_model_class(conn, "filed", 2, "doubles", name, files=[package])
    with pytest.raises(BadRequest, match=r"package\.module:Class"):
        deploy_model_class(conn, "filed", 3, "doubles", "noclass")
    with pytest.raises(BadRequest, match="there is no"):
        deploy_model_class(conn, "filed", 3, "doubles", "a:B", files=["/no/such"])


@pytest.mark.parametrize("framework", ["keras", "mxnet", "pyspark"])
def test_clippers_other_deployers_say_what_does_their_work(framework: str) -> None:
    module = importlib.import_module(f"clipperlab.deployers.{framework}")  # as programs of Clipper's do
    assert module is getattr(deployers, framework)
    for function in (getattr(module, f"deploy_{framework}_model"), module.create_endpoint):
        with pytest.raises(
            BadRequest, match=rf"no deployer for {framework}.*deploy_(model_class|tensorflow_model)"
        ):
            function(None, "m", 1, "doubles", constant(1), object())


# What they share


def test_an_endpoint_is_made_in_one_call_and_not_left_half_made(conn: ClipperConnection) -> None:
    deployers.python.create_endpoint(conn, "whole", "doubles", constant(5))
    assert conn.get_app_info("whole") is not None
    assert answer(conn, "whole", [1.0]) == 5
    info = conn.get_app_info("whole")
    assert info is not None
    assert (info["default_output"], info["latency_slo_micros"]) == ("None", 3_000_000)
    assert "default output: 'None' (a text, as none was given: set_default_output" in repr(
        conn.application("whole")
    )
    conn.set_default_output("whole", -1)
    assert "default output: -1\n" in repr(conn.application("whole"))
    finished(conn, "whole")

    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError("no")

    broken.__module__ = "__main__"
    with pytest.raises(DeployError):
        deployers.python.create_endpoint(conn, "whole", "doubles", broken, example_input=[1.0])
    assert conn.get_app_info("whole") is None


def test_a_model_gets_the_packages_that_it_needs_and_no_other_model_does(
    conn: ClipperConnection, tmp_path: Path
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# what it needs\n\n{wheel(tmp_path)}  # a file\n")
    with pytest.raises(DeployError, match=r"(?s)No module named.*pkgs_to_install=\['tinywheel'\]"):
        deploy_python_closure(conn, "packed", 1, "doubles", imports_tinywheel)
    deploy_python_closure(conn, "packed", 2, "doubles", imports_tinywheel, requirements=requirements)
    conn.register_application("packed", "doubles", -1, 20_000_000)
    conn.link_model_to_app("packed", "packed")
    assert answer(conn, "packed", [1.0]) == ["1.0", True]
    newer = str(wheel(tmp_path, version="2.0"))
    deploy_python_closure(conn, "packed", 3, "doubles", imports_tinywheel, pkgs_to_install=[newer])
    assert answer(conn, "packed", [1.0]) == ["2.0", True]
    info = conn.get_model_info("packed", 3)
    assert info is not None
    assert info["requirements"] == [newer]
    conn.rollback("packed")
    assert answer(conn, "packed", [1.0]) == ["1.0", True]
    with pytest.raises(DeployError, match=r"pip install /no/such\.whl failed.*name and version"):
        deploy_python_closure(conn, "packed", 4, "doubles", constant(1), pkgs_to_install=["/no/such.whl"])
    assert answer(conn, "packed", [1.0]) == ["1.0", True]
    finished(conn, "packed")


def test_what_is_for_images_or_cannot_be_read_is_refused(conn: ClipperConnection, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("--index-url https://example.org\n")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"base_image": "clipper/python-closure"}, "A cluster of processes runs no images"),
        ({"registry": "somewhere"}, "a deployer pushes no image"),
        ({"pkgs_to_install": "pandas"}, r"must be a list: \['pandas'\]"),
        ({"requirements": tmp_path / "none.txt"}, "cannot be read"),
        ({"requirements": bad}, "only packages can be given here"),
        ({"pkgs_to_install": ["x'; id #"]}, "pip cannot be asked for"),
        ({"requirements": ["--index-url=https://example.org"]}, "pip cannot be asked for"),
        ({"resources": {"cpus": 0.5}}, "a process gets whole cores"),
        ({"resources": {"memory": "7 apples"}}, "memory must be bytes"),
        ({"resources": {"gpus": 64}}, "gpus: this machine has"),
        ({"resources": {"devices": {"google.com/tpu": 1}}}, "Kubernetes has them"),
        ({"python": "/no/such/python"}, "not on this machine"),
    ]
    for options, words in refused:
        with pytest.raises(BadRequest, match=words):
            deploy_python_closure(conn, "refused", 1, "doubles", constant(1), **options)
    assert conn.get_model_info("refused", 1) is None


def test_a_model_that_needs_more_memory_than_it_may_have_is_told_so(conn: ClipperConnection) -> None:
    def greedy(inputs: list[Any]) -> list[Any]:
        return [len(bytearray(1 << 30)) for _ in inputs]

    greedy.__module__ = "__main__"
    limits = {"memory": "256Mi", "cpus": 1}
    with pytest.raises(DeployError, match=r'more memory than the 256 MiB.*"memory": "512Mi"'):
        deploy_python_closure(conn, "greedy", 1, "doubles", greedy, example_input=[1.0], resources=limits)
    deploy_python_closure(conn, "greedy", 1, "doubles", constant(1), example_input=[1.0], resources=limits)
    info = conn.get_model_info("greedy", 1)
    assert info is not None
    assert info["resources"] == msgspec.to_builtins(Resources(1.0, 256 << 20))
    conn.stop_models(["greedy"])


def test_a_model_from_another_python_is_told_before_its_first_query(
    conn: ClipperConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    monkeypatch.setattr("sys.executable", "/gone/bin/python3.9")
    with pytest.raises(
        BadRequest, match=r"Python 3\.9\.1, /gone/bin/python3\.9, which is not on this machine"
    ):
        deploy_python_closure(conn, "elder", 1, "doubles", constant(1))
    monkeypatch.undo()
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    with pytest.raises(DeployError, match=r"packaged with Python 3\.9\.1, and this container runs Python 3"):
        deploy_python_closure(conn, "elder", 1, "doubles", constant(1))


def test_a_package_of_another_version_than_where_it_was_packaged_is_told(
    conn: ClipperConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_container.artifact._packages", lambda: {"numpy": "1.2.3", "torch": "0.1"})
    with pytest.warns(UserWarning, match=r"older:1: numpy is .* here, and was 1\.2\.3"):
        deploy_python_closure(conn, "older", 1, "doubles", constant(1))
    assert any(e["kind"] == "warning" and "numpy" in e["text"] for e in conn.events())
    conn.stop_models(["older"])


def test_an_interpreter_that_cannot_run_a_container_is_told(conn: ClipperConnection) -> None:
    other = next((p for p in ("/usr/bin/python3", "/usr/local/bin/python3") if Path(p).exists()), None)
    if other is None or subprocess.run([other, "-c", "import clipper_container"]).returncode == 0:
        pytest.skip("there is no other interpreter here, without clipperlab")
    with pytest.raises(DeployError, match=rf"{other} cannot run a model container.*Install clipperlab there"):
        deploy_python_closure(conn, "elder", 2, "doubles", constant(1), python=other)


# Functions and what they use


NOTEBOOK = """
import sys
from pathlib import Path
from clipperlab.deployers.packaging import pickle_function
import features, features.steps
from features import scale
from helpers import offset

class Kept:
    def __init__(self, by): self.by = by
    def add(self, x): return x + self.by

kept = Kept(1000)

def predict(inputs):
    return [kept.add(scale(x) + features.steps.DOUBLE * x + offset(features.BASE)) for x in inputs]

Path(sys.argv[1]).write_bytes(pickle_function(predict))
"""
ELSEWHERE = """
import pickle, sys
from pathlib import Path
from clipper_container.loaders.python import load
print(load({"function.pickle": Path(sys.argv[1]).read_bytes()}, "doubles")([1, 2]))
"""


def run(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True, timeout=250
    )


def test_a_function_travels_with_classes_globals_and_modules_beside_it(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "features").mkdir(parents=True)
    elsewhere.mkdir()
    (home / "features" / "__init__.py").write_text("BASE = 7\ndef scale(x): return 100 * x\n")
    (home / "features" / "steps.py").write_text("DOUBLE = 2\n")
    (home / "helpers.py").write_text("from features import scale\ndef offset(x): return scale(x) / 100\n")
    pickled = tmp_path / "function.pickle"
    packed = run(NOTEBOOK, home, str(pickled))
    assert packed.returncode == 0, packed.stderr
    loaded = run(ELSEWHERE, elsewhere, str(pickled))
    assert loaded.stdout.strip() == str([1000 + 100 + 2 + 7.0, 1000 + 200 + 4 + 7.0]), loaded.stderr


def test_a_module_beside_it_that_cannot_travel_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.py").write_text("import threading\nlock = threading.Lock()\n")
    code = (
        "from clipperlab.deployers.packaging import pickle_function\nimport state\n"
        "def predict(inputs):\n    with state.lock: return inputs\npickle_function(predict)\n"
    )
    failed = run(code, tmp_path)
    assert "cannot be packaged: 'lock' in the module 'state' (a _thread.lock)" in failed.stderr


# Trying before deploying


def test_a_function_is_tried_as_clipper_tries_it() -> None:
    trial = ClipperConnection.test_predict_function
    doubled = lambda xs: [2 * x[0] for x in xs]  # noqa: E731
    assert trial({"input": [1.5]}, doubled, "doubles") == [3.0]
    assert trial({"input_batch": [[1.0], [2.0]]}, doubled, "d") == [2.0, 4.0]
    assert trial({"inputs": [1.0]}, doubled, "doubles") == "Invalid input type or JSON key"
    assert trial({"input": "text"}, doubled, "doubles") == "Invalid input type"
    assert trial({"input": [1.0]}, doubled, "nonsense") == "Invalid input type"
    lock = __import__("threading").Lock()
    failing = lambda xs: [lock for _ in xs]  # noqa: E731
    found = trial({"input": [1.0]}, failing, "doubles")
    assert found == "Function does not properly serialize and reload"
    with pytest.raises(ArtifactError):
        deploy_python_closure(ClipperConnection(), "m", 1, "doubles", failing)
