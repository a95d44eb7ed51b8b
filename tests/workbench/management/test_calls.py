from __future__ import annotations

from typing import Any

import pytest

from clipper_container import errors
from clipperlab import BadRequest, ClipperConnection, ClusterError
from tests.support.fake_management import FakeManagement, FakeManager

OF_MANAGEMENT = [e for e in errors.ClipperException.__subclasses__() if e.__module__ == errors.__name__]


def test_management_that_dies_is_named(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.close()
    with pytest.raises(
        ClusterError,
        match=r"cluster 'fake' does not answer .* connect\(\).*--cluster-name fake`, starts",
    ):
        conn.get_all_apps()


def test_proxies_of_the_environment_are_not_asked(
    fake: FakeManagement, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    conn = ClipperConnection(manager)
    conn.connect()
    assert manager.calls == []


@pytest.mark.parametrize("error", OF_MANAGEMENT)
def test_an_error_comes_out_as_its_class(
    error: type[errors.ClipperException], conn: ClipperConnection, fake: FakeManagement
) -> None:
    fake.answers["GET /applications"] = [
        (error.http_status, {"error": error.__name__, "message": "Do this."})
    ]
    with pytest.raises(error, match=r"^Do this\.$"):
        conn.get_all_apps()


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, ["?"], None])
def test_an_answer_that_is_no_error_of_ours(body: Any, conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /applications"] = [(404, body)]
    with pytest.raises(ClusterError, match=r"answered 404 to GET /api/v1/applications.*same version"):
        conn.get_all_apps()


@pytest.mark.parametrize("name", ["Digits", "a/b", "..", "", "-a", "a" * 64])
def test_names_are_checked_before_they_are_sent(
    name: str, conn: ClipperConnection, fake: FakeManagement
) -> None:
    fake.requests.clear()
    with pytest.raises(BadRequest, match="application name"):
        conn.register_application(name, "doubles", "-1", 1000)
    with pytest.raises(BadRequest, match="version name"):
        conn.get_model_info("digits", name)
    assert fake.requests == []


@pytest.mark.parametrize("output", [{1, 2}, b"text", float("inf")])
def test_what_is_no_json_is_refused(output: object, conn: ClipperConnection) -> None:
    with pytest.raises(BadRequest, match="cannot be sent as JSON"):
        conn.register_application("digits", "doubles", output, 1000)
