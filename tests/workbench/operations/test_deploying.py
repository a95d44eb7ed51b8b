from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from clipper_container.resources import Resources
from clipperlab import ArtifactError, BadRequest, ClipperConnection, ClusterError, DeployError
from tests.support.fake_management import FakeManagement, a_version


def _scripted_deploy(fake: FakeManagement, *versions: dict[str, Any]) -> None:
    fake.answers["POST /models/digits/versions"] = [(202, a_version(state="starting"))]
    fake.answers["GET /models/digits/versions/1"] = [(200, version) for version in versions]


@pytest.fixture
def packed(tmp_path: Path, fake: FakeManagement) -> Path:
    path = tmp_path / "artifact"
    path.write_bytes(b"packed")
    digest = "sha256:" + hashlib.sha256(b"packed").hexdigest()
    fake.answers[f"PUT /artifacts/{digest}"] = [(200, {"digest": digest, "size": 6})]
    return path


def test_deploy_waits_until_the_version_is_ready(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, a_version(state="starting"), a_version())
    conn.deploy_model("digits", 1, "doubles", None, ["a"], 2, 8, artifact=packed)
    upload, post, first, second = fake.requests[-4:]
    assert upload[1] == b"packed"
    assert post[1] == {
        "version": "1",
        "input_type": "doubles",
        "artifact": upload[0].removeprefix("PUT /artifacts/"),
        "labels": ["a"],
        "num_replicas": 2,
        "batching": "fixed(8)",
    }
    assert first[0] == second[0]
    for _, query in (first, second):
        assert query.startswith("wait_s=")


@pytest.mark.parametrize(
    ("batch_size", "options", "sent"),
    [
        (-1, {}, {"batching": "learned"}),
        (1, {}, {"batching": "off"}),
        (-1, {"batching": "aimd", "batch_delay_micros": 5}, {"batching": "aimd", "batch_delay_micros": 5}),
        (-1, {"hang_after_s": 2.0, "max_cached_input": 0}, {"hang_after_s": 2.0, "max_cached_input": 0}),
    ],
)
def test_the_ways_of_batching_reach_management(
    batch_size: int,
    options: Any,
    sent: dict[str, Any],
    conn: ClipperConnection,
    fake: FakeManagement,
    packed: Path,
) -> None:
    _scripted_deploy(fake, a_version())
    conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=batch_size, **options)
    posted = next(body for path, body in fake.requests if path.startswith("POST /models"))
    assert posted | sent == posted


def test_what_contradicts_itself_is_refused(conn: ClipperConnection, packed: Path) -> None:
    with pytest.raises(BadRequest, match="Give either"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=4, batching="aimd")
    with pytest.raises(BadRequest, match="above 0"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=0)


def test_deploy_raises_with_the_models_own_traceback(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, a_version(state="failed", error="It broke.\nTraceback ...\nZeroDivisionError"))
    with pytest.raises(DeployError, match=r"(?s)It broke\..*ZeroDivisionError"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed)


def test_deploy_gives_up_and_says_where_to_look(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, a_version(state="starting", ready_replicas=0))
    with pytest.raises(ClusterError, match=r"0 of 1 replicas ready after 0 s.*get_clipper_logs"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, timeout_s=0)


def test_deploy_wants_an_artifact(conn: ClipperConnection, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact at"):
        conn.deploy_model("digits", 1, "doubles", artifact=tmp_path / "none")


@pytest.mark.parametrize("labels", [["a:b"], ["good", "a,b"], "good"])
def test_labels_are_refused_before_anything_is_sent(
    conn: ClipperConnection, fake: FakeManagement, packed: Path, labels: Any
) -> None:
    fake.requests.clear()
    with pytest.raises(BadRequest, match=r"label name .* cannot be used|labels must be a list"):
        conn.deploy_model("m", 1, "doubles", labels=labels, artifact=packed)
    with pytest.raises(BadRequest, match=r"label name .* cannot be used|labels must be a list"):
        conn.register_model("m", 1, "doubles", labels=labels)
    assert fake.requests == []


def test_variables_reach_management_and_what_is_none_is_refused_before_anything_is_sent(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, a_version())
    conn.deploy_model("digits", 1, "doubles", artifact=packed, env=MappingProxyType({"KEY": "x"}))
    assert fake.requests[-2][1]["env"] == {"KEY": "x"}
    fake.requests.clear()
    with pytest.raises(BadRequest, match="the value of KEY must be a text"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, env={"KEY": 1})  # type: ignore[dict-item]
    assert fake.requests == []


def _digits(version: str, digest: str, **changes: Any) -> dict[str, Any]:
    as_it_was = {
        "artifact": digest,
        "input_type": "doubles",
        "env": [],
        "resources": msgspec.to_builtins(Resources()),
        "labels": [],
        "batching": "learned",
        "batch_delay_micros": 0,
        "hang_after_s": 10.0,
        "max_cached_input": 16_384,
        "concurrency": 1,
        "uses": [],
        "stages": [],
        "python": "/bin/python",
        "image": "",
    }
    return a_version(model_version=version, **as_it_was) | changes


@pytest.mark.parametrize(
    ("there", "options", "deployed"),
    [
        ([], {}, ("1", True, "current")),
        ([{"model_version": "1", "artifact": "another"}], {}, ("2", True, "current")),
        ([{"model_version": "9"}], {}, ("9", False, "current")),
        ([{"model_version": "9", "state": "failed"}], {}, ("1", True, "current")),
        ([{"model_version": "9", "is_current_version": False}], {}, ("10", True, "current")),
        (
            [{"model_version": "9", "is_current_version": False}],
            {"make_current": False},
            ("9", False, "not current"),
        ),
        ([{"model_version": "9", "hang_after_s": 2.0}], {}, ("10", True, "current")),
        ([{"model_version": "9"}], {"python": "/bin/python3"}, ("10", True, "current")),
        ([{"model_version": "9"}], {"batching": "aimd"}, ("10", True, "current")),
        ([{"model_version": "9"}], {"resources": {"memory": "1Gi"}}, ("10", True, "current")),
        ([{"model_version": "9"}], {"env": {"KEY": "x"}}, ("10", True, "current")),
        ([{"model_version": "9", "num_replicas": 3}], {}, ("9", False, "current")),
        ([{"model_version": "9", "model_name": "other"}], {}, ("1", True, "current")),
    ],
)
def test_a_version_counts_by_itself_and_the_same_model_is_not_deployed_again(
    conn: ClipperConnection,
    fake: FakeManagement,
    packed: Path,
    there: list[dict[str, Any]],
    options: Any,
    deployed: tuple[Any, ...],
) -> None:
    digest = "sha256:" + hashlib.sha256(b"packed").hexdigest()
    fake.answers["GET /models"] = [(200, [_digits("1", digest) | version for version in there])]
    fake.answers["POST /models/digits/versions"] = [(202, a_version(state="starting"))]
    fake.answers[f"GET /models/digits/versions/{deployed[0]}"] = [(200, a_version())]
    assert conn.deploy_model("digits", "next", "d", artifact=packed, **options) == ("digits", *deployed)
    assert any(path.startswith("POST") for path, _ in fake.requests) == deployed[1]
