from __future__ import annotations

import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from clipperlab import ClipperConnection, ProcessContainerManager, doctor
from tests.support.clusters import Attach, deploy_who, kill, pid_of
from tests.support.ports import free_port
from tests.tools import kubernetes_stand_in

pytestmark = pytest.mark.slow


def no_package(name: str) -> str:
    raise PackageNotFoundError(name)


def test_what_is_missing_is_named_with_what_to_do() -> None:
    found = doctor.packages(no_package)
    assert found.state == "bad"
    assert "uvloop" in found.what
    assert "pip install 'clipperlab[client,server]'" in found.what
    assert doctor.packages().state == "good"


def test_a_home_that_clusters_cannot_live_in_is_told(tmp_path: Path) -> None:
    assert doctor.home(tmp_path / "c").state == ("bad" if len(str(tmp_path)) > 82 else "good")
    assert "too long" in doctor.home(tmp_path / ("x" * 100)).what
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/home {tmp_path} nfs4 rw 0 0\n")
    found = doctor.home(Path(tmp_path, "c"), mounts)
    assert (found.state, "network disk (nfs4)" in found.what or "too long" in found.what) == ("bad", True)


def test_a_port_that_is_taken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    manager = ProcessContainerManager("c")
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert "taken by something else" in doctor.one_port(port, "query", manager).what
    assert "is free" in doctor.one_port(port, "query", manager).what


def test_a_proxy_that_catches_local_addresses_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert doctor.proxies().state == "good"
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert doctor.proxies().state == "note"
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert doctor.proxies().state == "good"


def test_other_programs_are_asked_and_not_needed() -> None:
    assert doctor.docker(lambda _: "") == doctor.Finding(
        "note", "No Docker engine answers. Clusters of plain processes need none."
    )
    assert "version 29.1" in doctor.docker(lambda _: "29.1").what
    assert "2 NVIDIA" in doctor.gpu(lambda _: "GPU 0: X\nGPU 1: X").what


def test_a_notebook_shows_each_finding_with_its_word_and_its_colour() -> None:
    found = doctor.Findings([doctor.Finding("good", "a < b"), doctor.Finding("bad", "Too full.")])
    assert repr(found) == "good  a < b\nbad   Too full."
    good, bad = found._repr_html_().split("</div>")[:2]
    assert "--jp-success-color1" in good
    assert good.endswith("<b>good</b> · a &lt; b")
    assert "--jp-error-color1" in bad


def test_a_cluster_that_runs_is_well_and_one_without_management_is_not(attach: Attach) -> None:
    conn: ClipperConnection = attach("ill")
    manager = ProcessContainerManager("ill")
    assert "does not run" in doctor.cluster(manager).what
    conn.start_clipper(fresh=True)
    try:
        deploy_who(conn, "app", "who")
        assert doctor.cluster(manager).what == "Cluster ill runs, with 1 replicas"
        assert not [f for f in doctor.leftovers(manager.folder.parent) if "ill" in f.what]
        kill(pid_of(conn, "management"))
        assert doctor.cluster(manager).state == "bad"
        (left,) = [f for f in doctor.leftovers(manager.folder.parent) if "ill" in f.what]
        assert "clipperlab start --cluster-name ill" in left.what
        assert any(f.state == "bad" for f in doctor.examine(manager))
    finally:
        conn.stop_all(purge=True)


def test_whether_a_kubernetes_cluster_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert doctor.kubernetes().what.startswith("No Kubernetes cluster answers: there is no kubeconfig.")
    with kubernetes_stand_in.StandIn() as cluster:
        kubeconfig = cluster.kubeconfig.read_text()
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        found = doctor.kubernetes()
        assert found.state == "good"
        assert f"of the context {kubernetes_stand_in.CONTEXT}, version v1." in found.what
        with cluster.unreachable():
            assert doctor.kubernetes().state == "note"
    (tmp_path / "broken").write_text(kubeconfig.replace("current-context", "no-context"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "broken"))
    assert doctor.kubernetes().state == "note"
