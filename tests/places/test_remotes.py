"""Remote models on a cluster: what clients, owners and others see of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.remotes.breaker import FAILURES
from clipperlab import BadRequest, ClipperConnection, DeployError, ProcessContainerManager
from clipperlab.deployers import remote
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.remote import deploy_remote
from tests.support.clusters import ask, constant
from tests.support.other_servers import Asked, Said, other_server
from tests.support.places import BY_PROCESSES
from tests.support.waiting import wait_for

pytestmark = [BY_PROCESSES, pytest.mark.slow, pytest.mark.timeout(600)]
SECRET = "a-secret-of-33-characters-in-all"


def sums(asked: Asked) -> Said:
    return Said({"predictions": [sum(row) for row in asked.json["inputs"]]})


def test_a_remote_model_answers_and_its_secret_is_nowhere_to_be_seen(conn: ClipperConnection) -> None:
    def guarded(asked: Asked) -> Said:
        if asked.headers.get("Authorization") != f"Bearer {SECRET}":
            return Said({"message": "who are you?"}, 401)
        if any(len(row) != 2 for row in asked.json["inputs"]):
            return Said({"message": f"two numbers, please, {SECRET}"}, 400)
        return sums(asked)

    with other_server(guarded) as server:
        at: dict[str, Any] = {"protocol": "mlflow", "input_type": "doubles", "example_input": [1.0, 1.0]}
        with pytest.raises(DeployError, match=r"The mlflow server said 401: who are you\?"):
            deploy_remote(conn, "r-guarded", 1, server.url, timeout_s=60, **at)
        conn.stop_models(["r-guarded"])
        app = remote.create_endpoint(
            conn, "r-guarded", server.url, secret=SECRET, slo_ms=20_000, version=2, **at
        )
        assert app.predict([1.0, 2.0])["output"] == 3.0
        bad = app.predict([1.0])
        assert bad["default"]
        assert "said 400: two numbers, please, ***" in bad["default_explanation"]
        batch = ask(conn, "r-guarded", {"input_batch": [[1.0, i] for i in range(20)] + [[5.0]]}).json()
        assert [each["default"] for each in batch["batch_predictions"]] == [False] * 20 + [True]
        assert max(len(asked.json["inputs"]) for asked in server.asked) > 3, "a batch is one request"
        info = conn.get_model_info("r-guarded", 2)
        assert info is not None
        assert info["env"] == ["REMOTE_HEADERS"]
        shown = [info, conn.events(), conn.why(bad["query_id"]), conn.get_metrics(), conn.get_clipper_logs()]
        assert SECRET not in "".join(map(repr, shown))
    folder = ProcessContainerManager(conn.cm.cluster_name).folder
    logs = [path for path in folder.rglob("*") if path.is_file() and "log" in path.name]
    assert logs
    assert not [path for path in logs if SECRET.encode() in path.read_bytes()]
    conn.stop_models(["r-guarded"])


def gauge(conn: ClipperConnection) -> float | None:
    for family in text_string_to_metric_families(conn.get_metrics()):
        for sample in family.samples:
            if sample.name == "clipper_custom_remote_circuit_open" and sample.labels["model"] == "r-down":
                return sample.value
    return None


def test_a_server_that_is_down_is_left_alone_and_events_say_so(conn: ClipperConnection) -> None:
    with other_server(sums) as server:
        app = remote.create_endpoint(
            conn, "r-down", server.url, protocol="mlflow", input_type="doubles", slo_ms=20_000
        )
        fine, server.answer = server.answer, lambda asked: Said({"message": "no workers"}, 503)
        texts: list[str] = []

        def is_open() -> bool:
            texts.append(app.predict([1.0, float(len(texts))])["default_explanation"])
            return "its circuit is open" in texts[-1]

        wait_for("its circuit to open", is_open)
        assert texts[0] == "The mlflow server said 503: no workers."
        assert len(server.posted) >= FAILURES
        opened = f"replica 0 of r-down:1: {server.url} failed"
        wait_for("the event", lambda: any(opened in event["text"] for event in conn.events()))
        wait_for("the gauge", lambda: gauge(conn) == 1)
        server.answer = fine
        wait_for("it to answer", lambda: not app.predict([2.0, float(len(texts))])["default"])
        again = f"replica 0 of r-down:1: {server.url} answers again"
        wait_for("the event", lambda: any(again in event["text"] for event in conn.events()))
        wait_for("the gauge", lambda: gauge(conn) == 0)
        assert {event["kind"] for event in conn.events() if "r-down:1: http" in event["text"]} == {"notice"}
    conn.stop_models(["r-down"])


def test_our_own_port_is_a_server_like_others(conn: ClipperConnection) -> None:
    def doubled(rows: Any) -> Any:
        return [2 * np.asarray(row) for row in rows]

    doubled.__module__ = "__main__"
    conn.register_application("r-ours", "doubles", [-1.0], 20_000_000)
    deploy_python_closure(conn, "r-ours", 1, "doubles", doubled, example_input=[1.0, 2.0])
    conn.link_model_to_app("r-ours", "r-ours")
    url = f"http://{conn.get_query_addr()}/v2/models/r-ours"
    app = remote.create_endpoint(
        conn, "r-ours-again", url, input_type="doubles", example_input=[1.0, 2.0], slo_ms=20_000
    )
    assert app.predict([1.0, 2.5])["output"] == [2.0, 5.0]
    with pytest.raises(DeployError, match=r"Model with name nobody does not exist"):
        deploy_remote(conn, "r-nobody", 1, url.replace("r-ours", "nobody"), timeout_s=60)
    conn.stop_models(["r-ours", "r-ours-again", "r-nobody"])


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("http://me:word@host/x", {}, "secret="),
        ("http://host/x", {"protocol": "soap"}, "There is no protocol 'soap'"),
        ("http://host", {}, "names no model"),
        ("http://host/x", {"secret": "two\nlines"}, "the value of Authorization must be"),
        ("http://host/x", {"secret": {"Host": "x"}}, "'Host' cannot be"),
        ("http://host/x", {"secret": ""}, "a token, or headers"),
        ("http://host/x", {"request_timeout_s": 0}, "must be seconds"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    conn: ClipperConnection, url: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        deploy_remote(conn, "r-none", 1, url, **options)
    assert "two\nlines" not in str(refused.value)
    assert conn.get_model_info("r-none", 1) is None


def test_a_rollout_from_theirs_to_ours_fails_no_query(conn: ClipperConnection) -> None:
    """At 200 queries a second."""
    with other_server(lambda asked: Said({"predictions": ["theirs"] * len(asked.json["inputs"])})) as server:
        app = remote.create_endpoint(
            *(conn, "r-over", server.url),
            protocol="mlflow",
            input_type="doubles",
            example_input=[1.0],
            slo_ms=20_000,
        )
        deploy_python_closure(conn, "r-over", 2, "doubles", constant("ours"), make_current=False)
        load = conn.load("r-over", rate=200, seconds=30)
        rollout = conn.start_rollout("r-over", 2, steps=[0.1, 0.5, 1], hold_s=2)
        wait_for("its end", lambda: rollout.state != "running")
        assert rollout.state == "passed", rollout.verdict()
        result = load.result()
    assert result["sent"] > 3_000
    assert result["answers"] == {"model": result["sent"]}, result
    assert app.predict([1.0])["output"] == "ours"


def test_a_remote_model_of_sagemakers_is_asked_with_signatures(conn: ClipperConnection) -> None:
    """It is our own, behind a port with a key."""
    deploy_python_closure(conn, "r-theirs", 1, "doubles", lambda inputs: [sum(x) for x in inputs])
    conn.register_application("r-theirs", "doubles", "none", 20_000_000)
    conn.link_model_to_app("r-theirs", "r-theirs")
    where = conn.start_protocol("sagemaker", key=("r-key", SECRET))["rest"]
    try:
        at: dict[str, Any] = {"protocol": "sagemaker", "input_type": "doubles", "example_input": [1.0, 1.0]}
        url = f"http://{where}/endpoints/r-theirs/invocations"
        secret = {"aws_access_key_id": "r-key", "aws_secret_access_key": SECRET, "region_name": "eu-west-1"}
        app = remote.create_endpoint(conn, "r-signed", url, secret=secret, slo_ms=20_000, **at)
        assert app.predict([1.0, 2.0])["output"] == 3.0
        other = {**secret, "aws_secret_access_key": "another-secret"}
        with pytest.raises(DeployError, match="said 403: The signature is not"):
            deploy_remote(conn, "r-signed", 2, url, secret=other, timeout_s=60, **at)
        assert SECRET not in repr(
            [conn.get_model_info("r-signed", 1), conn.events(), conn.get_clipper_logs()]
        )
    finally:
        conn.stop_protocol("sagemaker")
