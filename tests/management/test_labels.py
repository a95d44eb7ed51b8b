"""Labels of versions: set, moved, taken away, and what they keep from being removed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from clipper_server.management.state import State, Version
from tests.support.managements import Served, served


@pytest.fixture
def management(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as management:
        for version in ("1", "2"):
            management.do(partial(add, management.state, version))
        yield management


def add(state: State, name: str, come_up: bool = True) -> None:
    version = Version("m", name, "doubles", None, [], 0)
    state.add_version(version)
    if come_up:
        state.came_up(version)


def put(client: httpx2.Client, label: str, version: str) -> httpx2.Response:
    return client.put(f"/api/v1/models/m/labels/{label}", json={"version": version})


def test_a_label_names_one_version_and_moves(management: Served, client: httpx2.Client) -> None:
    found = put(client, "stable", "1")
    assert (found.status_code, found.json()["version_labels"]) == (200, ["stable"])
    put(client, "Next_1", "1")
    assert put(client, "stable", "2").json()["version_labels"] == ["stable"]
    assert management.do(lambda: management.control.snapshot().labels) == {
        "m": {"stable": "2", "Next_1": "1"}
    }
    told = [
        event.text
        for event in management.do(lambda: management.state.events(0, 100))
        if event.kind == "label"
    ]
    assert told == [
        "m:1 has the label stable.",
        "m:1 has the label Next_1.",
        "m:2 has the label stable, and m:1 no more.",
    ]


def test_what_is_there_is_no_change(management: Served, client: httpx2.Client) -> None:
    put(client, "stable", "1")
    before = management.do(lambda: management.state.revision)
    assert put(client, "stable", "1").status_code == 200
    assert management.do(lambda: management.state.revision) == before


def test_a_version_with_a_label_stays_until_it_moves(management: Served, client: httpx2.Client) -> None:
    put(client, "stable", "1")
    refused = client.delete("/api/v1/models/m/versions/1")
    assert refused.status_code == 400
    assert "as clients ask for it by the label stable. Move it" in refused.json()["message"]
    put(client, "stable", "2")
    assert client.delete("/api/v1/models/m/versions/1").status_code == 204
    assert client.delete("/api/v1/models/m/labels/stable").status_code == 204
    assert client.delete("/api/v1/models/m/versions/2").status_code == 204


def test_labels_are_of_versions_that_answer(management: Served, client: httpx2.Client) -> None:
    management.do(lambda: add(management.state, "3", come_up=False))
    assert "m:3 cannot have a label: it is starting." in put(client, "stable", "3").text
    assert put(client, "stable", "9").status_code == 404
    for label in ("-a", "a b", "x" * 64, "a:b"):
        assert put(client, label, "1").status_code == 400
    missing = client.delete("/api/v1/models/m/labels/stable")
    assert (missing.status_code, "Its labels: none yet." in missing.text) == (404, True)
    assert client.delete("/api/v1/models/other/labels/stable").status_code == 404


def test_labels_outlive_a_restart(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    add(state, "1")
    state.set_version_label("m", "stable", "1")
    state.close()
    again = State(tmp_path / "state.db")
    assert again.version_labels() == {"m": {"stable": "1"}}
    again.remove_version("m", "1")
    assert again.version_labels() == {}
    again.close()
