"""TorchServe's port of a whole cluster, asked by curl as its documentation does, and by a remote model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers import mar, remote
from clipperlab.deployers.mar import deploy_archive
from tests.support.archives import archived
from tests.support.by_curl import curl
from tests.support.places import BY_PROCESSES
from tests.support.waiting import wait_for

pytestmark = [BY_PROCESSES, pytest.mark.slow, pytest.mark.timeout(300)]
PICTURES = """
from ts.torch_handler.base_handler import BaseHandler

class Pictures(BaseHandler):
    def initialize(self, context):
        with open(context.system_properties["model_dir"] + "/index_to_name.json") as file:
            self.names = file.read().split()

    def handle(self, data, context):
        found = []
        for i, row in enumerate(data):
            picture = row.get("data") or row.get("body")
            if picture[:1] == b"x":
                context.set_response_status(code=400, phrase="no picture", idx=i)
            found.append({self.names[picture[0] % 2]: float(len(picture))})
        return found
"""


@pytest.fixture
def port(cluster: ClipperConnection) -> Iterator[str]:
    try:
        yield cluster.start_protocol("torchserve")["rest"]
    finally:
        cluster.stop_protocol("torchserve")


def test_curl_asks_as_it_asks_torchserve(cluster: ClipperConnection, port: str, tmp_path: Path) -> None:
    files = {"handler.py": PICTURES, "index_to_name.json": "cat dog"}
    archive = archived(tmp_path, "handler.py", files)
    given: dict[str, Any] = {"input_type": "bytes", "example_input": b"a"}
    app = mar.create_endpoint(cluster, "pictures", archive, slo_ms=20_000, **given)
    deploy_archive(cluster, "pictures", 2, archive, make_current=False, **given)
    picture = tmp_path / "kitten.jpg"
    picture.write_bytes(b"\xff" + bytes(999_999))
    wait_for("it to be healthy", lambda: curl(f"http://{port}/ping") == (200, {"status": "Healthy"}))
    at = f"http://{port}/predictions/pictures"
    told = 200, {"dog": 1_000_000.0}
    assert curl(at, "-T", str(picture)) == told
    assert curl("-X", "POST", at, "-F", f"data=@{picture}") == told
    assert curl("-X", "POST", f"{at}/2", "--data-binary", f"@{picture}") == told
    assert curl("-X", "POST", f"http://{port}/models/pictures/invoke", "-T", str(picture)) == told
    picture.write_bytes(b"x")
    assert curl(at, "-T", str(picture)) == (200, "None")
    assert "400 no picture" in app.predict(b"x")["default_explanation"]
    status, found = curl("-X", "OPTIONS", f"http://{port}")
    assert (status, list(found["paths"])) == (200, ["/predictions/pictures"])
    assert "ts_inference_requests_total" in curl(f"http://{port}/metrics")[1]

    record = ProcessContainerManager(cluster.cm.cluster_name).folder / "cluster.json"
    key = "-H", f"Authorization: Bearer {json.loads(record.read_text())['token']}"
    models = f"http://{port}/models"
    assert curl(models)[1] == {"models": [{"modelName": "pictures", "modelUrl": "pictures:1"}]}
    for words in (
        ("-X", "POST", f"{models}?url=pictures:2"),
        ("-X", "PUT", f"{models}/pictures?min_worker=2"),
        ("-X", "PUT", f"{models}/pictures/2/set-default"),
        ("-X", "DELETE", f"{models}/pictures/2"),
    ):
        for wrong in ((), ("-H", "Authorization: Bearer wrong")):
            status, found = curl(*words, *wrong)
            assert (status, found["type"]) == (401, "InvalidKeyException")
    mars = "https://torchserve.pytorch.org/mar_files/squeezenet1_1.mar"
    status, found = curl(*key, "-X", "POST", f"{models}?url={mars}")
    assert (status, "deployers.mar.deploy_archive" in found["message"]) == (400, True)
    options = "batch_size=4&max_batch_delay=10&initial_workers=1&synchronous=true"
    status, found = curl(*key, "-X", "POST", f"{models}?url=pictures:2&{options}")
    assert (status, found["status"]) == (200, 'Model "pictures" Version: 2 registered with 1 initial workers')
    assert cluster.get_current_model_version("pictures") == "2"
    status, found = curl(*key, "-X", "PUT", f"{models}/pictures?min_worker=2&synchronous=true")
    assert (status, found) == (200, {"status": "Workers scaled to 2 for model: pictures"})
    ((described,),) = [curl(f"{models}/pictures")[1]]
    assert (described["modelVersion"], described["batchSize"], described["maxBatchDelay"]) == ("2", 4, 10)
    assert len(described["workers"]) == 2
    status, found = curl(*key, "-X", "PUT", f"{models}/pictures/1/set-default")
    assert status == 200
    assert cluster.get_current_model_version("pictures") == "1"
    wait_for("the frontend to know", lambda: curl(f"{models}/pictures")[1][0]["modelVersion"] == "1")
    assert curl(*key, "-X", "DELETE", f"{models}/pictures")[0] == 403
    gone = curl(*key, "-X", "DELETE", f"{models}/pictures/2")
    assert gone == (200, {"status": 'Model "pictures" unregistered'})
    assert [each["model_version"] for each in cluster.get_all_models(verbose=True)] == ["1"]


def test_a_form_with_several_fields_is_one_input_of_a_handler(
    cluster: ClipperConnection, port: str, tmp_path: Path
) -> None:
    code = """
