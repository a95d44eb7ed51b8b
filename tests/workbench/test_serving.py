from __future__ import annotations

import os
from typing import Any

import pytest

from clipperlab import BadRequest, ClipperConnection, NotFound
from clipperlab.serving import serve
from tests.support.clusters import ask, constant
from tests.support.waiting import wait_for


@pytest.fixture
def registered(conn: ClipperConnection) -> str:
    """The application of a registered model, which nothing runs yet."""
    name = "kernel"
    if conn.get_app_info(name) is None:
        conn.register_application(name, "doubles", -1, 20_000_000)
        conn.register_model(name, 1, "doubles", labels=["debugged"])
        conn.link_model_to_app(name, name)
    return name


def test_a_registered_model_is_served_by_this_process_until_it_stops(
    conn: ClipperConnection, registered: str
) -> None:
    assert ask(conn, registered, {"input": [1.0]}).json()["default_reason"] == "no_replicas"
    seen: list[Any] = []

    def watched(inputs: list[Any]) -> list[Any]:
        seen.extend(inputs)
        return [[os.getpid(), sum(x)] for x in inputs]

    with serve(conn, registered, 1, watched) as serving:
        answer = ask(conn, registered, {"input_batch": [[1.0, 2.0], [3.0]]}).json()
        outputs = [each["output"] for each in answer["batch_predictions"]]
        assert outputs == [[os.getpid(), 3.0], [os.getpid(), 3.0]]
        assert [list(x) for x in seen] == [[1.0, 2.0], [3.0]]
        assert conn.get_num_replicas(registered) == 1
        (replica,) = [r for r in conn.get_all_model_replicas(verbose=True) if r["model_name"] == registered]
        assert (replica["state"], replica["pid"]) == ("ready", None)
        assert "serving in this process" in repr(serving)
    assert "stopped" in repr(serving)
    wait_for("the replica to be gone", lambda: conn.get_num_replicas(registered) == 0)
    assert ask(conn, registered, {"input": [1.0]}).json()["default_reason"] == "no_replicas"


def test_a_registered_model_may_take_data_frames(cluster: ClipperConnection) -> None:
    pytest.importorskip("pandas")
    cluster.register_application("rows", "dataframe", -1, 20_000_000)
    cluster.register_model("rows", 1, "dataframe")
    cluster.link_model_to_app("rows", "rows")
    with serve(cluster, "rows", 1, lambda frame: frame["a"] + frame["b"]):
        assert cluster.application("rows").predict({"a": 1, "b": 2})["output"] == 3
        found = cluster.application("rows").predict_batch({"a": [1, 2], "b": [3, 4]})
        assert [each["output"] for each in found] == [4, 6]


def test_several_may_serve_it_and_an_error_is_told(conn: ClipperConnection, registered: str) -> None:
    def broken(inputs: list[Any]) -> list[Any]:
        raise ValueError("a breakpoint would be good here")

    with serve(conn, registered, 1, broken):
        answer = ask(conn, registered, {"input": [1.0]}).json()
        assert "a breakpoint would be good here" in answer["default_explanation"]
        with serve(conn, registered, 1, constant(7)):
            assert conn.get_num_replicas(registered) == 2


def test_what_cannot_be_served_is_refused(conn: ClipperConnection, registered: str) -> None:
    with pytest.raises(BadRequest, match="must be a function"):
        serve(conn, registered, 1, "no function")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        serve(conn, registered, 99, constant(1))
    with pytest.raises(BadRequest, match="containerless"):
        conn.set_num_replicas(registered, 2)
    with pytest.raises(BadRequest, match="leave out the image"):
        conn.register_model("x", 1, "doubles", "image:1")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="resources: leave out"):
        conn.register_model("x", 1, "doubles", resources={"cpus": 1})
    with pytest.raises(BadRequest, match="env: leave out"):
        conn.register_model("x", 1, "doubles", env={"KEY": "x"})
