"""Real clusters, in every place: the whole line, and what happens when parts of it are killed."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import httpx2
import numpy as np
import pytest

from clipper_container.errors import ArtifactError, BadRequest, ClusterError, DeployError, NotFound
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, ask, asking, constant, deploy_who, output, which_replica
from tests.support.places import EVERYWHERE, Place
from tests.support.waiting import wait_for

pytestmark = [EVERYWHERE, pytest.mark.timeout(900)]

# The whole line


def test_numbers_that_are_whole_are_good_doubles(conn: ClipperConnection) -> None:
    conn.register_application("sums", "doubles", -1.0, 20_000_000)
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


def test_a_model_has_the_variables_of_its_deploy_and_nobody_is_shown_them(conn: ClipperConnection) -> None:
    def values(inputs: list[Any]) -> list[str]:
        import os

        return [os.environ.get(name, "none") for name in inputs]

    values.__module__ = "__main__"
    conn.register_application("variables", "strings", "", 20_000_000)
    env = {"DATABASE_PASSWORD": "a $(PATH) 'secret'\nof two lines", "EMPTY": ""}
    deploy_python_closure(conn, "variables", 1, "strings", values, env=env)
    conn.link_model_to_app("variables", "variables")
    names = [*env, "CLIPPER_TOKEN"]
    answers = ask(conn, "variables", {"input_batch": names}).json()["batch_predictions"]
    assert [answer["output"] for answer in answers] == [*env.values(), "none"]
    info = conn.get_model_info("variables", 1)
    assert info is not None
    assert info["env"] == sorted(env)
    assert "of two lines" not in json.dumps([info, conn.status(), conn.events()])
    with pytest.raises(BadRequest, match="CLIPPER_TOKEN is Clipper Lab's own"):
        deploy_python_closure(conn, "variables", 2, "strings", values, env={"CLIPPER_TOKEN": "x"})


def test_bytes_strings_and_json_arrive_as_such(conn: ClipperConnection) -> None:
    def kinds(inputs: list[Any]) -> list[str]:
        return [f"{type(i).__name__} {len(i)}" for i in inputs]

    kinds.__module__ = "__main__"
    cases = [("bytes", "aGVsbG8=", "bytes 5"), ("strings", "hé", "str 2"), ("json", {"a": [1]}, "dict 1")]
    for name, value, kind in cases:
        conn.register_application(name, name, "", 20_000_000)
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
    conn.register_application("arrays", "ndarray", None, 20_000_000)
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
        verify=False,
        timeout=60,
    )
    answered = [json.loads(text) for text in response.json()["outputs"][0]["data"]]
    assert [a[:4] for a in answered] == [["ndarray", "float32", [3], 3.0], ["ndarray", "float32", [3], 12.0]]


def totals(arrays: Any) -> Any:
    """Of arrays by name, outputs by name."""
    import numpy as np

    total = arrays["ids"].sum(1) * arrays["scale"]
    return {"total": total, "first": arrays["ids"][:, :1], "text": np.char.upper(arrays["text"].astype(str))}


def test_a_model_with_names_is_deployed_and_asked(conn: ClipperConnection) -> None:
    totals.__module__ = "__main__"
    example = {"ids": np.array([3, 7]), "scale": np.float32(0.5), "text": "x"}
    conn.register_application("named", "named", {"total": -1, "first": [0], "text": ""}, 30_000_000)
    handle = conn.deploy(totals, "named", example_input=example)
    assert (handle.versions[0]["input_type"], handle.versions[0]["columns"]) == (
        "named",
        {"ids": "int64[-1]", "scale": "float32", "text": "text"},
    )
    conn.link_model_to_app("named", "named")
    app = conn.application("named")
    assert app.predict(example)["output"] == {"total": 5.0, "first": [3], "text": "X"}
    ragged = [{"ids": list(range(n + 1)), "scale": 1, "text": str(n)} for n in (2, 0, 2, 1)]
    assert [each["output"]["total"] for each in app.predict(ragged)] == [3, 0, 3, 1]
    with pytest.raises(BadRequest, match="takes the array 'idz': 'ids' is missing, and may be meant"):
        app.predict({"idz": [1], "scale": 1, "text": "x"})
    url = f"http://{conn.get_query_addr()}/v2/models/named"
    about = httpx2.get(url, trust_env=False, verify=False, timeout=60).json()
    assert [
        (each["name"], each["datatype"], each["shape"]) for each in about["inputs"] + about["outputs"]
    ] == [
        *(("ids", "INT64", [-1, -1]), ("scale", "FP32", [-1]), ("text", "BYTES", [-1])),
        *(("total", "FP64", [-1]), ("first", "INT64", [-1, 1]), ("text", "BYTES", [-1])),
    ]
    tensors = [
        {"name": "ids", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]},
        {"name": "scale", "datatype": "FP32", "shape": [2], "data": [1, 2]},
        {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
    ]
    body = json.dumps({"inputs": tensors, "outputs": [{"name": "text"}, {"name": "total"}]})
    found = httpx2.post(f"{url}/infer", content=body, trust_env=False, verify=False, timeout=60).json()[
        "outputs"
    ]
    assert [(each["name"], each["data"]) for each in found] == [("text", ["A", "B"]), ("total", [1.0, 4.0])]
    answer = ask(conn, "named", {"input": {"ids": [1], "scale": 1, "text": "x"}})
    why = str(conn.why(answer.json()["query_id"]))
    assert "named:1" in why


def test_batching_is_watched_and_changed_while_the_model_runs(conn: ClipperConnection) -> None:
    conn.register_application("batched", "doubles", -1, 20_000_000)
    deploy_python_closure(
        conn, "batched", 1, "doubles", constant(1), example_input=[1.0], batching="fixed(4)"
    )
    conn.link_model_to_app("batched", "batched")
    view = conn.batching("batched")
    assert view.way == "fixed(4)"
    assert {row["cost"] for row in view.rows} == {1, 2, 4}  # from the warm-up, before any query
    assert view.dispatches == {}
    ask(conn, "batched", {"input_batch": [[i] for i in range(12)]})
    assert conn.batching("batched").dispatches == {"full": 3}
    conn.set_batching("batched", "off")
    ask(conn, "batched", {"input_batch": [[i] for i in range(5)]})
    view = conn.batching("batched")
    assert (view.way, view.dispatches) == ("off", {"full": 8})
    assert sum(window["inputs"] for window in view.frontends[0]["windows"]) == 17
    assert "batches by off" in str(view)
    info = conn.get_model_info("batched", 1)
    assert info is not None
    assert info["batching"] == "off"
    with pytest.raises(BadRequest, match="Choose one of"):
        conn.set_batching("batched", "sometimes")


def test_why_tells_the_path_of_a_query(conn: ClipperConnection) -> None:
    conn.register_application("told", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "told", 1, "doubles", constant(1))
    conn.link_model_to_app("told", "told")
    query_id = ask(conn, "told", {"input": [1]}).json()["query_id"]
    trace = conn.why(query_id)
    assert trace["answer"] == "answered"
    assert f"told:1:{trace['models'][0]['batch']['replica']}" in conn.get_all_model_replicas()
    assert trace["models"][0]["batch"]["compute_ms"] <= trace["took_ms"]
    assert "told:1, chosen by First" in str(trace)
    assert conn.inspect_instance()["app:told:num_predictions"] == 1
    with pytest.raises(NotFound, match="no trace of query"):
        conn.why(query_id + 64)


def test_another_process_finds_everything(conn: ClipperConnection, place: Place) -> None:
    deploy_who(conn, "found", "found")
    program = (
        "from clipperlab import *\n"
        f"name = 'shared'; conn = ClipperConnection({place.starts_python})\n"
        "conn.connect()\n"
        "print(conn.get_query_addr(), conn.get_linked_models('found'))\n"
        "print(conn.get_current_model_version('found'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{conn.get_query_addr()} ['found']\n1\n"


def test_roll_back_and_forward_under_load_loses_nothing(conn: ClipperConnection) -> None:
    conn.register_application("rolled", "doubles", "default", 20_000_000)
    for version in (1, 2):
        deploy_python_closure(conn, "rolled", version, "doubles", constant(version))
    conn.link_model_to_app("rolled", "rolled")
    seen: list[Any] = []
    stop = threading.Event()

    def client() -> None:
        with httpx2.Client(trust_env=False, verify=False, timeout=60) as http:
            while not stop.is_set():
                response = http.post(
                    f"http://{conn.get_query_addr()}/rolled/predict", json={"input_batch": [[1], [2]]}
                )
                seen.append([answer["output"] for answer in response.json()["batch_predictions"]])

    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    try:
        for i in range(10):
            version = 1 + i % 2
            conn.set_model_version("rolled", version)
            assert output(conn, "rolled") == version
        wait_for("answers", lambda: len(seen) > 20)
    finally:
        stop.set()
        for thread in clients:
            thread.join()
    assert all(outputs in ([1, 1], [2, 2]) for outputs in seen)


def failing(inputs: list[Any]) -> list[Any]:
    raise ValueError("This version cannot.")


@pytest.mark.slow
def test_a_version_is_tried_beside_the_current_one_and_a_bad_one_is_taken_back(
    conn: ClipperConnection,
) -> None:
    conn.register_application("tried", "doubles", "default", 20_000_000)
    deploy_python_closure(conn, "tried", 1, "doubles", constant(1))
    conn.link_model_to_app("tried", "tried")
    deploy_python_closure(conn, "tried", 2, "doubles", failing, make_current=False)
    with asking(conn, "tried") as answers:
        shadow = conn.start_shadow("tried", 2, fraction=1)
        wait_for("what it said", lambda: shadow.now["seen"]["failed"].get("model_error"))
        assert set(answers) == {1}
        assert "This version cannot." in shadow.diff().iloc[0]["after"]
        shadow.stop()
        rollout = conn.start_rollout("tried", 2, steps=[0.5, 1])
        wait_for("it to be taken back", lambda: rollout.state == "failed")
        since = len(answers)
        wait_for("answers after that", lambda: len(answers) > since + 20)
        assert set(answers[since + 2 :]) == {1}, "but for those on their way, all are the version's before"
    assert conn.get_current_model_version("tried") == "1"


def test_all_replicas_answer_and_scaling_down_loses_nothing(conn: ClipperConnection) -> None:
    deploy_who(conn, "scaled", "scaled", num_replicas=3)
    assert len({output(conn, "scaled") for _ in range(30)}) == 3
    with asking(conn, "scaled") as answers:
        wait_for("answers", lambda: len(answers) >= 10)
        conn.set_num_replicas("scaled", 1)
        enough = len(answers) + 50
        wait_for("more answers", lambda: len(answers) >= enough)
    assert None not in answers


def test_what_is_stopped_counts_no_longer(conn: ClipperConnection) -> None:
    def counted() -> list[str]:
        return [replica for replica in conn.get_all_model_replicas() if replica.startswith("fewer:")]

    deploy_who(conn, "fewer", "fewer", num_replicas=3)
    conn.set_num_replicas("fewer", 1)
    assert len(counted()) == conn.get_num_replicas("fewer") == 1
    deploy_python_closure(conn, "fewer", 2, "doubles", which_replica())
    conn.stop_inactive_model_versions(["fewer"])
    assert [replica.rpartition(":")[0] for replica in counted()] == ["fewer:2"]
    conn.stop_models(["fewer"])
    assert counted() == []


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
        (raises, [1.0], "ValueError: the model's own words"),
        pytest.param(imports_inside, None, "No module named 'no_such_package'", marks=pytest.mark.slow),
        pytest.param(ends_the_process, [1.0], "exit code 3", marks=pytest.mark.slow),
        pytest.param(one_too_many, [1.0], "2 outputs for 1 inputs", marks=pytest.mark.slow),
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
    conn.register_application("raising", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "raising", 1, "doubles", raises)
    conn.link_model_to_app("raising", "raising")
    answer = ask(conn, "raising", {"input": [1]}).json()
    assert (answer["output"], answer["default_reason"]) == (-1, "model_error")
    assert "the model's own words" in answer["default_explanation"]


# Parts that are killed


def needs_its_state(place: Place) -> None:
    if not place.keeps_state:
        pytest.skip("this Kubernetes cluster has no default storage class to keep the state")


@pytest.mark.slow
def test_a_killed_replica_comes_back(breakable: ClipperConnection, place: Place) -> None:
    first = output(breakable)
    place.kill(breakable, f"who.1.{first}")
    wait_for("a replica to answer", lambda: output(breakable))

    def told() -> bool:
        ours = [e for e in breakable.events() if e["subject"].get("replica") == first]
        return any(e["kind"] in ("crash", "stop") for e in ours)

    wait_for("an event of its end", told)


@pytest.mark.slow
def test_queries_in_flight_go_to_another_replica_when_theirs_is_killed(
    breakable: ClipperConnection, place: Place
) -> None:
    breakable.set_num_replicas("who", 2)
    replicas = {output(breakable) for _ in range(10)}
    with asking(breakable) as answers:
        wait_for("answers", lambda: len(answers) >= 50)
        place.kill(breakable, f"who.1.{replicas.pop()}")
        enough = len(answers) + 150
        wait_for("more answers", lambda: len(answers) >= enough)
    assert None not in answers


@pytest.mark.slow
def test_a_killed_query_frontend_comes_back_at_its_address(
    breakable: ClipperConnection, place: Place
) -> None:
    replica, address = output(breakable), breakable.get_query_addr()
    place.kill(breakable, "query-0")
    assert wait_for("the query frontend to answer", lambda: output(breakable)) == replica
    assert breakable.get_query_addr() == address


@pytest.mark.slow
def test_without_management_queries_are_answered_and_connect_restarts_it(
    breakable: ClipperConnection, place: Place
) -> None:
    needs_its_state(place)
    replica = output(breakable)
    models = breakable.get_all_models(verbose=True)
    place.kill(breakable, "management")
    assert output(breakable) == replica
    if not place.restarts_management:
        with pytest.raises(ClusterError, match=r"connect\(\)"):
            breakable.get_all_models()
    breakable.connect()
    wait_for("the replica to be adopted", lambda: breakable.get_all_models(verbose=True) == models)
    assert output(breakable) == replica


@pytest.mark.slow
def test_a_cluster_that_was_stopped_starts_again_with_everything(
    breakable: ClipperConnection, place: Place
) -> None:
    needs_its_state(place)
    breakable.stop_all()
    left = place.left(breakable.cm.cluster_name)
    assert not [what for what in left if what.startswith(("process", "container", "pod"))]
    with pytest.raises(ClusterError, match="not running"):
        breakable.connect()
    breakable.start_clipper()
    assert breakable.get_linked_models("app") == ["who"]
    assert wait_for("the model to answer", lambda: output(breakable))


@pytest.mark.slow
def test_a_cluster_whose_every_part_was_killed_starts_again(
    breakable: ClipperConnection, place: Place
) -> None:
    needs_its_state(place)
    for part in (f"who.1.{output(breakable)}", "query-0", "management"):
        place.kill(breakable, part)
    breakable.connect()
    assert wait_for("the model to answer", lambda: output(breakable))


@pytest.mark.slow
def test_stop_ends_everything_even_with_management_dead(attach: Attach, place: Place) -> None:
    connection = attach("ended")
    connection.start_clipper(fresh=True)
    deploy_who(connection, "app", "who")
    assert place.left("ended")
    place.kill(connection, "management")
    connection.stop_all(purge=True)
    assert place.left("ended") == []


# Others


@pytest.mark.slow
def test_clusters_live_side_by_side_where_ports_are_taken(conn: ClipperConnection, place: Place) -> None:
    port = int(conn.get_query_addr().rpartition(":")[2])
    beside = place.connection("beside", clipper_query_port=port, clipper_management_port=port)
    beside.start_clipper(fresh=True)
    try:
        assert beside.get_query_addr() != conn.get_query_addr()
        beside.register_application("only-here", "doubles", 0, 1000)
        assert "only-here" not in conn.get_all_apps()
    finally:
        beside.stop_all(purge=True)


@pytest.mark.slow
def test_a_cluster_whose_ports_were_taken_while_it_was_stopped_starts_at_others(place: Place) -> None:
    if place.ports_are_its_own:
        pytest.skip("a service's ports on Kubernetes are its own")
    first = place.connection("first")
    first.start_clipper(fresh=True)
    ports = [int(a.rpartition(":")[2]) for a in (first.get_query_addr(), first.get_management_addr())]
    first.register_application("app", "doubles", "here", 1_000_000)
    first.stop_all()
    with socket.create_server(("127.0.0.1", ports[0])), socket.create_server(("127.0.0.1", ports[1])):
        with pytest.warns(UserWarning, match="no more at") if place.name == "process" else nullcontext():
            first.start_clipper()
        assert first.get_query_addr() != f"127.0.0.1:{ports[0]}"
        assert ask(first, "app", {"input": [1.0]}).json()["output"] == "here"
        first.stop_all(purge=True)
    assert place.left("first") == []


def test_the_management_api_wants_its_token(conn: ClipperConnection) -> None:
    address = f"http://{conn.get_management_addr()}/api/v1"
    assert httpx2.get(f"{address}/health", trust_env=False, verify=False, timeout=60).status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = httpx2.get(f"{address}/models", headers=headers, trust_env=False, verify=False, timeout=60)
        assert response.status_code == 401
        assert response.json()["error"] == "Unauthorized"
