from __future__ import annotations

from pathlib import Path

import pytest

from clipperlab import BadRequest, ClipperConnection, ClusterError, UnconnectedException
from clipperlab.places import ClusterRecord
from tests.support.fake_management import TOKEN, FakeManagement, FakeManager


def test_start_attaches(fake: FakeManagement, manager: FakeManager) -> None:
    conn = ClipperConnection(manager)
    conn.start_clipper(cache_size=7, num_frontend_replicas=2, cors_origins=["https://a.example", "*"])
    assert manager.settings == {
        "cache_size": 7,
        "num_frontends": 2,
        "max_inputs": 20_000,
        "max_json": 1 << 20,
        "cors_origins": "https://a.example,*",
    }
    assert conn.get_query_addr() == "127.0.0.1:1337"
    assert conn.get_management_addr() == fake.address
    fake.answers["GET /cluster"] = [(200, {"query": "inside:1337", "management": "inside:1338", "models": 3})]
    assert conn.status() == {"query": "127.0.0.1:1337", "management": fake.address, "models": 3}
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
    again = ClipperConnection(manager)
    again.start_clipper(exist_ok=True)
    assert manager.calls[-1] == "up fresh=False"
    assert again.status()["cluster_name"] == "fake"


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


def test_settings_that_cannot_be_are_refused(conn: ClipperConnection) -> None:
    with pytest.raises(BadRequest, match="from 1 to 64"):
        conn.start_clipper(num_frontend_replicas=0)
    with pytest.raises(BadRequest, match="max_inputs"):
        conn.start_clipper(max_inputs=0)
    with pytest.raises(BadRequest, match="a scheme, a host"):
        conn.start_clipper(cors_origins=["example.com"])
    with pytest.raises(BadRequest, match="cache_size"):
        conn.start_clipper(cache_size=-1)


def test_events_show_themselves_as_a_table(conn: ClipperConnection, fake: FakeManagement) -> None:
    event = {"id": 1, "at": 0.0, "kind": "note", "subject": {}, "text": "<It> happened."}
    fake.answers["GET /events"] = [(200, [event]), (200, [])]
    found = conn.events()
    assert found == [event]
    assert repr(found).endswith("  <It> happened.")
    assert "<th>when</th>" in found._repr_html_()
    assert "&lt;It&gt; happened." in found._repr_html_()
    assert repr(conn.events()) == "nothing yet"


def test_logs_become_files(conn: ClipperConnection, fake: FakeManagement, tmp_path: Path) -> None:
    fake.answers["GET /logs"] = [(200, {"management": "up\n", "../query-00": "é\n"})]
    paths = [Path(p) for p in conn.get_clipper_logs(tmp_path / "logs")]
    assert [p.name for p in paths] == [".._query-00.log", "management.log"]
    assert all(p.parent == tmp_path / "logs" for p in paths)
    assert paths[0].read_text(encoding="utf-8") == "é\n"


def test_a_folder_for_logs_that_cannot_be_made_is_named(
    conn: ClipperConnection, fake: FakeManagement, tmp_path: Path
) -> None:
    fake.answers["GET /logs"] = [(200, {"management": "up\n"})]
    file = tmp_path / "logs"
    file.touch()
    with pytest.raises(BadRequest, match=f"^{file} cannot be written: file exists. Name another place.$"):
        conn.get_clipper_logs(file)
