"""Where ports of a cluster on Kubernetes are found, and how often its runtime is asked for that."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from clipperlab import ClusterError, KubernetesContainerManager

ON = ["query:8500", "query:8501"]
local = count(50_000)


class Runtime:
    """Knows at most one way from outside. The API server forwards other ports, unless it `refuses`."""

    def __init__(self) -> None:
        self.outside: dict[str, str] = {}
        self.refuses = False
        self.asked: list[list[str]] = []
        self.closed: list[str] = []

    def run(self, command: str, options: list[str], _timeout_s: float) -> dict[str, Any]:
        assert command == "record"
        self.asked.append(options)
        ports = [option.partition("=")[2] for option in options]
        return {"record": {"own_ports": {p: {"address": self.outside.get(p), "tried": []} for p in ports}}}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    runtime = Runtime()

    class Forward:
        def __init__(self, *_: object) -> None:
            if runtime.refuses:
                raise ClusterError("The API server forwards no ports.")
            self.address = f"127.0.0.1:{next(local)}"

        def close(self, _drain_s: float = 0.0) -> None:
            runtime.closed.append(self.address)

    monkeypatch.setattr("clipperlab.places.forward.Forward", Forward)
    return runtime


@pytest.fixture
def manager(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> KubernetesContainerManager:
    manager = KubernetesContainerManager("c")
    monkeypatch.setattr(manager, "_run", runtime.run)
    return manager


def test_what_was_found_is_not_looked_for_again(
    manager: KubernetesContainerManager, runtime: Runtime
) -> None:
    runtime.outside["8500"] = "node:30000"
    found = manager.reached(ON)
    assert found["query:8500"] == "node:30000"
    assert found["query:8501"].startswith("127.0.0.1:")
    assert (manager.reached(ON), manager.reached([])) == (found, {})
    assert runtime.asked == [["--own-port=8500", "--own-port=8501"]]


def test_what_was_left_is_found_anew(manager: KubernetesContainerManager, runtime: Runtime) -> None:
    runtime.outside["8500"] = "node:30000"
    before = manager.reached(ON)
    manager.left(ON)
    assert runtime.closed == [before["query:8501"]]
    runtime.outside["8500"] = "node:30001"
    after = manager.reached(ON)
    assert after["query:8500"] == "node:30001"
    assert after["query:8501"] not in (before["query:8501"], "query:8501")


def test_a_cluster_that_is_found_anew_may_be_elsewhere(
    manager: KubernetesContainerManager, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.outside["8500"] = "node:30000"
    manager.reached(ON[:1])
    runtime.outside["8500"] = "other:30000"
    monkeypatch.setattr(manager, "_run", lambda *_: {"record": None})
    assert manager.record() is None
    monkeypatch.setattr(manager, "_run", runtime.run)
    assert manager.reached(ON[:1]) == {"query:8500": "other:30000"}


def test_where_no_way_leads_it_is_looked_for_again(
    manager: KubernetesContainerManager, runtime: Runtime
) -> None:
    runtime.refuses = True
    assert manager.reached(ON[:1]) == {"query:8500": "query:8500"}
    runtime.refuses = False
    assert manager.reached(ON[:1])["query:8500"].startswith("127.0.0.1:")


def test_what_the_command_line_tells_does_not_end_with_it(
    manager: KubernetesContainerManager, runtime: Runtime
) -> None:
    runtime.outside["8500"] = "node:30000"
    found = manager.reached(ON)
    assert manager.lasting(found["query:8500"]) == "node:30000"
    assert manager.lasting(found["query:8501"]) == "query.clipper-c:8501"
    assert manager.port_forward == "kubectl port-forward -n clipper-c service/query 8501"
