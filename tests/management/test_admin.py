"""Clipper's own calls, as a program sends them that was written for Clipper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from clipper_server.management.state import Version
from clipper_server.places import Status
from clipper_server.snapshot import BatchingSpec, ReplicaReport, Report
from tests.support.managements import Served, served


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A client of one management, for all that leave it as it was: each start of one takes 0.1 s."""
    with served(tmp_path_factory.mktemp("same")) as management, management.client() as client:
        yield client


def post(client: httpx2.Client, call: str, **body: Any) -> Any:
    """What a call that succeeds answers."""
    response = client.post(f"/admin/{call}", json=body)
    assert response.status_code == 200, response.text
    is_text = response.headers["content-type"].startswith("text/plain")
    return response.text if is_text else response.json()


def refused(client: httpx2.Client, call: str, **body: Any) -> str:
    """The sentence of a call that fails."""
    response = client.post(f"/admin/{call}", json=body)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


def add_app(client: httpx2.Client, name: str = "a", **changes: Any) -> Any:
    body = {"input_type": "doubles", "default_output": "-1", "latency_slo_micros": 1000}
    return post(client, "add_app", **{"name": name, **body, **changes})


def add_model(client: httpx2.Client, name: str = "m", version: str = "1", **changes: Any) -> Any:
    body = {
        "model_name": name,
        "model_version": version,
        "labels": ["label"],
        "input_type": "doubles",
        "container_name": "NO_CONTAINER",
        "model_data_path": "DEPRECATED",
        "batch_size": -1,
    }
    return post(client, "add_model", **{**body, **changes})


def test_applications_come_and_go(client: httpx2.Client) -> None:
    assert add_app(client) == "Successfully added application with name 'a'"
    assert post(client, "get_all_applications", verbose=False) == ["a"]
    app = {
        "name": "a",
        "input_type": "doubles",
        "default_output": "-1",
        "latency_slo_micros": 1000,
        "linked_models": [],
    }
    assert post(client, "get_application", name="a") == app
    assert post(client, "get_all_applications", verbose=True) == [app]
    assert (
        refused(client, "add_app", name="a", input_type="ints", default_output="", latency_slo_micros=1)
        == "application 'a' already exists"
    )
    assert post(client, "delete_app", name="a") == "Successfully deleted application with name 'a'"
    assert refused(client, "delete_app", name="a") == "Application 'a' does not exist"
    assert post(client, "get_application", name="a") == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("-1", -1), ("[1.5]", [1.5]), ('{"a": null}', {"a": None}), ("none", "none"), ("", "")],
        *[("NaN", "NaN"), ("1e999", "1e999"), ("9" * 40, "9" * 40), ("[" * 70 + "]" * 70,) * 2],
    ],
)
def test_a_default_output_is_the_json_that_its_text_spells(
    same: httpx2.Client, text: str, value: Any
) -> None:
    add_app(same, default_output=text)
    try:
        assert same.get("/api/v1/applications/a").json()["default_output"] == value
        kept = post(same, "get_application", name="a")["default_output"]
        assert kept == text.replace(" ", "")
    finally:
        post(same, "delete_app", name="a")


def test_models_come_and_go(client: httpx2.Client) -> None:
    assert add_model(client) == "Successfully added model with name 'm' and input type 'doubles'"
    add_model(client, version="2")
    assert post(client, "get_all_models", verbose=False) == ["m:1", "m:2"]
    model = {
        "model_name": "m",
        "model_version": "1",
        "input_type": "doubles",
        "labels": ["label"],
        "container_name": "NO_CONTAINER",
        "model_data_path": "DEPRECATED",
        "is_current_version": False,
    }
    assert post(client, "get_model", model_name="m", model_version="1") == model
    assert post(client, "get_all_models", verbose=True)[0] == model
    version_1 = {"model_name": "m", "model_version": "1"}
    done = post(client, "set_model_version", **version_1)
    assert done == "Successfully set model with name 'm' to version '1'"
    assert post(client, "get_model", **version_1)["is_current_version"]
    done = post(client, "delete_versioned_model", **version_1)
    assert done == "Successfully deleted model with name 'm' and version '1'"
    assert post(client, "get_model", **version_1) == {}
    assert post(client, "get_all_models") == ["m:2"]


