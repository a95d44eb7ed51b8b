"""What the examples in docstrings go on from: a cluster as it was, files, and what has been going on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from clipperlab import ClipperConnection, NotFound
from clipperlab import policies as P
from clipperlab.management import Version
from tests.support.archives import archived
from tests.support.waiting import wait_for

SCRIPT = """
import json

def init():
    pass

def run(data):
    return [sum(row) for row in json.loads(data)["data"]]
"""
HANDLER = """
def handle(data, context):
    return [len(request["body"]) for request in data or []]
"""


def write_files(folder: Path) -> None:
    """Those that examples name."""
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    archived(folder, "handler.py", {"handler.py": HANDLER}).rename(folder / "model.mar")


def write_onnx(folder: Path) -> None:
    """model.onnx, which doubles its input."""
    import onnx

    rows = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in "xy"]
    node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    graph = onnx.helper.make_graph([node], "twice", rows[:1], rows[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def give_feedback(world: dict[str, Any]) -> None:
    """For 100 answers, by chance of either model."""
    conn, X, y = (world[name] for name in ("conn", "X", "y"))
    conn.set_policy("digits", P.Split({"digits": 0.5, "bayes": 0.5}))
    conn.collect_feedback("digits")
    answers = conn.application("digits").predict_batch(X[:1])
    for row in X[:100]:
        answers += conn.application("digits").predict_batch([row])
    conn.feedback("digits", answers, label=[y[0], *y[:100]], wait=True)
    wait_for("the query log", lambda: conn.decisions("digits")["reward"].notna().sum() >= 100)


def have_a_shadow(world: dict[str, Any]) -> None:
    """100 pairs: version 3 says how sure it is, and version 2 the same digits."""
    conn, X = world["conn"], world["X"]

    def sure(model: Any, inputs: Any) -> list[Any]:
        return [{"output": digit, "confidence": 0.9} for digit in model.predict(inputs).tolist()]

    sure.__module__ = "__main__"  # packaged by value: a replica has no such module
    conn.deploy(world["model"], "digits", 3, func=sure)
    shadow = conn.start_shadow("digits", 2, fraction=1)

    def enough() -> bool:
        conn.application("digits").predict(X[0], cache=False)
        return bool(shadow.now["seen"]["compared"] >= 100)

    wait_for("100 pairs", enough)


BEFORE: dict[str, Callable[[dict[str, Any]], None]] = {
    "clipperlab.ClipperConnection.evaluate": give_feedback,
    "clipperlab.handles.ApplicationHandle.evaluate": give_feedback,
    "clipperlab.evaluation.Estimate": give_feedback,
    "clipperlab.ClipperConnection.tune_cascade": have_a_shadow,
    "clipperlab.display.tuned.Tuned": have_a_shadow,
}
"""What has been going on before an example."""


class Saved:
    """The cluster as it was, to which it goes back after each example."""

    def __init__(self, conn: ClipperConnection, folder: Path) -> None:
        self._conn, self._folder = conn, folder
        self._applications = conn.get_all_apps(verbose=True)
        self._versions = conn.get_all_models(verbose=True)
        for each in self._versions:
            conn.save_artifact(each["model_name"], each["model_version"], self._path(each))

    def _path(self, version: Version) -> Path:
        return self._folder / f"{version['model_name']}-{version['model_version']}.zip"

    def restore(self) -> None:
        conn = self._conn
        if not conn._attached:  # an example has stopped it
            conn.start_clipper()
        models = {each["model_name"] for each in self._versions}
        for name in models:
            with suppress(NotFound):  # it has ended, or there was none
                conn.rollout(name).abort()
            with suppress(NotFound):
                conn.shadow(name).stop()
        applications = conn.get_all_apps(verbose=True)
        is_changed = applications != self._applications
        if is_changed:
            for app in applications:
                conn.unregister_application(app["name"])
        self._restore_versions(models)
        if is_changed:
            for app in self._applications:
                micros = app["latency_slo_micros"]
                conn.register_application(app["name"], app["input_type"], app["default_output"], micros)
                for model in app["linked_models"]:
                    conn.link_model_to_app(app["name"], model)

    def _restore_versions(self, models: set[str]) -> None:
        conn = self._conn
        found = conn.get_all_models(verbose=True)
        conn.stop_models(sorted({each["model_name"] for each in found} - models))
        there = {(each["model_name"], each["model_version"]) for each in found}
        wanted = {(each["model_name"], each["model_version"]) for each in self._versions}
        for name in {name for name, _ in wanted - there} & {name for name, _ in there}:
            conn.stop_models([name])  # and deployed again in the order in which they were
            there = {(model, version) for model, version in there if model != name}
        for each in self._versions:
            name, version = each["model_name"], each["model_version"]
            if (name, version) not in there:
                conn.deploy_model(name, version, each["input_type"], artifact=self._path(each))
            conn.wait_until_ready(name, version)
            if each["is_current_version"] and conn.get_current_model_version(name) != version:
                conn.set_model_version(name, version)
        for each in conn.get_all_models(verbose=True):
            name, version = each["model_name"], each["model_version"]
            for label in each["version_labels"]:
                conn.set_version_label(name, None, label)
            if (name, version) not in wanted:
                conn.stop_versioned_models({name: [version]})
                continue
            if each["autoscaling"] is not None:
                conn.set_autoscaling(name, None, version=version)
            if each["num_replicas"] != 1:
                conn.set_num_replicas(name, 1, version)
            if each["batching"] != "learned":
                conn.set_batching(name, "learned", version=version)