def handle(data, context):
    return data and [{row["note"]: len(row["picture"]) * row["weight"]} for row in data]
"""
    example = {"picture": b"a", "note": "none", "weight": 1.0}
    archive = archived(tmp_path, "h.py", {"h.py": code})
    mar.create_endpoint(cluster, "parts", archive, input_type="named", example_input=example, slo_ms=20_000)
    picture = tmp_path / "kitten.jpg"
    picture.write_bytes(b"\xff\x00\r\n" * 1000)
    fields = "-F", f"picture=@{picture}", "-F", "note=on the floor", "-F", "weight=0.5"
    at = f"http://{port}/predictions/parts"
    assert curl("-X", "POST", at, *fields) == (200, {"on the floor": 2000.0})
    status, found = curl("-X", "POST", at, *fields[:4])
    assert (status, "weight" in found["message"]) == (400, True)


def test_an_archive_explains_what_another_application_answers(
    cluster: ClipperConnection, port: str, tmp_path: Path
) -> None:
    code = """
class Handler:
    def handle(self, data, context):
        explains = context.get_request_header(0, "explain") == "True"
        return [f"because of {row['body']}" if explains else len(row["body"]) for row in data]
"""
    archive = archived(tmp_path, "h.py", {"h.py": code})
    given: dict[str, Any] = {"input_type": "strings", "example_input": "a", "slo_ms": 20_000}
    mar.create_endpoint(cluster, "words", archive, **given)
    mar.create_endpoint(cluster, "words-explanations", archive, explain=True, **given)
    sends = "-X", "POST", "-H", "Content-Type: text/plain", "-d", "the floor"
    assert curl(*sends, f"http://{port}/predictions/words") == (200, 9)
    assert curl(*sends, f"http://{port}/explanations/words") == (200, "because of the floor")


def test_our_own_port_is_a_server_like_others(cluster: ClipperConnection, port: str, tmp_path: Path) -> None:
    echo = "def handle(data, context): return data and [row['body'] for row in data]"
    archive = archived(tmp_path, "echo.py", {"echo.py": echo})
    inputs = {"json": {"a": [1, None]}, "strings": "später", "bytes": b"\x00\xff", "doubles": [1.0, 2.5]}
    for kind, given in inputs.items():
        at: dict[str, Any] = {"input_type": kind, "example_input": given, "slo_ms": 20_000}
        ours = mar.create_endpoint(cluster, f"ours-{kind}", archive, **at)
        url = f"http://{port}/predictions/ours-{kind}"
        theirs = remote.create_endpoint(cluster, f"theirs-{kind}", url, protocol="torchserve", **at)
        answers = [each.predict(given) for each in (ours, theirs)]
        assert answers[0]["output"] == answers[1]["output"]
        assert not any(answer["default"] for answer in answers)
