"""The web application of lesson 09: its API, alone and with a cluster; the page has tests of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from digits_app.app import make_app
from digits_app.corrections import Correction, Corrections
from digits_app.running import Running
from tests.support.clusters import Attach, constant
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

PIXELS = [float(i % 17) for i in range(64)]
ID = "0123456789abcdef" * 2
SEVEN = {"pixels": PIXELS, "digit": 7, "predicted": 1, "version": "1"}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[TestClient]:
    """With no prediction service behind it."""
    with TestClient(make_app(NOBODY, "digits", tmp_path)) as client:
        yield client


def correction(number: int, digit: int = 7) -> Correction:
    return Correction(f"{number:032x}", [float(number)], digit, None, "")


def test_corrections_are_kept_and_come_back(tmp_path: Path) -> None:
    assert Corrections(tmp_path / "a" / "b").put(correction(1)) == 1
    assert Corrections(tmp_path / "a" / "b").all() == [correction(1)]


def test_the_same_correction_twice_is_one(tmp_path: Path) -> None:
    kept = Corrections(tmp_path)
    assert [kept.put(correction(1)), kept.put(correction(1)), kept.put(correction(1, 3))] == [1, 1, 1]
    assert kept.all() == [correction(1, 3)]


def test_only_the_newest_corrections_are_kept(tmp_path: Path) -> None:
    kept = Corrections(tmp_path, limit=5)
    counts = [kept.put(correction(i)) for i in range(12)]
    assert max(counts) == 5
    assert kept.all() == [correction(i) for i in range(7, 12)]


def test_many_threads_may_correct_at_once(tmp_path: Path) -> None:
    kept = Corrections(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: kept.put(correction(i)), range(80)))
    assert len(kept.all()) == 80


def test_corrections_go_out_as_training_data(alone: TestClient) -> None:
    for _ in range(2):
        said = alone.put(f"corrections/{ID}", json=SEVEN)
        assert (said.status_code, said.json()) == (200, {"corrections": 1})
    assert alone.get("corrections").json() == {"pictures": [PIXELS], "digits": [7]}


def test_what_users_said_is_counted_by_version(alone: TestClient) -> None:
    assert alone.get("versions").json() == []
    said = [(7, 7, "2"), (7, 7, "1"), (1, 7, "1"), (None, 7, ""), (None, 7, "1")]
    for number, (predicted, digit, version) in enumerate(said):
        told = {"pixels": PIXELS, "digit": digit, "predicted": predicted, "version": version}
        alone.put(f"corrections/{number:032x}", json=told)
    assert alone.get("versions").json() == [
        {"version": "2", "said": 1, "right": 1},
        {"version": "1", "said": 2, "right": 1},
    ]


@pytest.mark.parametrize(
    ("id", "change"),
    [
        (ID, {"digit": 10}),
        (ID, {"pixels": PIXELS[:63]}),
        (ID, {"pixels": [17.0] * 64}),
        (ID, {"version": "x" * 101}),
        ("no-id", {}),
    ],
)
def test_what_is_no_correction_is_refused(alone: TestClient, id: str, change: dict[str, Any]) -> None:
    assert alone.put(f"corrections/{id}", json={**SEVEN, **change}).status_code == 422
    assert alone.get("corrections").json() == {"pictures": [], "digits": []}


def test_bodies_are_bounded(alone: TestClient) -> None:
    assert alone.post("predict", content=b" " * 10_001).status_code == 413
    said = alone.post("predict", content=iter([b"{}"]))  # which does not say how long it is
    assert (said.status_code, "Content-Length" in said.json()["detail"]) == (411, True)


def test_without_the_service_there_is_a_sentence(alone: TestClient) -> None:
    said = alone.post("predict", json={"pixels": PIXELS})
    assert said.status_code == 503
    assert said.json()["detail"].startswith("The prediction service cannot be reached at the moment")


def test_corrections_that_cannot_be_kept_are_told(alone: TestClient, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "corrections.sqlite") as database:
        database.execute("DROP TABLE corrections")
    database.close()
    said = alone.put(f"corrections/{ID}", json=SEVEN)
    assert said.status_code == 503
    assert said.json()["detail"].startswith("Corrections cannot be kept at the moment")


def test_the_page_asks_for_nothing_from_elsewhere(alone: TestClient) -> None:
    page = alone.get("/").text
    for name in ("style.css", "digits.js"):
        assert f'"{name}"' in page
        page += alone.get(name).text
    assert "http://" not in page
    assert "https://" not in page
    assert 'fetch("/' not in page


def test_a_place_that_is_no_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "corrections.sqlite").mkdir()
    with pytest.raises(RuntimeError, match=r"did not start(.|\n)*unable to open database"):
        Running(NOBODY, tmp_path)


def test_a_notebook_behind_a_hub_shows_the_page_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Running(NOBODY, tmp_path) as running:
        assert running.page == running.url
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    with Running(NOBODY, tmp_path) as running:
        port = running.url.rstrip("/").rpartition(":")[2]
        assert running.page == f"/user/ada/proxy/{port}/"


def deploy(conn: ClipperConnection, version: int, digit: object) -> None:
    deploy_python_closure(conn, "digits", version, "doubles", constant(digit))


def start(conn: ClipperConnection) -> None:
    conn.register_application("digits", "doubles", -1, 20_000_000)
    deploy(conn, 1, 1)
    conn.link_model_to_app("digits", "digits")


def predict(running: Running) -> dict[str, Any]:
    response = httpx2.post(
        f"{running.url}predict", json={"pixels": PIXELS}, timeout=10, trust_env=False, verify=False
    )
    return {"status": response.status_code, **response.json()}


def test_answers_name_the_version_through_replacement_and_rollback(
    cluster: ClipperConnection, tmp_path: Path
) -> None:
    start(cluster)
    seen: list[tuple[int, Any, str]] = []
    stop = Event()
    with Running(f"http://{cluster.get_query_addr()}", tmp_path) as running, ThreadPoolExecutor(1) as users:

        def use() -> None:
            while not stop.is_set():
                said = predict(running)
                seen.append((said["status"], said.get("digit"), said.get("version", "")))

        used = users.submit(use)
        try:
            wait_for("version 1 to answer", lambda: (200, 1, "1") in seen)
            deploy(cluster, 2, 2)
            wait_for("version 2 to answer", lambda: seen[-1] == (200, 2, "2"))
            cluster.rollback("digits")
            wait_for("version 1 to answer again", lambda: seen[-1] == (200, 1, "1"))
        finally:
            stop.set()
        used.result(60)
    assert set(seen) == {(200, 1, "1"), (200, 2, "2")}, "no answer failed, and none was a default output"


def test_what_learns_is_told_of_a_correction_once(cluster: ClipperConnection, tmp_path: Path) -> None:
    start(cluster)
    cluster.collect_feedback("digits")
    with Running(f"http://{cluster.get_query_addr()}", tmp_path) as running:
        said = predict(running)
        corrected = {**SEVEN, "token": said["token"]}
        for _ in range(2):
            kept = httpx2.put(
                f"{running.url}corrections/{ID}", json=corrected, trust_env=False, verify=False, timeout=60
            )
            assert kept.json() == {"corrections": 1}

        def told() -> bool:
            now = cluster.learned("digits").now
            return (now["joined"], now["duplicates"]) == (1, 1)

        wait_for("the correction to be counted once", told)


def test_a_default_output_is_no_digit(cluster: ClipperConnection, tmp_path: Path) -> None:
    cluster.register_application("digits", "doubles", -1, 20_000_000)
    with Running(f"http://{cluster.get_query_addr()}", tmp_path) as running:
        said = predict(running)
    assert (said["digit"], said["default_output"], said["reason"]) == (None, -1, "no_model_linked")
    assert "link_model_to_app" in said["explanation"]


def test_a_model_that_says_no_digit_is_told(cluster: ClipperConnection, tmp_path: Path) -> None:
    cluster.register_application("digits", "doubles", "?", 20_000_000)
    deploy(cluster, 1, "seven")
    cluster.link_model_to_app("digits", "digits")
    with Running(f"http://{cluster.get_query_addr()}", tmp_path) as running:
        said = predict(running)
    assert (said["status"], said["detail"]) == (503, "The model says 'seven', and that is no digit.")


def test_lives_through_a_cluster_that_stops_and_comes_back(attach: Attach, tmp_path: Path) -> None:
    conn = attach("webapp")
    conn.start_clipper(fresh=True)
    try:
        start(conn)
        url = f"http://{conn.get_query_addr()}"
        with Running(url, tmp_path) as running:
            assert predict(running)["digit"] == 1
            conn.stop_all()
            said = predict(running)
            assert (said["status"], "cannot be reached" in said["detail"]) == (503, True)
            conn = attach("webapp")
            conn.start_clipper()
            wait_for("the model to answer again", lambda: predict(running).get("digit") == 1)
        assert "Traceback" not in (tmp_path / "app.log").read_text()
    finally:
        conn.stop_all(purge=True)