def test_what_cannot_be_done_with_a_model_is_told_in_clippers_words(client: httpx2.Client) -> None:
    add_model(client)
    model = {"model_name": "m", "model_version": "1", "input_type": "doubles"}
    said = refused(client, "add_model", **model)
    assert said == "model with name 'm' and version '1' already exists"
    unknown = {"model_name": "m", "model_version": "7"}
    said = refused(client, "set_model_version", **unknown)
    assert said == "Cannot set non-existent version '7' for model with name 'm'"
    said = refused(client, "set_model_version", model_name="x", model_version="1")
    assert said == "Cannot set version for nonexistent model 'x'"
    said = refused(client, "delete_versioned_model", **unknown)
    assert said == "model with name 'm' and version '7' does not exist"
    said = refused(client, "add_model", **{**model, "model_version": "2", "batch_size": 0})
    assert said == "The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1"
    assert "cannot be the name" in refused(client, "add_model", **{**model, "model_version": "a:b"})
    said = refused(client, "add_model", **{**model, "model_version": "2", "container_name": "an/image"})
    assert "container_name must be NO_CONTAINER" in said
    assert "POST /api/v1/models/{model}/versions" in said


def test_a_name_that_nobody_knows_is_told_with_the_one_that_was_perhaps_meant(client: httpx2.Client) -> None:
    add_app(client, "digits-app")
    add_model(client, "digits", "2026-11")
    post(client, "add_model_links", app_name="digits-app", model_names=["digits"])
    model = {"model_name": "digts", "model_version": "2026-11"}
    version = {"model_name": "digits", "model_version": "2026-1"}
    links = {"app_name": "digits-app", "model_names": ["digts"]}
    found = [
        refused(client, "set_model_version", **model),
        refused(client, "set_model_version", **version),
        refused(client, "delete_versioned_model", **model),
        refused(client, "delete_versioned_model", **version),
        refused(client, "add_model_links", **links),
        refused(client, "delete_model_links", **links),
        refused(client, "add_model_links", app_name="digit-app", model_names=["digits"]),
        refused(client, "delete_model_links", app_name="digit-app", model_names=["digits"]),
        refused(client, "get_linked_models", app_name="digit-app"),
        refused(client, "delete_app", name="digit-app"),
    ]
    assert found == [
        "Cannot set version for nonexistent model 'digts'. Did you mean 'digits'?",
        "Cannot set non-existent version '2026-1' for model with name 'digits'. Did you mean '2026-11'?",
        "model with name 'digts' and version '2026-11' does not exist. Did you mean 'digits'?",
        "model with name 'digits' and version '2026-1' does not exist. Did you mean '2026-11'?",
        "No model with name 'digts' exists. Did you mean 'digits'?",
        "Cannot remove nonexistent link between app digits-app and model digts. Did you mean 'digits'?",
        "No app with name 'digit-app' exists. Did you mean 'digits-app'?",
        "No app with name digit-app exists. Did you mean 'digits-app'?",
        "No application with name 'digit-app' exists. Did you mean 'digits-app'?",
        "Application 'digit-app' does not exist. Did you mean 'digits-app'?",
    ]


@pytest.mark.parametrize(
    ("batch_size", "batching"),
    [(-1, BatchingSpec("learned")), (1, BatchingSpec("off")), (32, BatchingSpec("fixed", 32))],
)
def test_a_batch_size_is_a_way_of_batching(
    management: Served, client: httpx2.Client, batch_size: int, batching: BatchingSpec
) -> None:
    add_model(client, batch_size=batch_size)
    (version,) = management.do(lambda: management.state.versions())
    assert version.batching == batching


def test_an_application_is_linked_with_all_of_several_models_or_with_none(client: httpx2.Client) -> None:
    add_app(client)
    for name in ("m", "n"):
        add_model(client, name)
    add_model(client, "texts", input_type="strings")

    def linked() -> Any:
        return post(client, "get_linked_models", app_name="a")

    said = refused(client, "add_model_links", app_name="a", model_names=["m", "texts"])
    assert "'texts' has incompatible input_type 'strings'" in said
    said = refused(client, "add_model_links", app_name="a", model_names=["m", "x"])
    assert said == "No model with name 'x' exists."
    assert "already linked" in refused(client, "add_model_links", app_name="a", model_names=["m", "m"])
    assert linked() == []

    done = post(client, "add_model_links", app_name="a", model_names=["m", "n"])
    assert done == "Successfully linked models with names 'm', 'n' to application 'a'"
    assert linked() == ["m", "n"]
    assert refused(client, "add_model_links", app_name="a", model_names=["m"]).startswith(
        "A model with name m is already linked to 'a'."
    )
    said = refused(client, "delete_model_links", app_name="a", model_names=["m", "x"])
    assert said == "Cannot remove nonexistent link between app a and model x."
    assert linked() == ["m", "n"]
    assert post(client, "delete_model_links", app_name="a", model_names=["m", "n"]) == "Success!"
    assert linked() == []

    done = post(client, "add_model_links", app_name="a", model_names=["m"])
    assert done == "Successfully linked model with name 'm' to application 'a'"
    assert refused(client, "add_model_links", app_name="x", model_names=["m"]) == (
        "No app with name 'x' exists."
    )
    assert "Please provide the name" in refused(client, "add_model_links", app_name="a", model_names=[])
    assert refused(client, "get_linked_models", app_name="x") == "No application with name 'x' exists."
    said = refused(client, "add_model", model_name="m", model_version="2", input_type="strings")
    assert "linked to application a, which takes doubles" in said


