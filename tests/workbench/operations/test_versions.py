from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clipperlab import BadRequest, ClipperConnection, NotFound
from tests.support.fake_management import FakeManagement, a_version


def test_versions_and_replicas(conn: ClipperConnection, fake: FakeManagement) -> None:
    version = "/models/digits/versions/1"
    replica: Any = {
        "state": "ready",
        "model_id": "digits:1",
        "model_name": "digits",
        "model_version": "1",
        "model_replica_id": "0",
    }
    fake.answers["GET /models"] = [
        (200, [a_version(), a_version(model_version="2", is_current_version=False)])
    ]
    fake.answers[f"GET {version}"] = [(200, a_version())]
    fake.answers[f"PUT {version}/replicas"] = [(202, a_version())]
    fake.answers["PUT /models/digits/current"] = [(200, a_version())]
    fake.answers["GET /replicas"] = [(200, [replica])]
    assert conn.get_all_models() == ["digits:1", "digits:2"]
    assert conn.get_current_model_version("digits") == "1"
    with pytest.raises(NotFound, match=r"no model 'other'. Models: digits\."):
        conn.get_current_model_version("other")
    assert conn.get_num_replicas("digits") == 1
    conn.set_model_version("digits", 1, num_replicas=3)
    assert ("PUT /models/digits/versions/1/replicas", {"num_replicas": 3}) in fake.requests
    assert fake.requests[-1] == ("PUT /models/digits/current", {"version": "1", "message": ""})
    assert conn.get_model_info("digits", 3) is None
    draining = {**replica, "model_replica_id": "2", "state": "stopping"}
    fake.answers["GET /replicas"] = [(200, [replica, draining])]
    assert conn.get_all_model_replicas() == ["digits:1:0"]
    assert conn.get_all_model_replicas(verbose=True) == [replica, draining]
    assert conn.get_model_replica_info("digits", 1, 0) == replica
    assert conn.get_model_replica_info("digits", 1, 1) is None


def test_a_model_without_a_current_version_says_so_be_others_ready_or_not(
    conn: ClipperConnection, fake: FakeManagement
) -> None:
    for state in ("starting", "ready"):
        fake.answers["GET /models"] = [(200, [a_version(state=state, is_current_version=False)])]
        with pytest.raises(NotFound, match=r"'digits' has no current version.*set_model_version makes one"):
            conn.get_current_model_version("digits")


def removed(fake: FakeManagement) -> list[list[str]]:
    """The versions of each removal, in its order."""
    bodies = [body for request, body in fake.requests if request == "POST /removals"]
    return [[f"{each['model']}:{each['version']}" for each in body["versions"]] for body in bodies]


def test_stopping_models(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /models"] = [
        (200, [a_version(), a_version(model_version="2"), a_version(model_name="b")])
    ]
    fake.answers["POST /removals"] = [(204, None)]
    fake.answers["GET /applications"] = [(200, [])]
    fake.requests.clear()
    with pytest.raises(NotFound):
        conn.stop_models(["digits", "other"])
    assert [r for r, _ in fake.requests] == ["GET /models"]
    conn.stop_models(["digits"])
    conn.stop_versioned_models({"b": [7]})
    assert removed(fake) == [["digits:1", "digits:2"], ["b:7"]]
    with pytest.raises(BadRequest, match=r"model_names must be a list: \['digits'\]"):
        conn.stop_models("digits")
    with pytest.raises(BadRequest, match="must be a list"):
        conn.stop_versioned_models({"b": "7"})


def test_a_model_that_answers_nobody_any_more_is_told_of(
    conn: ClipperConnection, fake: FakeManagement
) -> None:
    staged = a_version(model_name="staged", is_current_version=False)
    rest = [a_version(model_version=version, is_current_version=False) for version in ("1", "2")]
    fake.answers["GET /models"] = [
        (200, [*rest, a_version(model_version="3"), staged]),
        (200, [*rest, staged]),
    ]
    fake.answers["POST /removals"] = [(204, None)]
    with pytest.warns(
        UserWarning, match=r"^digits has no current version any more, .* Its versions: 1, 2\.$"
    ):
        conn.stop_versioned_models({"digits": [3]})


def test_who_uses_a_model_is_stopped_before_it(conn: ClipperConnection, fake: FakeManagement) -> None:
    versions = [
        a_version(model_name="base"),
        a_version(model_name="base", model_version="2", is_current_version=False, uses=["top"]),
        a_version(model_name="middle", uses=["base"]),
        a_version(model_name="top", uses=["base", "middle"]),
    ]
    fake.answers["GET /models"] = [(200, versions)]
    fake.answers["POST /removals"] = [(204, None)]
    fake.requests.clear()
    conn.stop_all_model_containers()
    assert removed(fake) == [["base:2", "top:1", "middle:1", "base:1"]]


def test_labels_of_versions(conn: ClipperConnection, fake: FakeManagement) -> None:
    label = "/models/digits/labels/stable"
    fake.answers[f"PUT {label}"] = [(200, a_version(version_labels=["stable"]))]
    fake.answers[f"DELETE {label}"] = [(204, None)]
    conn.set_version_label("digits", 1, "stable")
    assert fake.requests[-1] == (f"PUT {label}", {"version": "1"})
    conn.set_version_label("digits", None, "stable")
    assert fake.requests[-1][0] == f"DELETE {label}"
    with pytest.raises(BadRequest, match="version label 'a/b' cannot be used"):
        conn.set_version_label("digits", 1, "a/b")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none/x.zip", "{0}/none/x.zip cannot be written: there is no folder {0}/none. Name another place."),
        ("file/x.zip", "{0}/file/x.zip cannot be written: not a directory. Name another place."),
        (".", "{0} is a folder. Name the file: {0}/model.zip."),
    ],
)
def test_an_artifact_that_cannot_be_written_names_the_file_that_was_given(
    conn: ClipperConnection, fake: FakeManagement, tmp_path: Path, file: str, said: str
) -> None:
    (tmp_path / "file").touch()
    fake.answers["GET /models/digits/versions/1"] = [(200, a_version(artifact="sha256:0"))]
    with pytest.raises(BadRequest, match=f"^{re.escape(said.format(tmp_path))}$"):
        conn.save_artifact("digits", 1, tmp_path / file)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
