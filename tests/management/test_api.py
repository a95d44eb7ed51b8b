"""The management API from outside: its stream of events, its bodies, its secrets."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from clipper_container import artifact, examples, wire
from clipper_container.__main__ import Settings as ReplicaSettings
from clipper_server.cluster import ClusterRecord
from clipper_server.identity import Identity
from clipper_server.management import api, artifacts
from clipper_server.management.api.bodies import MAX_BODY, MAX_DEPTH
from clipper_server.management.state import Version
from clipper_server.query.frontend import Settings as FrontendSettings
from clipper_server.snapshot import MAX_EXAMPLE
from tests.support.managements import TOKEN, Served, served
from tests.support.waiting import wait_for

APP = {"name": "a", "input_type": "doubles", "default_output": -1, "latency_slo_micros": 1000}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of one management for all that is refused, and what is taken away again: each test sees that
    it has changed nothing.
    """
    with served(tmp_path_factory.mktemp("unmoved")) as management, management.client() as client:
        yield client


# The stream of events


Message = dict[str, str]


@contextmanager
def stream(management: Served, **headers: str) -> Iterator[Iterator[Message]]:
    """The events as a client of server-sent events has them; a comment is a message with only that."""
    with (
        management.client() as client,
        client.stream("GET", "/api/v1/events/stream", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        messages = _messages(response)
        assert next(messages) == {"": "these are the events of the cluster"}
        yield messages


def _messages(response: httpx2.Response) -> Iterator[Message]:
    message: Message = {}
    for line in response.iter_lines():
        if line:
            field, _, value = line.partition(":")
            message[field] = value.removeprefix(" ")
        else:
            yield message
            message = {}


def note(management: Served, text: str) -> None:
    management.do(lambda: management.events.add("note", text, model="m"))


def test_a_stream_tells_what_happens_from_now_on(management: Served) -> None:
    note(management, "before")
    with stream(management) as messages:
        note(management, "one\ntwo")
        message = next(messages)
    assert message["event"] == "note"
    event = json.loads(message["data"])
    assert (event["text"], event["subject"]) == ("one\ntwo", {"model": "m"})
    assert message["id"] == str(event["id"])


def test_a_stream_goes_on_after_the_last_event_that_a_client_has_had(management: Served) -> None:
    with stream(management) as messages:
        note(management, "seen")
        last = next(messages)["id"]
    for text in ("missed", "missed too"):
        note(management, text)
    with stream(management, **{"Last-Event-ID": last}) as messages:
        texts = [json.loads(next(messages)["data"])["text"] for _ in range(2)]
        assert texts == ["missed", "missed too"]


def test_a_stream_says_something_while_nothing_happens(
    management: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.events, "PING_S", 0.01)
    with stream(management) as messages:
        assert [next(messages) for _ in range(2)] == [{"": "nothing happened"}] * 2
        note(management, "something")
        assert any(message.get("event") == "note" for message in messages)


def test_streams_end_when_management_ends(management: Served) -> None:
    with stream(management) as first, stream(management) as second:
        management.end()
        assert [*first, *second] == [{"": "nothing happened"}] * 2


def test_streams_tell_every_client_everything_in_order(management: Served) -> None:
    with stream(management) as first, stream(management) as second:
        for number in range(20):
            note(management, str(number))
        for messages in (first, second):
            texts = [json.loads(next(messages)["data"])["text"] for _ in range(20)]
            assert texts == [str(number) for number in range(20)]


def test_a_client_that_does_not_read_its_stream_holds_nobody_up(management: Served) -> None:
    host, port = management.address.split(":")
    with socket.socket() as slow, stream(management) as quick, management.client() as client:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        headers = f"Host: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
        slow.sendall(f"GET /api/v1/events/stream HTTP/1.1\r\n{headers}\r\n".encode())
        assert slow.recv(20).startswith(b"HTTP/1.1 200")
        for _ in range(100):
            note(management, 100_000 * "x")
        for _ in range(100):
            assert len(json.loads(next(quick)["data"])["text"]) == 100_000
        assert client.post("/api/v1/applications", json=APP).status_code == 201
        management.end()
        assert not [message for message in quick if "event" in message and message["event"] == "note"]


def test_a_stream_begins_where_it_should_or_not_at_all(client: httpx2.Client) -> None:
    response = client.get("/api/v1/events/stream", headers={"Last-Event-ID": "x"})
    assert response.status_code == 400
    assert response.json()["error"] == "BadRequest"


def test_what_can_still_be_changed_is_changed_where_events_cannot_be_kept(
    management: Served, client: httpx2.Client
) -> None:
    """The disk is full for one table, so that nothing else differs."""
    full = "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    management.do(lambda: management.state._db.execute(full))
    with stream(management) as messages:
        assert client.post("/api/v1/applications", json=APP).status_code == 201
        assert [a["name"] for a in client.get("/api/v1/applications").json()] == ["a"]
        assert client.get("/api/v1/events").json() == []
        management.do(lambda: management.state._db.execute("DROP TRIGGER full"))
        note(management, "there is room again")
        assert json.loads(next(messages)["data"])["text"] == "there is room again"


def test_a_change_that_cannot_be_kept_is_told(management: Served, client: httpx2.Client) -> None:
    full = "CREATE TRIGGER full BEFORE INSERT ON applications BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
    management.do(lambda: management.state._db.execute(full))
    response = client.post("/api/v1/applications", json=APP)
    assert (response.status_code, response.json()["error"]) == (503, "ClusterError")
    assert "disk is full. See that the disk has room." in response.json()["message"]
    assert client.post("/admin/add_app", json={**APP, "default_output": ""}).status_code == 503


# Bodies


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("latency_slo_micros", str(2**63), "64 bits"),
        ("latency_slo_micros", '"' + str(2**63) + '"', "should be a number"),
        ("latency_slo_micros", '"100000"', "fit: latency_slo_micros: it should be a number, and is '100000'"),
        ("latency_slo_micros", "true", "should be a number, and is True"),
        ("default_output", str(10**30), "64 bits"),
        ("default_output", "NaN", "NaN"),
        ("default_output", '{"a": [-Infinity]}', "NaN"),
        ("default_output", "1e999", "NaN"),
        ("default_output", r'"\ud800"', "surrogate"),
        ("default_output", r'{"\ud800": 1}', "surrogate"),
        ("default_output", json.dumps(deep(MAX_DEPTH)), "nested"),
        ("default_output", 100_000 * "[" + 100_000 * "]", "nested too deep"),
        ("default_output", 5000 * "9", "no JSON that can be read"),
        ("name", r'"\ud800"', "surrogate"),
        ("name", r'"a\u0000"', "cannot be the name"),
        ("input_type", r'"\u0000"', "no input type"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(
    unmoved: httpx2.Client, field: str, text: str, why: str
) -> None:
    content = json.dumps({**APP, field: "HERE"}).replace('"HERE"', text)
    response = unmoved.post("/api/v1/applications", content=content, headers=JSON)
    assert response.status_code == 400, response.text
    assert why in response.json()["message"]
    assert unmoved.get("/api/v1/applications").json() == []


def test_what_is_no_json_is_said_to_be_none(unmoved: httpx2.Client) -> None:
    response = unmoved.post("/api/v1/applications", content='{"name": }', headers=JSON)
    assert response.status_code == 400
    assert "it is no JSON (Expecting value, at character 9)" in response.json()["message"]


@pytest.mark.parametrize(
    "value",
    [deep(MAX_DEPTH - 3), {"a": [1, 2.5, None, "\0 \U0001f600"]}, 2**63 - 1, -(2**63), "", False],
    ids=lambda value: str(value)[:12],
)
def test_a_default_output_comes_back_as_it_was_sent(unmoved: httpx2.Client, value: Any) -> None:
    response = unmoved.post("/api/v1/applications", json={**APP, "default_output": value})
    assert response.status_code == 201, response.text
    try:
        assert unmoved.get("/api/v1/applications/a").json()["default_output"] == value
    finally:
        unmoved.delete("/api/v1/applications/a").raise_for_status()


@pytest.mark.parametrize(
    "fields",
    [
        *[{"hang_after_s": 1e308 * 10}, {"max_cached_input": 2**64}, {"resources": {"memory": 2**63}}],
        *[{"resources": {"cpus": float("inf")}}, {"resources": {"memory": 400 * "9" + "T"}}],
        *[{"resources": {"devices": {"\ud800": 1}}}, {"labels": ["\ud800"]}, {"batching": "fixed(²)"}],
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_a_version_that_cannot_be_kept_is_refused(unmoved: httpx2.Client, fields: dict[str, Any]) -> None:
    body = {"version": "1", "input_type": "doubles", "artifact": None, **fields}
    response = unmoved.post("/api/v1/models/m/versions", content=json.dumps(body), headers=JSON)
    assert response.status_code == 400, response.text
    assert unmoved.get("/api/v1/models").json() == []


def test_a_body_is_as_long_as_it_may_be_and_no_longer(client: httpx2.Client) -> None:
    path = "/api/v1/applications"
    longest = json.dumps({**APP, "default_output": ""})
    longest = longest.replace('""', '"' + (MAX_BODY - len(longest)) * "x" + '"')
    assert client.post(path, content=longest, headers=JSON).status_code == 201
    for body in (longest + " ", iter([longest.encode(), b" "])):
        response = client.post(path, content=body, headers=JSON)
        assert (response.status_code, response.json()["error"]) == (413, "BadRequest")
        assert "larger than 4 MiB" in response.json()["message"]
    response = client.post("/api/v1/frontends/0/report", content=longest + " ")
    assert response.status_code == 413
    assert client.get("/api/v1/applications").status_code == 200


def test_an_address_or_a_method_that_there_is_not_is_told(client: httpx2.Client) -> None:
    nowhere = client.get("/api/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["error"]) == (404, "NotFound")
    wrong = client.put("/api/v1/models")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    several = client.post("/api/v1/applications/some")
    assert (several.status_code, several.headers["allow"]) == (405, "GET, HEAD, PATCH, DELETE")
    for path in ("/api/v1/health", "/admin/ping", "/api/v1/models"):
        assert client.head(path).status_code == client.get(path).status_code == 200
    assert "does not take that method" in wrong.json()["message"]


def test_a_head_ends_wherever_one_can_get_something(management: Served, client: httpx2.Client) -> None:
    """Also where the body has no end, or is large: a stream knows then that nobody listens."""
    assert client.put(UPLOAD, content=CONTENT).status_code == 200
    described = client.get("/openapi.json").json()["paths"]
    paths = [path for path, methods in described.items() if "get" in methods and "{" not in path]
    assert {"/api/v1/events/stream", "/api/v1/metrics"} <= {*paths}
    for path in (*paths, UPLOAD):
        head = client.head(path)
        assert (head.status_code < 500, head.content) == (True, b""), path
    head = client.head("/api/v1/events/stream")
    assert (head.status_code, head.headers["cache-control"]) == (200, "no-store")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert client.head(UPLOAD).headers["content-length"] == str(len(CONTENT))
    wait_for("the streams' ends", lambda: not management.do(lambda: management.server.server_state.tasks))


# Uploads


CONTENT = 300_000 * b"artifact"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
UPLOAD = f"/api/v1/artifacts/{DIGEST}"


def files(management: Served) -> list[str]:
    return [path.name for path in (management.folder / "artifacts").iterdir()]


def room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """So much of the disk is free beside what is kept for other things."""
    usage = shutil.disk_usage("/")._replace(free=free + artifacts.SPARE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)


def test_an_artifact_may_be_larger_than_other_bodies(management: Served, client: httpx2.Client) -> None:
    content = (MAX_BODY + 1) * b"x"
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    assert client.put(f"/api/v1/artifacts/{digest}", content=content).json()["size"] == MAX_BODY + 1
    assert files(management) == [digest.removeprefix("sha256:")]


def test_an_artifact_that_the_disk_has_no_room_for_is_refused_at_once(
    management: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(monkeypatch, len(CONTENT) - 1)
    response = client.put(UPLOAD, content=CONTENT)
    assert (response.status_code, response.json()["error"]) == (507, "NoRoom")
    assert "stop_versioned_models" in response.json()["message"]
    assert files(management) == []
    room(monkeypatch, len(CONTENT))
    assert client.put(UPLOAD, content=CONTENT).status_code == 200


def test_an_upload_of_unknown_size_ends_where_the_disk_does(
    management: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room(monkeypatch, 1000)
    assert client.put(UPLOAD, content=iter([CONTENT])).status_code == 507
    assert files(management) == []


def test_a_disk_that_fills_up_during_an_upload_is_told(
    management: Served, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert client.put(UPLOAD, content=CONTENT).status_code == 507
    assert files(management) == []


def test_an_upload_that_is_cut_short_leaves_nothing(
    management: Served, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = management.address.split(":")
    head = f"PUT {UPLOAD} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection((host, int(port))) as sender:
        sender.sendall(f"{head}Content-Length: {len(CONTENT)}\r\n\r\n".encode() + CONTENT[:100_000])
        wait_for("the upload to begin", lambda: files(management))
    wait_for("what was uploaded to go", lambda: not files(management))
    assert client.put(UPLOAD, content=CONTENT[1:]).status_code == 400
    assert files(management) == []
    assert "Traceback" not in caplog.text


# Secrets


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_another_token_is_none(unmoved: httpx2.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    with httpx2.Client(base_url=unmoved.base_url, trust_env=False, verify=False, timeout=60) as client:
        for path in ("/api/v1/models", "/api/v1/events/stream", f"/api/v1/artifacts/{DIGEST}"):
            response = client.get(path, headers=headers)
            assert (response.status_code, response.json()["error"]) == (401, "Unauthorized")
            assert TOKEN not in response.text


def test_a_size_that_no_query_frontend_would_serve_is_refused(
    management: Served, client: httpx2.Client, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    with pytest.MonkeyPatch.context() as patch:  # as a client does that knows more than we do
        patch.setattr(artifact, "compile_size", lambda size: None)
        digest = artifact.pack(
            packed, loader="python", input_type="doubles", parts={"m": b""}, size="__import__('os')"
        )
    assert client.put(f"/api/v1/artifacts/{digest}", content=packed.read_bytes()).status_code < 300
    body = {"version": "1", "input_type": "doubles", "artifact": digest, "num_replicas": 0}
    response = client.post("/api/v1/models/bad/versions", json=body)
    assert response.status_code == 400
    assert "The size" in response.text
    assert client.get("/api/v1/models").json() == []


def test_the_columns_of_data_frames_come_with_the_artifact(
    management: Served, client: httpx2.Client, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    body = {"input_type": "dataframe", "num_replicas": 0}

    def deploy(version: str, example: dict[str, object]) -> httpx2.Response:
        digest = artifact.pack(
            packed, loader="python", input_type="dataframe", parts={"m": b""}, example_input=example
        )
        client.put(f"/api/v1/artifacts/{digest}", content=packed.read_bytes()).raise_for_status()
        fields = {**body, "version": version, "artifact": digest}
        return client.post("/api/v1/models/rows/versions", json=fields)

    assert deploy("1", {"b": "x", "a": 1}).status_code < 300
    [found] = client.get("/api/v1/models").json()
    assert list(found["columns"].items()) == [("b", "text"), ("a", "float64")]
    [spec] = client.get("/api/v1/frontends/0/snapshot?after=-1&wait_s=0").json()["versions"]
    assert spec["columns"] == found["columns"]
    assert spec["example"] == {"b": "x", "a": 1}
    with pytest.MonkeyPatch.context() as patch:  # as a client does that knows more than we do
        patch.setattr(examples, "described", lambda example: ({"a": "datetime64[ns]"}, None))
        refused = deploy("2", {"a": 1})
    assert refused.status_code == 400
    assert deploy("3", {"b": "x" * MAX_EXAMPLE, "a": 1}).status_code < 300
    specs = client.get("/api/v1/frontends/0/snapshot?after=-1&wait_s=0").json()["versions"]
    assert [spec["example"] is None for spec in specs] == [False, True]  # a large one does not travel
    assert "The column 'a' holds datetime64[ns], which does not travel" in refused.text


def test_a_replicas_credential_is_good_for_its_own_artifact_alone(management: Served, tmp_path: Path) -> None:
    digests, credentials = [], []
    for model in ("mine", "other"):
        packed = tmp_path / model
        digest = artifact.pack(packed, loader="python", input_type="doubles", parts={model: b""})
        packed.rename(tmp_path / "artifacts" / digest.removeprefix("sha256:"))
        version = Version(model, "1", "doubles", digest, [], 1)
        management.do(lambda version=version: management.state.add_version(version))  # type: ignore[misc]
        digests.append(digest)
        credentials.append(management.specs.replica_token(version))
    mine, other = digests
    credential, _ = credentials
    with management.client(credential) as replica:
        response = replica.get(f"/api/v1/artifacts/{mine}")
        assert response.status_code == 200
        assert "sha256:" + hashlib.sha256(response.content).hexdigest() == mine
        assert replica.get(f"/api/v1/artifacts/{other}").status_code == 401
        assert replica.put(f"/api/v1/artifacts/{mine}", content=b"").status_code == 401
        for path in ("/api/v1/models", "/api/v1/events/stream", "/api/v1/frontends/0/snapshot"):
            assert replica.get(path, params={"after": 0, "wait_s": 0}).status_code == 401
        assert replica.post("/admin/get_all_models", json={}).status_code == 401


def test_a_credential_ends_with_its_deployment(management: Served, client: httpx2.Client) -> None:
    found = []
    for _ in range(2):
        new = {"version": "1", "input_type": "doubles", "artifact": None}
        assert client.post("/api/v1/models/ext/versions", json=new).status_code == 202
        found.append(client.get("/api/v1/models/ext/versions/1/credential").json()["token"])
        (spec,) = client.get("/api/v1/frontends/0/snapshot?after=-1&wait_s=0").json()["versions"]
        assert spec["credential"] == hashlib.sha256(found[-1].encode()).hexdigest()
        with management.client(found[-1]) as replica:
            # It is known, and asks for what there is on Kubernetes alone.
            assert replica.get("/api/v1/frontends/addresses").status_code == 400
        assert client.delete("/api/v1/models/ext/versions/1").status_code == 204
        with management.client(found[-1]) as replica:
            assert replica.get("/api/v1/frontends/addresses").status_code == 401
    assert found[0] != found[1]


def test_the_token_is_in_no_log_and_in_no_error(
    management: Served, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("clipper", "uvicorn", "asyncio", "fastapi"):
        caplog.set_level(logging.DEBUG, logger=name)
    answers = [
        client.post("/api/v1/applications", json=APP),
        client.post("/api/v1/applications", json=APP),
        client.post("/api/v1/applications", content=b"{"),
        client.get("/api/v1/nowhere"),
        client.get("/api/v1/cluster"),
        client.get("/api/v1/events"),
        client.get("/openapi.json"),
    ]
    broken = "DROP TABLE events"
    management.do(lambda: management.state._db.execute(broken))
    answers.append(client.get("/api/v1/events"))
    assert answers[-1].status_code == 503
    assert "Registered application a." in caplog.text
    for text in [caplog.text, *(answer.text for answer in answers)]:
        assert TOKEN not in text


def test_openapi_says_what_routes_take_and_answer(client: httpx2.Client) -> None:
    def named(part: object) -> set[str]:
        return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))

    described = client.get("/openapi.json").json()
    operations = [o for path in described["paths"].values() for o in path.values()]
    answered = {}
    for operation in operations:
        status, good = min(operation["responses"].items())
        answered[operation["operationId"]] = status, good.get("content", {}).get("application/json")
    rollouts = {"type": "array", "items": {"$ref": "#/components/schemas/Rollout"}}
    assert answered["rollouts"] == ("200", {"schema": rollouts})
    assert answered["deploy"] == ("202", {"schema": {"$ref": "#/components/schemas/Version"}})
    assert answered["unregister_application"] == ("204", None)
    assert named(described) == described["components"]["schemas"].keys()
    taken = named([operation.get("requestBody") for operation in operations])
    assert not taken & named(answered), "one name would be of two things"


def test_the_token_is_in_no_picture_of_an_object(management: Served) -> None:
    specs = management.specs
    version = Version("m", "1", "doubles", DIGEST, [], 1)
    credential = specs.replica_token(version)
    frontend, replica = specs.query_frontend("0"), specs.replica(version, 0)
    words = {**replica.environment, "CLIPPER_LAST_WORDS": ""}
    record = ClusterRecord("c", "", "", TOKEN, 1, msgspec.convert(_identity(), Identity))
    secrets: list[object] = [
        *(specs, frontend, replica, record),
        FrontendSettings.read(frontend.environment),
        ReplicaSettings.take(words),
        wire.Hello(1, credential, "m", "1", "0", 1),
    ]
    for secret in secrets:
        for picture in (repr(secret), str(secret)):
            assert TOKEN not in picture
            assert credential not in picture


def _identity() -> dict[str, Any]:
    return msgspec.to_builtins(Identity.of(1)) or {}


def test_a_page_in_a_browser_gets_no_leave_to_send_the_token(management: Served) -> None:
    """A page from elsewhere asks before it sends an Authorization header. Nobody says yes."""
    asking = {
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    with management.client(token=None) as browser:
        response = browser.options("/admin/add_app", headers=asking)
        assert response.status_code == 405
        assert not [name for name in response.headers if name.startswith("access-control")]
        # What it can send without asking has no token: a form's text, under any host.
        form = {"Content-Type": "text/plain", "Host": "elsewhere.example"}
        assert browser.post("/admin/add_app", content=json.dumps(APP), headers=form).status_code == 401
