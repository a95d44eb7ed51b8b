"""The logs of pods that end while they are read.

The API server is a fake, as no real one can be held between its answer and its watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import NotFound
from clipper_server.management.containers import kubernetes
from clipper_server.management.containers.api_server import Refused
from clipper_server.management.containers.numbers import Numbers
from clipper_server.management.state import State

from .test_pods import replica

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


Read = Callable[..., list[str]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """Its log, and that among all of them, where management last looked at the pod in `seen`."""

    def read(log: bytes | Exception, seen: Status, now: Status | None = None, name: str = NAME) -> list[str]:
        async def run() -> list[str]:
            server = Server(log)
            monkeypatch.setattr(kubernetes, "APIServer", lambda _: server)
            pods = server.watched("Pod").objects
            pods["m-1-abc"] = replica(seen)
            numbers = Numbers(State(tmp_path / "state.db"))
            manager = kubernetes.KubernetesContainerManager("clipper", "", numbers, keeps=True)
            try:
                await manager.poll()
                pods["m-1-abc"] = replica(seen if now is None else now)
                return [(await manager.log(name, 0))[0], (await manager.logs())[name]]
            finally:
                await manager.close()

        return asyncio.run(run())

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
