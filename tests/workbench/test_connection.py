"""The connection, against a fake: a small HTTP server that plays the management API from a script."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clipper_container import errors
from clipper_container.artifact import pack
from clipperlab import (
    AlreadyExists,
    ArtifactError,
    BadRequest,
    ClipperConnection,
    ClusterError,
    DeployError,
    NotFound,
    ProcessContainerManager,
    UnconnectedException,
)
from clipperlab.managers import ClusterRecord

TOKEN = "a-token"


class FakeManagement:
    """Answers "METHOD /path" with what the test put into `answers`: (status, JSON, or text as a
    str), one after the other, the last for ever. Keeps the requests, and refuses those without the token."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {"GET /cluster": [(200, {"cluster_name": "fake"})]}
        self.requests: list[tuple[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = fake.answer(self.command, self.path, self.headers["X-Clipper-Token"], body)
                text = answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)
                content = text.encode()
                self.send_response(status)
                if isinstance(answer, str):
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        if token != TOKEN:
            return 401, {"error": "Unauthorized", "message": "no"}
        path, _, query = path.removeprefix("/api/v1").partition("?")
        try:
            self.requests.append((f"{method} {path}", json.loads(body) if body else query or None))
        except ValueError:
            self.requests.append((f"{method} {path}", body))
        script = self.answers.get(f"{method} {path}", [(404, {"error": "NotFound", "message": "not here"})])
        return script.pop(0) if len(script) > 1 else script[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FakeManager:
    """A container manager whose cluster is the fake."""

    cluster_name = "fake"

    def __init__(self, address: str) -> None:
        self.found: ClusterRecord | None = ClusterRecord("fake", "127.0.0.1:1337", address, TOKEN)
        self.runs = False
        self.calls: list[str] = []
        self.after_up: ClusterRecord | None = self.found

    def up(self, *, fresh: bool, settings: Mapping[str, int] | None = None) -> bool:
        self.calls.append(f"up fresh={fresh}")
        self.settings = dict(settings or {})
        started, self.runs, self.found = fresh or not self.runs, True, self.after_up
        return started

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        self.calls.append(f"down purge={purge}")
        return 2

    def record(self) -> ClusterRecord | None:
        return self.found


@pytest.fixture
def fake() -> Iterator[FakeManagement]:
    management = FakeManagement()
    yield management
    management.close()


@pytest.fixture
def manager(fake: FakeManagement) -> FakeManager:
    return FakeManager(fake.address)


@pytest.fixture
def conn(manager: FakeManager) -> ClipperConnection:
    connection = ClipperConnection(manager)
    connection.connect()
    return connection


def _version(**changes: Any) -> dict[str, Any]:
    return {
        "model_name": "digits",
        "model_version": "1",
        "num_replicas": 1,
        "ready_replicas": 1,
        "preparing": "",
        "state": "ready",
        "warnings": [],
        "error": None,
        "is_current_version": True,
    } | changes


# Attaching


def _call(method: Callable[..., Any]) -> object:
    """With something for each argument that it must have."""
    must = [
        p
        for p in inspect.signature(method).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    by_name = {p.name: 1 for p in must if p.kind is p.KEYWORD_ONLY}
    return method(*["x" for p in must if p.kind is not p.KEYWORD_ONLY], **by_name)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, f in inspect.getmembers(ClipperConnection, inspect.isfunction)
        if n[0] != "_"
        and n not in ("start_clipper", "connect", "stop_all", "build_model", "build_and_deploy_model")
        and n != "test_predict_function"
        and n not in ("stop_models", "stop_versioned_models", "stop_inactive_model_versions")
    ],
)
def test_needs_a_cluster(name: str) -> None:
    method = getattr(ClipperConnection(), name)
    with pytest.raises(UnconnectedException, match=r"connect\(\).*start_clipper\(\)"):
        _call(method)


def test_stopping_models_needs_a_cluster() -> None:
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_models(["x"])
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_versioned_models({"x": ["1"]})
    with pytest.raises(UnconnectedException):
        ClipperConnection().stop_inactive_model_versions(["x"])


def test_start_attaches(fake: FakeManagement, manager: FakeManager) -> None:
    conn = ClipperConnection(manager)
    conn.start_clipper(cache_size=7, num_frontend_replicas=2)
    assert manager.settings == {"cache_size": 7, "num_frontends": 2}
    assert conn.get_query_addr() == "127.0.0.1:1337"
    assert conn.get_management_addr() == fake.address
    assert conn.status() == {"cluster_name": "fake"}
    assert TOKEN not in repr(conn) + repr(manager.record())


def test_start_does_not_take_a_running_cluster(manager: FakeManager) -> None:
    manager.runs = True
    conn = ClipperConnection(manager)
    with pytest.raises(ClusterError, match=r"already running: connect\(\) attaches"):
        conn.start_clipper()
    with pytest.raises(UnconnectedException):
        conn.status()
    conn.start_clipper(fresh=True)
    assert manager.calls[-1] == "up fresh=True"


def test_connect_says_where_nothing_was_started(manager: FakeManager) -> None:
    manager.found = None
    with pytest.raises(ClusterError, match=r"not running\. start_clipper\(\)"):
        ClipperConnection(manager).connect()
    assert manager.calls == []


def test_connect_leaves_a_healthy_cluster_alone(conn: ClipperConnection, manager: FakeManager) -> None:
    assert manager.calls == []


@pytest.mark.parametrize("stale", ["127.0.0.1:1", "the same with another token"])
def test_connect_restarts_dead_management(stale: str, fake: FakeManagement, manager: FakeManager) -> None:
    address, token = (stale, TOKEN) if ":" in stale else (fake.address, "another")
    manager.found = ClusterRecord("fake", "127.0.0.1:1337", address, token)
    conn = ClipperConnection(manager)
    conn.connect()
    assert manager.calls == ["up fresh=False"]
    assert conn.get_management_addr() == fake.address


def test_stop_detaches(conn: ClipperConnection, manager: FakeManager) -> None:
    conn.stop_all(purge=True)
    assert manager.calls == ["down purge=True"]
    with pytest.raises(UnconnectedException):
        conn.get_query_addr()


def test_management_that_dies_is_named(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.close()
    with pytest.raises(
        ClusterError,
        match=r"cluster 'fake' does not answer .* connect\(\).*--cluster-name fake`, starts it again",
    ):
        conn.get_all_apps()


def test_proxies_of_the_environment_are_not_asked(
    fake: FakeManagement, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    conn = ClipperConnection(manager)
    conn.connect()
    assert manager.calls == []


# Errors


OF_MANAGEMENT = [e for e in errors.ClipperException.__subclasses__() if e.__module__ == errors.__name__]


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


@pytest.mark.parametrize("output", [{1, 2}, float("nan")])
def test_what_is_no_json_is_refused(output: object, conn: ClipperConnection) -> None:
    with pytest.raises(BadRequest, match="cannot be sent as JSON"):
        conn.register_application("digits", "doubles", output, 1000)


# Applications and models


def test_applications(conn: ClipperConnection, fake: FakeManagement) -> None:
    app: Any = {"name": "digits", "linked_models": ["digits"]}
    fake.answers["POST /applications"] = [(201, app), (409, {"error": "AlreadyExists", "message": "taken"})]
    fake.answers["GET /applications"] = [(200, [app])]
    fake.answers["GET /applications/digits"] = [(200, app)]
    fake.answers["PUT /applications/digits/links/digits"] = [(200, app)]
    fake.answers["DELETE /applications/digits"] = [(204, None)]
    conn.register_application("digits", "doubles", "-1", 500_000)
    assert fake.requests[-1][1] == {
        "name": "digits",
        "input_type": "doubles",
        "default_output": "-1",
        "latency_slo_micros": 500_000,
        "on_overload": "default",
    }
    with pytest.raises(AlreadyExists):
        conn.register_application("digits", "doubles", "-1", 500_000, on_overload="reject")
    assert fake.requests[-1][1]["on_overload"] == "reject"
    conn.link_model_to_app("digits", "digits")
    assert conn.get_all_apps() == ["digits"]
    assert conn.get_all_apps(verbose=True) == [app]
    assert conn.get_linked_models("digits") == ["digits"]
    assert conn.get_app_info("digits") == app
    assert conn.get_app_info("other") is None
    with pytest.raises(NotFound):
        conn.unlink_model_from_app("digits", "other")
    conn.unregister_application("digits")


def _scripted_deploy(fake: FakeManagement, *versions: dict[str, Any]) -> None:
    fake.answers["POST /models/digits/versions"] = [(202, _version(state="starting"))]
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
    _scripted_deploy(fake, _version(state="starting"), _version())
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
    _scripted_deploy(fake, _version())
    conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=batch_size, **options)
    posted = next(body for path, body in fake.requests if path.startswith("POST /models"))
    assert posted | sent == posted


def test_what_contradicts_itself_is_refused(conn: ClipperConnection, packed: Path) -> None:
    with pytest.raises(BadRequest, match="Give either"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=4, batching="aimd")
    with pytest.raises(BadRequest, match="above 0"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, batch_size=0)
    with pytest.raises(BadRequest, match="from 1 to 64"):
        conn.start_clipper(num_frontend_replicas=0)
    with pytest.raises(BadRequest, match="cache_size"):
        conn.start_clipper(cache_size=-1)


def test_deploy_raises_with_the_models_own_traceback(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, _version(state="failed", error="It broke.\nTraceback ...\nZeroDivisionError"))
    with pytest.raises(DeployError, match=r"(?s)It broke\..*ZeroDivisionError"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed)


def test_deploy_gives_up_and_says_where_to_look(
    conn: ClipperConnection, fake: FakeManagement, packed: Path
) -> None:
    _scripted_deploy(fake, _version(state="starting", ready_replicas=0))
    with pytest.raises(ClusterError, match=r"0 of 1 replicas ready after 0 s.*get_clipper_logs"):
        conn.deploy_model("digits", 1, "doubles", artifact=packed, timeout_s=0)


def test_deploy_wants_an_artifact(conn: ClipperConnection, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact at"):
        conn.deploy_model("digits", 1, "doubles", artifact=tmp_path / "none")


def test_versions_and_replicas(conn: ClipperConnection, fake: FakeManagement) -> None:
    version = "/models/digits/versions/1"
    replica: Any = {
        "model_id": "digits:1",
        "model_name": "digits",
        "model_version": "1",
        "model_replica_id": "0",
        "state": "ready",
    }
    fake.answers["GET /models"] = [(200, [_version(), _version(model_version="2", is_current_version=False)])]
    fake.answers[f"GET {version}"] = [(200, _version())]
    fake.answers[f"PUT {version}/replicas"] = [(202, _version())]
    fake.answers["PUT /models/digits/current"] = [(200, _version())]
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
    assert conn.get_all_model_replicas() == ["digits:1:0"]
    draining = {**replica, "model_replica_id": "2", "state": "stopping"}
    fake.answers["GET /replicas"] = [(200, [replica, draining])]
    assert conn.get_all_model_replicas() == ["digits:1:0"]
    assert conn.get_all_model_replicas(verbose=True) == [replica, draining]
    assert conn.get_model_replica_info("digits", 1, 0) == replica
    assert conn.get_model_replica_info("digits", 1, 1) is None


@pytest.mark.parametrize("labels", [["a:b"], ["good", "a,b"], "good"])
def test_labels_are_refused_before_anything_is_sent(
    conn: ClipperConnection, fake: FakeManagement, tmp_path: Path, labels: Any
) -> None:
    fake.requests.clear()
    packed = tmp_path / "m.zip"
    pack(packed, loader="python", input_type="doubles", parts={})
    with pytest.raises(BadRequest, match=r"label name .* cannot be used|labels must be a list"):
        conn.deploy_model("m", 1, "doubles", labels=labels, artifact=packed)
    with pytest.raises(BadRequest, match=r"label name .* cannot be used|labels must be a list"):
        conn.register_model("m", 1, "doubles", labels=labels)
    assert fake.requests == []


def test_no_current_version_before_the_first_is_ready(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /models"] = [(200, [_version(state="starting", is_current_version=False)])]
    with pytest.raises(NotFound, match="is ready yet"):
        conn.get_current_model_version("digits")


def test_stopping_models(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /models"] = [(200, [_version(), _version(model_version="2"), _version(model_name="b")])]
    for path in ("digits/versions/1", "digits/versions/2", "b/versions/7"):
        fake.answers[f"DELETE /models/{path}"] = [(204, None)]
    fake.requests.clear()
    with pytest.raises(NotFound):
        conn.stop_models(["digits", "other"])
    assert [r for r, _ in fake.requests] == ["GET /models"]
    conn.stop_models(["digits"])
    conn.stop_versioned_models({"b": [7]})
    assert [r for r, _ in fake.requests if r.startswith("DELETE")] == [
        "DELETE /models/digits/versions/1",
        "DELETE /models/digits/versions/2",
        "DELETE /models/b/versions/7",
    ]
    with pytest.raises(BadRequest, match=r"model_names must be a list: \['digits'\]"):
        conn.stop_models("digits")
    with pytest.raises(BadRequest, match="must be a list"):
        conn.stop_versioned_models({"b": "7"})


# What was measured


def test_the_way_of_batching_is_changed_and_shown(conn: ClipperConnection, fake: FakeManagement) -> None:
    path = "/models/digits/versions/1/batching"
    sizes = [{"cost": 4.0, "mean_ms": 2.5, "p99_ms": 3.0, "batches": 7}]
    fake.answers["GET /models"] = [(200, [_version()])]
    fake.answers[f"PUT {path}"] = [(200, _version())]
    fake.answers[f"GET {path}"] = [
        (
            200,
            [
                {
                    "frontend": frontend,
                    "policy": "fixed(4)",
                    "dispatches": {"full": 3},
                    "replicas": [{"replica": "0", "limit": 4.0, "sizes": sizes}],
                    "windows": [],
                }
                for frontend in ("0", "1")
            ],
        )
    ]
    conn.set_batching("digits", "fixed(4)", 2000)
    assert fake.requests[-1] == (f"PUT {path}", {"batching": "fixed(4)", "batch_delay_micros": 2000})
    view = conn.batching("digits", 1)
    assert (view.policy, view.dispatches) == ("fixed(4)", {"full": 6})
    assert [(row["frontend"], row["cost"]) for row in view.rows] == [("0", 4.0), ("1", 4.0)]
    assert "digits:1 batches by fixed(4)" in str(view)
    assert "<td>2.50</td>" in view._repr_html_()
    with pytest.raises(NotFound):
        conn.set_batching("digits", "off", version=2)


def test_the_path_of_a_query_is_told_as_a_story(conn: ClipperConnection, fake: FakeManagement) -> None:
    trace = {
        "query_id": 65,
        "application": "digits",
        "protocol": "clipper",
        "frontend": "1",
        "answer": "default",
        "took_ms": 20.0,
        "objective_ms": 20.0,
        "policy": "the linked model",
        "models": [{"version": "digits:1", "cache": "miss", "replicas_lost": 0, "batch": None}],
        "reason": "timeout",
        "explanation": "No replica was free in time.",
    }
    fake.answers["GET /queries/65"] = [(200, trace)]
    assert conn.why(65) == trace
    assert "default after 20.0 ms of 20.0 ms" in str(conn.why(65))
    assert "timeout: No replica was free in time." in str(conn.why(65))
    with pytest.raises(NotFound):
        conn.why(66)


def test_metrics_come_as_text_and_under_clippers_names(conn: ClipperConnection, fake: FakeManagement) -> None:
    fake.answers["GET /metrics"] = [(200, "# HELP clipper_x x\n")]
    fake.answers["GET /instance"] = [(200, {"internal:aggregate_num_predictions": 7})]
    assert conn.get_metrics() == "# HELP clipper_x x\n"
    assert conn.inspect_instance() == {"internal:aggregate_num_predictions": 7}


def test_logs_become_files(conn: ClipperConnection, fake: FakeManagement, tmp_path: Path) -> None:
    fake.answers["GET /logs"] = [(200, {"management": "up\n", "../query-00": "é\n"})]
    paths = [Path(p) for p in conn.get_clipper_logs(tmp_path / "logs")]
    assert [p.name for p in paths] == [".._query-00.log", "management.log"]
    assert all(p.parent == tmp_path / "logs" for p in paths)
    assert paths[0].read_text(encoding="utf-8") == "é\n"


# The process container manager


def test_a_cluster_name_is_a_dns_label() -> None:
    with pytest.raises(BadRequest, match="The cluster name 'My cluster' cannot be used: take lower-case"):
        ProcessContainerManager("My cluster")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    return tmp_path


def test_a_cluster_without_a_record_does_not_run(home: Path) -> None:
    assert ProcessContainerManager("quiet").record() is None


def test_a_record_that_cannot_be_read(home: Path) -> None:
    (home / "torn").mkdir()
    (home / "torn" / "cluster.json").write_text("{")
    with pytest.raises(ClusterError, match=r"cannot be read.*fresh=True"):
        ProcessContainerManager("torn").record()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "echo noise >&2; echo 'Port 1337 is taken. Free it.' >&2; exit 1",
            r"^Port 1337 is taken\. Free it\.$",
        ),
        ("echo 'python: No module named clipper_server' >&2; exit 1", r'pip install "clipperlab\[server\]"'),
        ("exit 1", "failed and said nothing"),
    ],
)
def test_a_failing_runtime_is_quoted(
    script: str, says: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = home / "python"
    runtime.write_text(f"#!/bin/sh\n{script}\n")
    runtime.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(runtime))
    with pytest.raises(ClusterError, match=says):
        ProcessContainerManager("c").up(fresh=False)


def test_the_runtime_is_told_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = home / "python"
    runtime.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\necho \'{"started": true, "stopped": 3}\'\n')
    runtime.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(runtime))
    manager = ProcessContainerManager("c", clipper_query_port=7000)
    assert manager.up(fresh=True)
    assert manager.down(purge=True) == 3
    assert (home / "python.calls").read_text().splitlines() == [
        f"-P -m clipper_server up process --folder {home}/c --query-port 7000 --management-port 1338 --fresh",
        f"-P -m clipper_server down process --folder {home}/c --purge",
    ]
