"""Model archives: packed with all that is in them, and asked as TorchServe asks their handlers."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clipper_container import metrics
from clipper_container.errors import ArtifactError, BadRequest
from clipper_container.loaders import load
from clipper_container.loaders.mar import RequestFailed
from clipper_container.outputs import encode_outputs
from clipperlab.deployers.mar import MAY_BE, ModelArchive
from tests.support.archives import archived

FUNCTION = """
state = {}

def handle(data, context):
    if data is None:
        state["folder"] = context.system_properties["model_dir"]
        return None
    with open(state["folder"] + "/offset.txt") as file:
        offset = int(file.read())
    return [sum(row.get("data") or row.get("body")) + offset for row in data]
"""
STEPS = """
class Service:
    def initialize(self, context):
        self.factor = context.manifest["model"]["factor"]
        self.name = context.model_name

    def preprocess(self, data):
        return [row["body"] for row in data]

    def inference(self, rows):
        return [self.factor * sum(row) for row in rows]

    def postprocess(self, values):
        return [{self.name: value} for value in values]
"""
BASE = """
import torch
from ts.torch_handler.base_handler import BaseHandler

class Handler(BaseHandler):
    def postprocess(self, data):
        return [{"sum": float(row[0])} for row in data]
"""
STATUSES = """
class Handler:
    def handle(self, data, context):
        for i, row in enumerate(data):
            if row["body"] < 0:
                context.set_response_status(code=422, phrase="too small", idx=i)
        context.metrics.add_counter("seen", len(data))
        context.metrics.add_time("took ms", 1.5, idx=0, unit="ms")
        assert len(context.request_ids) == context.system_properties["batch_size"] == len(data)
        assert context.get_request_header(0, "x") is None
        return [row["body"] for row in data]
"""


@pytest.fixture(scope="module")
def torch() -> Any:
    """Late: it takes a second and a half, and each process that runs tests collects this module."""
    import torch

    return torch


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A loader has its process for itself, and changes it."""
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(metrics, "ours", metrics.Metrics())
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if name.partition(".")[0] == "ts" or file.startswith(tempfile.gettempdir()):
            del sys.modules[name]


def loaded(path: Path, input_type: str = "doubles", columns: dict[str, str] | None = None) -> Any:
    return load("mar", ModelArchive(path).parts(), input_type, columns)


ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_a_function_loads_its_model_first(tmp_path: Path) -> None:
    files = {"service.py": FUNCTION, "offset.txt": "100"}
    for handler in ("service.py", "service", "service:handle", "service.py:handle"):
        assert loaded(archived(tmp_path, handler, files))(ROWS) == [103.0, 107.0]


def test_multi_model_servers_archive_is_one(tmp_path: Path) -> None:
    files = {"service.py": FUNCTION.replace("def handle", "def answer"), "offset.txt": "0"}
    path = archived(tmp_path, "service:answer", files, manifest="MANIFEST.json")
    assert loaded(path)(ROWS) == [3.0, 7.0]


def test_a_class_has_steps(tmp_path: Path) -> None:
    predict = loaded(archived(tmp_path, "service.py", {"service.py": STEPS}, factor=2))
    assert predict(ROWS) == [{"m": 6.0}, {"m": 14.0}]


def test_a_module_has_steps(tmp_path: Path) -> None:
    steps = "def inference(data): return [len(row['body']) for row in data]"
    assert loaded(archived(tmp_path, "steps", {"steps.py": steps}))(ROWS) == [2, 2]


