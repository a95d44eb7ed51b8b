"""What operations on protocols ask of management, and how what they give shows itself."""

from __future__ import annotations

from typing import Any

import pytest

from clipper_container.errors import BadRequest
from clipperlab import ClipperConnection
from tests.support.fake_management import FakeManagement, FakeManager

CLIPPER = {"name": "clipper", "state": "on", "rest": "inside:1337", "grpc": None, "trouble": None}
OFF = {"name": "tensorflow-serving", "state": "off", "rest": None, "grpc": None, "trouble": None}
ON = {**OFF, "state": "on", "rest": "inside:8501", "grpc": "inside:8500"}
FAILED = {**OFF, "name": "other", "state": "failed", "rest": "inside:1", "trouble": "The port is <taken>."}


def test_all_of_them_are_a_table(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /protocols"] = [(200, [CLIPPER, ON, FAILED])]
    found = conn.protocols()
    assert found[1] == {**ON, "rest": "outside:8501", "grpc": "outside:8500"}  # as this process finds them
    assert repr(found).splitlines() == [
        "clipper  on  outside:1337",
        "tensorflow-serving  on  outside:8501  outside:8500",
        "other  failed  outside:1  The port is <taken>.",
    ]
    assert "The port is &lt;taken&gt;." in found._repr_html_()


def test_one_is_started_and_stopped(
    conn: ClipperConnection, fake: FakeManagement, manager: FakeManager
) -> None:
    fake.answers["GET /protocols"] = [(200, [CLIPPER, ON])]
    fake.answers["PUT /protocols/tensorflow-serving"] = [(200, ON)]
    fake.answers["DELETE /protocols/tensorflow-serving"] = [(204, None)]
    started = conn.start_protocol("tensorflow-serving", port=8501, grpc_port=8500)
    assert (started["rest"], started["grpc"]) == ("outside:8501", "outside:8500")
    conn.stop_protocol("tensorflow-serving")
    assert manager.calls[-1] == "left inside:8500 inside:8501"
    assert [request for request in fake.requests if not request[0].startswith("GET")] == [
        ("PUT /protocols/tensorflow-serving", {"port": 8501, "grpc_port": 8500, "key": None}),
        ("DELETE /protocols/tensorflow-serving", None),
    ]
    fake.answers["PUT /protocols/tensorflow-serving"] = [(400, {"error": "BadRequest", "message": "no"})]
    with pytest.raises(BadRequest, match="no"):
        conn.start_protocol("tensorflow-serving")


def test_those_that_a_cluster_is_to_start_with_are_named(
    conn: ClipperConnection, manager: FakeManager
) -> None:
    conn.start_clipper(protocols=["open-inference-grpc", "tensorflow-serving"])
    assert manager.settings["protocols"] == "open-inference-grpc,tensorflow-serving"
    ports = {"port": 8501, "grpc_port": 8500}
    named = {"tensorflow-serving": ports, "open-inference-grpc": {"grpc_port": 8001}, "azureml": {}}
    conn.start_clipper(protocols=named, exist_ok=True)
    assert manager.settings["protocols"] == "tensorflow-serving:8501:8500,open-inference-grpc::8001,azureml"


@pytest.mark.parametrize(
    ("protocols", "sentence"),
    [
        ("tensorflow-serving", r"a list of names: \['tensorflow-serving'\]"),
        ({"azureml": {"rest": 1}}, "azureml may have a port and a grpc_port"),
        ({"azureml": {"port": "1"}}, "numbers, and not"),
    ],
)
def test_what_names_no_protocols_is_refused(conn: ClipperConnection, protocols: Any, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        conn.start_clipper(protocols=protocols)
