"""What the container manager makes of pods at moments between two changes of them.

The API server is a fake, as no real one can be held at such a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import NotFound
from clipper_server.management.state import State
from clipper_server.places.kubernetes import manager as kubernetes
from clipper_server.places.kubernetes.api_server import Refused
from clipper_server.places.kubernetes.numbers import Numbers
from tests.places.kubernetes.test_pods import replica

EVICTED = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi.",
}
NAME = "m.1.m-1-abc"
ADVICE = "how much memory it needs"
Status = dict[str, Any]


class Objects:
    """What a watch has seen so far."""

    trouble = ""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.gone: list[dict[str, Any]] = []
        self.listed = asyncio.Event()
        self.listed.set()

    async def run(self) -> None:
        await asyncio.Event().wait()


class Server:
    """`log` is what it answers when it is asked for one."""

    def __init__(self, log: bytes | Exception) -> None:
        self._log = log
        self._found: dict[str, Objects] = {}

    def watched(self, kind: str, *_: str, **__: str) -> Objects:
        return self._found.setdefault(kind, Objects())

    async def read_log(self, *_: str, **__: Any) -> bytes:
        if isinstance(self._log, Exception):
            raise self._log
        return self._log

    async def close(self) -> None:
        pass


Pods = dict[str, dict[str, Any]]
Managed = Callable[..., list[str]]
Read = Callable[..., list[str]]


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Managed:
    """What `test` finds, given a manager that has looked at the pods in `seen`, and what its watch has."""

    def run(
        seen: Status,
        test: Callable[[kubernetes.KubernetesContainerManager, Pods], Awaitable[list[str]]],
        log: bytes | Exception = b"",
    ) -> list[str]:
        async def main() -> list[str]:
            server = Server(log)
            monkeypatch.setattr(kubernetes, "APIServer", lambda _: server)
            pods = server.watched("Pod").objects
            pods["m-1-abc"] = replica(seen)
            state = State(tmp_path / "state.db")
            manager = kubernetes.KubernetesContainerManager("clipper", "", Numbers(state), keeps=True)
            try:
                await manager.poll()
                return await test(manager, pods)
            finally:
                await manager.close()
                state.close()

        return asyncio.run(main())

    return run


# Logs


@pytest.fixture
def read(managed: Managed) -> Read:
    """Its log, and that among all of them."""

    def read(log: bytes | Exception, seen: Status, now: Status | None = None, name: str = NAME) -> list[str]:
        async def test(manager: kubernetes.KubernetesContainerManager, pods: Pods) -> list[str]:
            pods["m-1-abc"] = replica(seen if now is None else now)
            return [(await manager.log(name, 0))[0], (await manager.logs())[name]]

        return managed(seen, test, log)

    return read


@pytest.mark.parametrize("log", [NotFound("not found"), Refused("no container")], ids=["gone", "refused"])
def test_an_evicted_pod_tells_its_end_where_its_node_has_no_log_of_it(read: Read, log: Exception) -> None:
    for text in read(log, EVICTED):
        assert ADVICE in text


def test_an_end_that_management_has_not_looked_at_yet_is_in_the_log(read: Read) -> None:
    for text in read(b"It works.\n", {}, EVICTED):
        assert text.startswith("It works.\n")
        assert ADVICE in text


def test_the_log_of_a_pod_that_goes_while_it_is_read_is_empty(read: Read) -> None:
    assert read(NotFound("not found"), {}) == ["", ""]


def test_what_runs_has_no_last_words(read: Read) -> None:
    assert read(b"It works.\n", {}) == ["It works.\n", "It works.\n"]


def test_a_log_that_does_not_exist_names_those_that_do(read: Read) -> None:
    with pytest.raises(NotFound, match=rf"no log 'm\.2\.x'\. Logs: {NAME}\."):
        read(b"It works.\n", {}, name="m.2.x")


# Ends


TERMINATED = {"state": {"terminated": {"exitCode": 137, "message": "Killed."}}, "restartCount": 0}


def ends(managed: Managed, *changes: Status) -> list[str]:
    """The last words of each end that is told while these changes are seen, one after the other."""

    async def test(manager: kubernetes.KubernetesContainerManager, pods: Pods) -> list[str]:
        found = []
        for change in changes:
            pods["m-1-abc"] = replica(change)
            for status in await manager.poll():
                if status.exit_code is not None:
                    found.append(status.last_words)
                    await manager.forget(status.name)
        return found

    return managed({}, test)


def test_an_eviction_is_one_end_even_if_its_container_ends_later(managed: Managed) -> None:
    (words,) = ends(managed, EVICTED, {**EVICTED, "containerStatuses": [TERMINATED]})
    assert ADVICE in words


def test_a_container_that_is_restarted_and_then_evicted_has_two_ends(managed: Managed) -> None:
    crashed = {"containerStatuses": [TERMINATED]}
    again = {"containerStatuses": [{"state": {"running": {}}, "restartCount": 1}]}
    killed, evicted = ends(managed, crashed, again, {**again, **EVICTED}, {**crashed, **EVICTED})
    assert killed == "Killed."
    assert ADVICE in evicted