@pytest.mark.slow  # as whatever imports torch
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_handler_extends_ours_where_torchserve_is_not(tmp_path: Path, torch: Any) -> None:
    linear = torch.nn.Linear(2, 1, bias=False)
    linear.weight.data[:] = torch.tensor([[1.0, 10.0]])
    program = torch.jit.script(linear)
    program.save(tmp_path / "model.pt")
    weights = (tmp_path / "model.pt").read_bytes()
    files: dict[str, str | bytes] = {"handler.py": BASE, "model.pt": weights}
    predict = loaded(archived(tmp_path, "handler.py", files, serializedFile="model.pt"))
    assert predict(ROWS.astype("float32")) == [{"sum": 21.0}, {"sum": 43.0}]
    predict = loaded(archived(tmp_path, "base_handler", files, serializedFile="model.pt"))
    assert predict(ROWS.astype("float32")) == [[21.0], [43.0]]


@pytest.mark.slow
def test_weights_are_those_of_the_archives_own_module(tmp_path: Path, torch: Any) -> None:
    code = "import torch\nclass Net(torch.nn.Linear):\n  def __init__(self): super().__init__(2, 1, False)"
    torch.save({"weight": torch.tensor([[2.0, 0.0]])}, tmp_path / "weights.pt")
    weights = (tmp_path / "weights.pt").read_bytes()
    files: dict[str, str | bytes] = {"handler.py": BASE, "net.py": code, "weights.pt": weights}
    about = {"modelFile": "net.py", "serializedFile": "weights.pt"}
    assert loaded(archived(tmp_path, "handler.py", files, **about))(ROWS.astype("float32")) == [
        {"sum": 2.0},
        {"sum": 6.0},
    ]


def test_an_error_is_a_requests_own(tmp_path: Path) -> None:
    predict = loaded(archived(tmp_path, "handler.py", {"handler.py": STATUSES}), "json")
    for _ in range(2):  # and the next batch begins anew
        found = encode_outputs(predict([1, -1, 2]), 3, ())
        assert found.body == [b"1", b"", b"2"]  # type: ignore[union-attr]
        assert found.faults.keys() == {1}  # type: ignore[union-attr]
        assert "422 too small: -1" in found.faults[1].message  # type: ignore[union-attr]
    assert predict([1]) == [1]
    told = {each.name: each.sum for each in metrics.ours.news() or ()}
    assert (told["mar_seen"], told["mar_took_ms"]) == (7, 1.5)


def test_metrics_are_of_the_type_that_the_handler_says(tmp_path: Path) -> None:
    code = """
from ts.metrics.dimension import Dimension
from ts.metrics.metric_type_enum import MetricTypes

class Service:
    def initialize(self, context):
        self.size = context.metrics.add_metric_to_cache(
            metric_name="size", unit="count", dimension_names=["Level"], metric_type=MetricTypes.HISTOGRAM
        )

    def handle(self, data, context):
        metrics = context.metrics
        self.size.add_or_update(len(data), ["Model"])
        metrics.get_metric("asked").add_or_update(value=1, dimension_values=["Model"])
        metrics.get_metric("depth", MetricTypes.GAUGE).add_or_update(7)
        metrics.add_metric("level", 5, "km", dimensions=[Dimension("a", "b")], metric_type=MetricTypes.GAUGE)
        metrics.add_metric("way", 5, "km", None, [])
        metrics.add_time("waited", 2, None, "ms", [], MetricTypes.COUNTER)
        metrics.add_percent("full", 50, metric_type=MetricTypes.GAUGE)
        return [1 for _ in data]
"""
    predict = loaded(archived(tmp_path, "handler.py", {"handler.py": code}))
    assert predict(ROWS) == predict(ROWS) == [1, 1]
    told = {each.name.removeprefix("mar_"): (each.kind, each.sum) for each in metrics.ours.news() or ()}
    assert told == {
        "size": ("Histogram", 4),
        "asked": ("Counter", 2),
        "depth": ("Gauge", 7),
        "level": ("Gauge", 5),
        "way": ("Counter", 10),
        "waited": ("Counter", 4),
        "full": ("Gauge", 50),
    }


def test_a_metric_that_cannot_be_noted_fails_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
def handle(data, context):
    if data:
        context.metrics.add_time("took", float("nan"))
        context.metrics.add_metric("took", 1)
        return [1 for _ in data]