def test_a_link_is_compared_with_the_current_version(management: Served, client: httpx2.Client) -> None:
    add_app(client)
    add_model(client, input_type="strings")
    add_model(client, version="2")
    assert post(client, "add_model_links", app_name="a", model_names=["m"])
    said = refused(client, "set_model_version", model_name="m", model_version="1")
    assert "linked to application a, which takes doubles: version 1 takes strings" in said
    add_app(client, "texts", input_type="strings")
    said = refused(client, "add_model_links", app_name="texts", model_names=["m"])
    assert "'m' has incompatible input_type 'doubles'" in said


@pytest.mark.parametrize("label", ["a:b", "a,b"])
def test_a_label_is_refused_as_a_name_is(same: httpx2.Client, label: str) -> None:
    model = {"model_name": "m", "model_version": "1", "input_type": "doubles", "labels": [label]}
    assert "cannot be the name of a label" in refused(same, "add_model", **model)


def test_containers_are_the_replicas(management: Served, client: httpx2.Client) -> None:
    add_model(client)
    replicas = [ReplicaReport("m", "1", name, True, 0) for name in ("0", "elsewhere")]
    report = Report("0", 1, True, 10**6, "", replicas, [])
    management.do(lambda: management.frontends.on_report(report))
    assert post(client, "get_all_containers", verbose=False) == ["m:1:0", "m:1:elsewhere"]
    container = {
        "model_id": "m:1",
        "model_name": "m",
        "model_version": "1",
        "model_replica_id": 0,
        "input_type": "doubles",
    }
    found = post(client, "get_container", model_name="m", model_version="1", replica_id=0)
    assert found == container
    assert post(client, "get_all_containers", verbose=True)[0] == container
    assert post(client, "get_container", model_name="m", model_version="1", replica_id=9) == {}


def test_a_replica_that_drains_is_no_container(management: Served, client: httpx2.Client) -> None:
    statuses = [
        Status(f"m.1.{i}", "replica", {"model": "m", "version": "1", "replica": str(i)}, 1, None, "", i == 1)
        for i in range(2)
    ]
    management.do(lambda: management.running.see(statuses))
    assert post(client, "get_all_containers", verbose=False) == ["m:1:0"]
    assert [c["model_replica_id"] for c in post(client, "get_all_containers", verbose=True)] == [0]
    assert post(client, "get_container", model_name="m", model_version="1", replica_id=1) == {}
    assert [r["state"] for r in client.get("/api/v1/replicas").json()] == ["starting", "stopping"]
    assert client.get("/api/v1/cluster").json()["replicas"] == 1


def test_a_version_that_failed_is_none_that_clipper_knows(management: Served, client: httpx2.Client) -> None:
    failed = Version("m", "1", "doubles", "sha256:0", [], 1)

    def fail() -> None:
        management.state.add_version(failed)
        management.control.versions.did_not_come_up(failed, "it cannot be loaded")

    management.do(fail)
    assert post(client, "get_all_models") == []
    said = refused(client, "set_model_version", model_name="m", model_version="1")
    assert said == "Cannot set version for nonexistent model 'm'"


def test_state_by_user_is_refused_in_a_sentence(same: httpx2.Client) -> None:
    assert "no application has a state for each user" in refused(same, "get_state", app_name="a", uid=0)


def test_ping_needs_no_token_and_everything_else_does(management: Served, client: httpx2.Client) -> None:
    with management.client(token=None) as stranger:
        pong = stranger.get("/admin/ping")
        assert (pong.status_code, pong.text) == (200, "PONG")
        response = stranger.post("/admin/get_all_applications", json={})
        assert response.status_code == 401
        assert "token" in response.text
        assert response.headers["content-type"].startswith("text/plain")
        assert stranger.get("/admin/metrics").status_code == 401
    assert client.get("/admin/metrics").json()["internal:aggregate_num_predictions"] == 0


def test_a_request_that_does_not_fit_is_told_what_does_not(same: httpx2.Client) -> None:
    assert "The request does not fit: name: " in refused(same, "add_app", input_type="doubles")
    response = same.post("/admin/add_app", content=b"{", headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "JSON" in response.text


def test_who_did_it_is_in_the_history(client: httpx2.Client) -> None:
    for version in ("1", "2"):
        add_model(client, version=version)
    who = {"X-Clipper-Who": "ada"}
    body = {"model_name": "m", "model_version": "1"}
    assert client.post("/admin/set_model_version", json=body, headers=who).status_code == 200
    last = client.get("/api/v1/models/m/history").json()[-1]
    assert (last["version"], last["who"]) == ("1", "ada")
