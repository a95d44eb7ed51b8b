"""Real clusters of real processes: the whole line, and what happens when parts of it are killed."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest

from clipper_container import wire
from clipper_container.errors import ArtifactError, BadRequest, ClusterError, DeployError, NotFound
from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure

from .clusters import Attach, ask, constant, deploy_who, kill, lives, output, pid_of
from .waiting import wait_for

# The whole line


def test_numbers_that_are_whole_are_good_doubles(conn: ClipperConnection) -> None:
    conn.register_application("sums", "doubles", -1.0, 2_000_000)
    deploy_python_closure(conn, "sums", 1, "doubles", lambda rows: [r.sum() for r in rows], example_input=[1])
    conn.link_model_to_app("sums", "sums")
    answer = ask(conn, "sums", {"input": [1, 2]}).json()
    assert (answer["output"], answer["default"]) == (3.0, False)


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        ("errors", b"{]", 400, "Error parsing JSON"),
        ("errors", {"input": "text"}, 400, "a list of numbers"),
        ("nobody", {"input": [1]}, 404, "There is no application 'nobody'"),
    ],
)
def test_a_bad_request_is_told_what_was_expected(
    conn: ClipperConnection, path: str, body: Any, status: int, expected: str
) -> None:
    if "errors" not in conn.get_all_apps():
        conn.register_application("errors", "doubles", -1, 100_000)
    response = ask(conn, path, body)
    assert response.status_code == status
    assert expected in response.json()["cause"]


def test_bytes_strings_and_json_arrive_as_such(conn: ClipperConnection) -> None:
    def kinds(inputs: list[Any]) -> list[str]:
        return [f"{type(i).__name__} {len(i)}" for i in inputs]

    kinds.__module__ = "__main__"
    cases = [("bytes", "aGVsbG8=", "bytes 5"), ("strings", "hé", "str 2"), ("json", {"a": [1]}, "dict 1")]
    for name, value, kind in cases:
        conn.register_application(name, name, "", 2_000_000)
        deploy_python_closure(conn, name, 1, name, kinds)
        conn.link_model_to_app(name, name)
        assert ask(conn, name, {"input": value}).json()["output"] == kind


def kinds(inputs: Any) -> list[Any]:
    """What each input is, and outputs of many kinds."""
    import numpy as np

    whole = type(inputs).__name__
    return [[whole, str(x.dtype), list(x.shape), np.float32(x.sum()), {"max": x.max()}] for x in inputs]


def test_arrays_arrive_as_numpy_and_outputs_may_be_of_any_kind(conn: ClipperConnection) -> None:
    kinds.__module__ = "__main__"
    conn.register_application("arrays", "ndarray", None, 2_000_000)
    example = np.zeros((2, 2), dtype=np.uint8)
    deploy_python_closure(conn, "arrays", 1, "ndarray", kinds, example_input=example)
    conn.link_model_to_app("arrays", "arrays")
    nested = ask(conn, "arrays", {"input": [[1, 2], [3, 4]]}).json()["output"]
    assert nested == ["ndarray", "int64", [2, 2], 10.0, {"max": 4}]
    described = {"dtype": "uint8", "shape": [3], "data": base64.b64encode(bytes([1, 2, 250])).decode()}
    assert ask(conn, "arrays", {"input": described}).json()["output"][1:3] == ["uint8", [3]]
    mixed = ask(conn, "arrays", {"input_batch": [[1.5], [[1, 2]], described]}).json()["batch_predictions"]
    assert [answer["output"][:3] for answer in mixed] == [
        ["list", "float64", [1]],
        ["list", "int64", [1, 2]],
        ["list", "uint8", [3]],
    ]
    header = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}]
    }
    text = json.dumps(header).encode()
    body = text + np.arange(6, dtype="<f4").tobytes()
    response = httpx2.post(
        f"http://{conn.get_query_addr()}/v2/models/arrays/infer",
        content=body,
        headers={"Inference-Header-Content-Length": str(len(text))},
        trust_env=False,
    )
    answered = [json.loads(text) for text in response.json()["outputs"][0]["data"]]
    assert [a[:4] for a in answered] == [["ndarray", "float32", [3], 3.0], ["ndarray", "float32", [3], 12.0]]


def test_batching_is_watched_and_changed_while_the_model_runs(conn: ClipperConnection) -> None:
    conn.register_application("batched", "doubles", -1, 2_000_000)
    deploy_python_closure(
        conn, "batched", 1, "doubles", constant(1), example_input=[1.0], batching="fixed(4)"
    )
    conn.link_model_to_app("batched", "batched")
    view = conn.batching("batched")
    assert view.policy == "fixed(4)"
    assert {row["cost"] for row in view.rows} == {1, 2, 4}  # from the warm-up, before any query
    assert view.dispatches == {}
    ask(conn, "batched", {"input_batch": [[i] for i in range(12)]})
    assert conn.batching("batched").dispatches == {"full": 3}
    conn.set_batching("batched", "off")
    ask(conn, "batched", {"input_batch": [[i] for i in range(5)]})
    view = conn.batching("batched")
    assert (view.policy, view.dispatches) == ("off", {"full": 8})
    assert view.frontends[0]["windows"][-1]["inputs"] == 17
    assert "batches by off" in str(view)
    info = conn.get_model_info("batched", 1)
    assert info is not None
    assert info["batching"] == "off"
    with pytest.raises(BadRequest, match="Choose one of"):
        conn.set_batching("batched", "sometimes")


def test_why_tells_the_path_of_a_query(conn: ClipperConnection) -> None:
    conn.register_application("told", "doubles", -1, 2_000_000)
    deploy_python_closure(conn, "told", 1, "doubles", constant(1))
    conn.link_model_to_app("told", "told")
    query_id = ask(conn, "told", {"input": [1]}).json()["query_id"]
    trace = conn.why(query_id)
    assert (trace["answer"], trace["models"][0]["batch"]["replica"]) == ("answered", "0")
    assert trace["models"][0]["batch"]["compute_ms"] <= trace["took_ms"]
    assert "told:1, chosen by FirstModel" in str(trace)
    assert conn.inspect_instance()["app:told:num_predictions"] == 1
    with pytest.raises(NotFound, match="no trace of query"):
        conn.why(query_id + 64)


def test_another_process_finds_everything(conn: ClipperConnection) -> None:
    deploy_who(conn, "found", "found")
    program = (
        "from clipperlab import ClipperConnection, ProcessContainerManager\n"
        "conn = ClipperConnection(ProcessContainerManager('shared'))\n"
        "conn.connect()\n"
        "print(conn.get_query_addr(), conn.get_linked_models('found'))\n"
        "print(conn.get_current_model_version('found'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{conn.get_query_addr()} ['found']\n1\n"


def test_roll_back_and_forward_under_load_loses_nothing(conn: ClipperConnection) -> None:
    conn.register_application("rolled", "doubles", "default", 2_000_000)
    for version in (1, 2):
        deploy_python_closure(conn, "rolled", version, "doubles", constant(version))
    conn.link_model_to_app("rolled", "rolled")
    seen: list[Any] = []
    stop = threading.Event()

    def client() -> None:
        with httpx2.Client(trust_env=False) as http:
            while not stop.is_set():
                response = http.post(
                    f"http://{conn.get_query_addr()}/rolled/predict", json={"input_batch": [[1], [2]]}
                )
                seen.append([answer["output"] for answer in response.json()["batch_predictions"]])

    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    for i in range(10):
        version = 1 + i % 2
        conn.set_model_version("rolled", version)
        assert output(conn, "rolled") == version
    stop.set()
    for thread in clients:
        thread.join(10)
    assert len(seen) > 20
    assert all(outputs in ([1, 1], [2, 2]) for outputs in seen)


def test_all_replicas_answer_and_scaling_down_loses_nothing(conn: ClipperConnection) -> None:
    deploy_who(conn, "scaled", "scaled", num_replicas=3)
    assert len({output(conn, "scaled") for _ in range(30)}) == 3
    answers: list[Any] = []

    def client() -> None:
        answers.extend(output(conn, "scaled") for _ in range(100))

    thread = threading.Thread(target=client)
    thread.start()
    conn.set_num_replicas("scaled", 1)
    thread.join(20)
    assert len(answers) == 100
    assert None not in answers
    wait_for("two replicas to go", lambda: conn.get_all_model_replicas().count("scaled:1:0") == 1)


# Deploys that do not work


def imports_inside(inputs: list[Any]) -> list[Any]:
    import no_such_package  # type: ignore[import-not-found]

    return [no_such_package.f(i) for i in inputs]


def raises(inputs: list[Any]) -> list[Any]:
    raise ValueError("the model's own words")


def ends_the_process(inputs: list[Any]) -> list[Any]:
    import os

    os._exit(3)


def one_too_many(inputs: list[Any]) -> list[Any]:
    return [*inputs, 1]


for function in (imports_inside, raises, ends_the_process, one_too_many):
    function.__module__ = "__main__"


@pytest.mark.parametrize(
    ("function", "example", "words"),
    [
        (imports_inside, None, "No module named 'no_such_package'"),
        (raises, [1.0], "ValueError: the model's own words"),
        (ends_the_process, [1.0], "exit code 3"),
        (one_too_many, [1.0], "2 outputs for 1 inputs"),
    ],
)
def test_a_deploy_that_fails_says_why_in_the_models_words(
    conn: ClipperConnection, function: Callable[..., Any], example: Any, words: str
) -> None:
    name = function.__name__.replace("_", "-")
    with pytest.raises(DeployError) as raised:
        deploy_python_closure(conn, name, 1, "doubles", function, example_input=example)
    assert words in str(raised.value)
    deploy_python_closure(conn, name, 1, "doubles", constant(1))


def test_a_function_that_cannot_be_packaged_is_told_what_of_it(conn: ClipperConnection) -> None:
    lock = threading.Lock()

    def locked(inputs: list[Any]) -> list[Any]:
        with lock:
            return inputs

    with pytest.raises(ArtifactError, match="lock"):
        deploy_python_closure(conn, "locked", 1, "doubles", locked)


def test_an_error_at_query_time_is_the_reason_of_the_default(conn: ClipperConnection) -> None:
    conn.register_application("raising", "doubles", -1, 2_000_000)
    deploy_python_closure(conn, "raising", 1, "doubles", raises)
    conn.link_model_to_app("raising", "raising")
    answer = ask(conn, "raising", {"input": [1]}).json()
    assert (answer["output"], answer["default_reason"]) == (-1, "model_error")
    assert "the model's own words" in answer["default_explanation"]


# Parts that are killed


def test_a_killed_replica_comes_back(breakable: ClipperConnection) -> None:
    first = output(breakable)
    kill(first)
    second = wait_for("another replica to answer", lambda: output(breakable))
    assert second != first


def test_queries_in_flight_go_to_another_replica_when_theirs_is_killed(breakable: ClipperConnection) -> None:
    breakable.set_num_replicas("who", 2)
    pids = {output(breakable) for _ in range(10)}
    answers: list[Any] = []
    half_way = threading.Event()

    def client() -> None:
        for i in range(200):
            answers.append(output(breakable))
            if i == 50:
                half_way.set()

    thread = threading.Thread(target=client)
    thread.start()
    assert half_way.wait(20)
    kill(pids.pop())
    thread.join(30)
    assert len(answers) == 200
    assert None not in answers


def test_a_killed_query_frontend_comes_back_at_its_address(breakable: ClipperConnection) -> None:
    replica, address = output(breakable), breakable.get_query_addr()
    kill(pid_of(breakable, "query frontend"))
    assert wait_for("the query frontend to answer", lambda: output(breakable), 10) == replica
    assert breakable.get_query_addr() == address


def test_without_management_queries_are_answered_and_connect_restarts_it(
    breakable: ClipperConnection,
) -> None:
    before = pid_of(breakable, "management")
    replica = output(breakable)
    models = breakable.get_all_models(verbose=True)
    kill(before)
    assert output(breakable) == replica
    with pytest.raises(ClusterError, match=r"connect\(\)"):
        breakable.get_all_models()
    breakable.connect()
    assert pid_of(breakable, "management") != before
    wait_for("the replica to be adopted", lambda: breakable.get_all_models(verbose=True) == models)
    assert output(breakable) == replica


def test_a_cluster_that_was_stopped_starts_again_with_everything(breakable: ClipperConnection) -> None:
    breakable.stop_all()
    with pytest.raises(ClusterError, match="not running"):
        breakable.connect()
    breakable.start_clipper()
    assert breakable.get_linked_models("app") == ["who"]
    assert wait_for("the model to answer", lambda: output(breakable))


def test_a_cluster_whose_every_process_was_killed_starts_again(breakable: ClipperConnection) -> None:
    for pid in [pid_of(breakable, "management"), pid_of(breakable, "query frontend"), output(breakable)]:
        kill(pid)
    breakable.connect()
    assert wait_for("the model to answer", lambda: output(breakable))


def test_stop_ends_every_process_even_with_management_dead(attach: Attach) -> None:
    connection = attach("ended")
    connection.start_clipper(fresh=True)
    deploy_who(connection, "app", "who")
    management = pid_of(connection, "management")
    processes = [psutil.Process(p) for p in (pid_of(connection, "frontend"), output(connection))]
    kill(management)
    connection.stop_all(purge=True)
    assert not any(lives(process) for process in processes)
    assert not ProcessContainerManager("ended").folder.exists()


# Others who meddle


def test_a_second_management_on_one_folder_is_refused(conn: ClipperConnection) -> None:
    folder = ProcessContainerManager("shared").folder
    command = [sys.executable, "-m", "clipper_server", "management", "process", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "Another management frontend runs in" in done.stderr


def test_clusters_live_side_by_side_where_ports_are_taken(conn: ClipperConnection) -> None:
    port = int(conn.get_query_addr().rpartition(":")[2])
    manager = ProcessContainerManager("beside", clipper_query_port=port, clipper_management_port=port)
    beside = ClipperConnection(manager)
    beside.start_clipper(fresh=True)
    try:
        assert beside.get_query_addr() != conn.get_query_addr()
        beside.register_application("only-here", "doubles", 0, 1000)
        assert "only-here" not in conn.get_all_apps()
    finally:
        beside.stop_all(purge=True)


def hello(**changes: Any) -> wire.Hello:
    fields = {
        "wire": wire.WIRE_VERSION,
        "token": "t",
        "model": "who",
        "version": "1",
        "replica": "9",
        "pid": 1,
    }
    return wire.Hello(**{**fields, **changes})


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        (hello(wire=99), "speaks wire version 99"),
        (hello(), "its token is not the one for who:1"),
        (hello(model="nobody"), "nobody:1 is not deployed"),
    ],
)
def test_a_replica_that_does_not_belong_is_refused_in_words_on_both_sides(
    conn: ClipperConnection, greeting: wire.Hello, answer: str
) -> None:
    if conn.get_model_info("who", 1) is None:
        deploy_python_closure(conn, "who", 1, "doubles", constant(1))
    folder = ProcessContainerManager("shared").folder
    with socket.socket(socket.AF_UNIX) as replica:
        replica.settimeout(10)
        replica.connect(str(folder / "sockets" / "0.sock"))
        replica.sendall(b"".join(wire.frame(greeting)))
        received = b""
        while chunk := replica.recv(4096):
            received += chunk
    size, _ = wire.lengths(received[: wire.PREFIX.size])
    refused = wire.to_container(received[wire.PREFIX.size :][:size])
    assert isinstance(refused, wire.Refused)
    assert answer in refused.message
    log = folder / "logs" / "query-0.log"
    wait_for("the refusal in the frontend's log", lambda: answer in log.read_text())


@pytest.mark.parametrize(
    "garbage", [b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\x05\0\0\0\0\0\0\0\xc1\xc1\xc1\xc1\xc1"]
)
def test_garbage_from_a_would_be_replica_harms_nobody(conn: ClipperConnection, garbage: bytes) -> None:
    if "whole" not in conn.get_all_apps():
        deploy_who(conn, "whole", "whole")
    folder = ProcessContainerManager("shared").folder
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(str(folder / "sockets" / "0.sock"))
        stranger.sendall(garbage)
        with suppress(ConnectionResetError):
            assert stranger.recv(100) == b""
    assert output(conn, "whole")


def test_the_management_api_wants_its_token(conn: ClipperConnection) -> None:
    address = f"http://{conn.get_management_addr()}/api/v1"
    assert httpx2.get(f"{address}/health", trust_env=False).status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = httpx2.get(f"{address}/models", headers=headers, trust_env=False)
        assert response.status_code == 401
        assert response.json()["error"] == "Unauthorized"


def test_no_secret_is_in_the_process_list_and_the_folder_is_private(conn: ClipperConnection) -> None:
    folder: Path = ProcessContainerManager("shared").folder
    record = json.loads((folder / "cluster.json").read_text())
    assert folder.stat().st_mode & 0o077 == 0
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not any(record["token"] in command for command in commands)
    assert not any(record["token"] in log.read_text() for log in (folder / "logs").glob("*.log"))


def test_a_replica_that_is_told_to_end_while_it_loads_ends() -> None:
    """SIGTERM reaches the process itself here: a container manager does the same."""
    environment = {
        **os.environ,
        "CLIPPER_MODEL_NAME": "m",
        "CLIPPER_MODEL_VERSION": "1",
        "CLIPPER_REPLICA": "0",
        "CLIPPER_FRONTENDS": "/nowhere/*.sock",
        "CLIPPER_ARTIFACT": "http://127.0.0.1:9/sha256:0",
        "CLIPPER_TOKEN": "t",
        "CLIPPER_MAX_BATCH": "1",
        "CLIPPER_LAST_WORDS": os.devnull,
    }
    with socket.socket() as management:  # takes the connection, and never answers
        management.bind(("127.0.0.1", 0))
        management.listen()
        port = management.getsockname()[1]
        environment["CLIPPER_ARTIFACT"] = f"http://127.0.0.1:{port}/sha256:0"
        replica = subprocess.Popen([sys.executable, "-m", "clipper_container"], env=environment)
        try:
            management.settimeout(20)
            taken, _ = management.accept()
            with taken:
                taken.recv(1)
                replica.send_signal(signal.SIGTERM)
                assert replica.wait(10) == 0
        finally:
            replica.kill()
            replica.wait()