"""
    assert loaded(archived(tmp_path, "handler.py", {"handler.py": code}))(ROWS) == [1, 1]
    told = capsys.readouterr()
    assert (told.out + told.err).count("The handler's metric took is not noted") == 2


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = archived(tmp_path, "handler.py", {"handler.py": FUNCTION}, configFile="nowhere.yaml")
    with pytest.raises(ArtifactError, match=r"configuration nowhere\.yaml cannot be read"):
        loaded(path)


def test_an_error_is_not_lost_with_other_outputs(tmp_path: Path) -> None:
    code = STATUSES.replace('return [row["body"] for row in data]', "return {}")
    predict = loaded(archived(tmp_path, "handler.py", {"handler.py": code}), "json")
    with pytest.raises(RequestFailed, match="422 too small"):
        predict([1, -1])


ECHO = """
def handle(data, context):
    return data and [[type(row["body"]).__name__, str(row["body"])] for row in data]
"""


def test_a_body_is_as_json_has_it_and_bytes_are_bytes(tmp_path: Path) -> None:
    path = archived(tmp_path, "echo.py", {"echo.py": ECHO})
    assert loaded(path)(ROWS)[0] == ["list", "[1.0, 2.0]"]
    assert loaded(path, "bytes")([b"a"]) == [["bytearray", "bytearray(b'a')"]]
    assert loaded(path, "strings")(["a"]) == [["str", "a"]]
    frame = pd.DataFrame({"a": [1.0], "b": ["x"]})
    predict = loaded(path, "dataframe", {"a": "float64", "b": "text"})
    assert predict(frame.to_dict(orient="records")) == [["dict", "{'a': 1.0, 'b': 'x'}"]]


def test_an_inputs_names_are_fields_beside_its_body(tmp_path: Path) -> None:
    code = """
def handle(data, context):
    return data and [[row["a"] * 2, str(row["p"]), row["body"]] for row in data]
"""
    predict = loaded(archived(tmp_path, "h.py", {"h.py": code}), "named", {"a": "float64", "p": "bytes"})
    (answer,) = predict([{"a": 1.5, "p": b"x"}])
    assert answer[:2] == [3.0, "bytearray(b'x')"]
    assert answer[2] == {"a": 1.5, "p": bytearray(b"x")}
    frame = loaded(archived(tmp_path, "h.py", {"h.py": code}), "dataframe", {"a": "float64", "p": "text"})
    assert frame([{"a": 1.5, "p": "x"}]) == [[3.0, "x", {"a": 1.5, "p": "x"}]]


EXPLAINS = """
from ts.torch_handler.base_handler import BaseHandler

class Handler(BaseHandler):
    def initialize(self, context):
        pass

    def preprocess(self, data):
        return [row["body"]["x"] for row in data]

    def inference(self, rows):
        return rows

    def postprocess(self, rows):
        return rows
"""
INSIGHTS = """
    def get_insights(self, tensor_data, raw_data, target=0):
        return [[tensor_data, raw_data["x"], target]]
"""


def test_a_handler_explains_one_request_after_the_other_each_with_its_target(tmp_path: Path) -> None:
    path = archived(tmp_path, "h.py", {"h.py": EXPLAINS + INSIGHTS})
    rows = [{"x": 1.0, "target": 3}, {"x": 2.0, "target": 0}]
    types = {"x": "float64", "target": "int64"}
    assert load("mar", ModelArchive(path).parts(), "named", types)(rows) == [1.0, 2.0]
    explains = load("mar", ModelArchive(path, explain=True).parts(), "named", types)
    assert explains(rows) == [[[1.0], 1.0, 3], [[2.0], 2.0, 0]]


def test_a_handler_without_explanations_says_so(tmp_path: Path) -> None:
    archive = ModelArchive(archived(tmp_path, "h.py", {"h.py": EXPLAINS}), explain=True)
    predict = load("mar", archive.parts(), "named", {"x": "float64"})
    with pytest.raises(NotImplementedError, match=r"Handler has no get_insights\(tensor_data"):
        predict([{"x": 1.0}])


def test_a_configuration_is_read(tmp_path: Path) -> None:
    code = "def handle(data, context): return data and [context.model_yaml_config['h']['top']] * len(data)"
    files = {"h.py": code, "model-config.yaml": "h:\n  top: 5\n"}
    assert loaded(archived(tmp_path, "h.py", files, configFile="model-config.yaml"))(ROWS) == [5, 5]


def test_its_requirements_are_the_versions(tmp_path: Path) -> None:
    files = {"h.py": ECHO, "requirements.txt": "# what it imports\nhumanize==4.9.0\n\nsix  # too\n"}
    assert ModelArchive(archived(tmp_path, "h.py", files)).packages() == ["humanize==4.9.0", "six"]
    files = {"h.py": ECHO, "more.txt": "six"}
    assert ModelArchive(archived(tmp_path, "h.py", files, requirementsFile="more.txt")).packages() == ["six"]
    assert ModelArchive(archived(tmp_path, "h.py", {"h.py": ECHO})).packages() == []
    files = {"h.py": ECHO, "requirements.txt": "--index-url https://example.org/simple\n"}
    with pytest.raises(BadRequest, match=r"requirements\.txt has a line with --index-url:"):
        ModelArchive(archived(tmp_path, "h.py", files)).packages()


@pytest.mark.parametrize(
    ("handler", "code", "why"),
    [
        ("image_classifier", "", r"TorchServe's own handler 'image_classifier' is not here"),
        ("h.py", "x = 1", "and has none"),
        ("h.py", "class A:\n def handle(self): 0\nclass B:\n def handle(self): 0", "and has A, B"),
        ("h.py:answer", "class A:\n def initialize(self, c): 0", "and has none"),
    ],
)
def test_what_no_handler_is_is_told(tmp_path: Path, handler: str, code: str, why: str) -> None:
    with pytest.raises(ArtifactError, match=why):
        loaded(archived(tmp_path, handler, {"h.py": code}))


def test_what_no_archive_is_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.mar"
    with pytest.raises(BadRequest, match="cannot be read"):
        ModelArchive(path).parts()
    path.write_bytes(b"no zip")
    with pytest.raises(BadRequest, match="cannot be read"):
        ModelArchive(path).parts()
    with pytest.raises(BadRequest, match="has no MAR-INF/MANIFEST"):
        ModelArchive(archived(tmp_path, "h", {}, manifest="other.json")).parts()
    with pytest.raises(BadRequest, match="names no handler"):
        ModelArchive(archived(tmp_path, "", {})).parts()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", "{]")
    with pytest.raises(BadRequest, match="manifest cannot be read"):
        ModelArchive(path).parts()
    whole = archived(tmp_path, "h.py", {"h.py": ECHO * 100}).read_bytes()
    path.write_bytes(whole.replace(whole[200:210], bytes(10)))
    with pytest.raises(BadRequest, match="cannot be read"):
        ModelArchive(path).parts()


@pytest.mark.parametrize("name", ["../h.py", "/etc/h.py", "a/../../h.py"])
def test_files_that_would_lie_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = archived(tmp_path, "h.py", {name: ECHO})
    with pytest.raises(BadRequest, match="would lie elsewhere"):
        ModelArchive(path).parts()
    parts = {"mar/MAR-INF/MANIFEST.json": b'{"model": {"handler": "h.py"}}', f"mar/{name}": ECHO.encode()}
    with pytest.raises(ArtifactError, match="would lie elsewhere"):
        load("mar", parts, "json")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.mar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as file:
        for _ in range(MAY_BE >> 20):
            file.write(bytes(1 << 20))
        file.write(b"0")
    for read in (ModelArchive(path).parts, ModelArchive(path).packages):
        with pytest.raises(BadRequest, match="256 MiB, more than 100 times"):
            read()
