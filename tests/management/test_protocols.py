"""Protocols with ports of their own, as management keeps them: in virtual time, with ports that are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from clipper_container.errors import BadRequest, ClusterError, NotFound
from clipper_server import protocols
from clipper_server.changes import Changes
from clipper_server.management.control.protocols import OPEN_S, Protocols
from clipper_server.management.control.publisher import Publisher
from clipper_server.management.events import Events
from clipper_server.management.frontends import Frontends
from clipper_server.management.state import State
from clipper_server.protocols import Kind, ProtocolSpec, Wish, ports_of, wishes_of
from clipper_server.snapshot import Report
from tests.support.managements import served
from tests.support.virtual_time import run


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(protocols.KINDS, "both", Kind("nowhere", 8501, 8500))


class FakePorts:
    """Gives 1000, 1001 and so on; or what is wished for, unless it is in `taken`."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.spoken: dict[int, str] = {}
        self.trouble = ""
        self._next = 1000

    def give(self, documented: int, wish: int | None) -> int:
        if wish in self.taken:
            raise BadRequest(f"The port {wish} is taken.")
        if wish is not None:
            return wish
        self._next += 1
        return self._next - 1

    def again(self, port: int) -> int:
        return self.give(port, None if port in self.taken else port)

    async def open(self, spoken: Mapping[int, str]) -> None:
        if self.trouble:
            raise ClusterError(self.trouble)
        self.spoken = dict(spoken)

    def published(self, port: int) -> str:
        return f"here:{port}"


class Nowhere(FakePorts):
    """What was published when the cluster started is none of theirs."""

    def again(self, port: int) -> int:
        raise BadRequest("It was not published.")


class World:
    """Management's part, and query frontends that do what the state says: `troubles` has what they say of a
    protocol instead; None is nothing.
    """

    def __init__(self, folder: Path, ports: FakePorts | None = None, num_frontends: int = 2) -> None:
        self.changes = Changes()
        self.state = State(folder / "state.db")
        self.events = Events(self.state, self.changes)
        self.frontends = Frontends(self.changes, self.events, asyncio.get_running_loop().time)
        publisher = Publisher(self.state, self.frontends, self.changes, self.events)
        self.ports = ports or FakePorts()
        self.protocols = Protocols(self.state, self.ports, self.frontends, self.changes, publisher)
        self.troubles: dict[tuple[int, str], str | None] = {}
        self._reporting = asyncio.create_task(self._report(num_frontends))

    async def _report(self, num_frontends: int) -> None:
        while True:
            for number in range(num_frontends):
                said = {s.name: self.troubles.get((number, s.name), "") for s in self.protocols.all()}
                named = {name: text for name, text in said.items() if text is not None}
                self.frontends.on_report(
                    Report(
                        *(str(number), 1, True, self.state.revision, "127.0.0.1:1", [], []), protocols=named
                    )
                )
            await asyncio.sleep(0.5)

    def told(self) -> list[str]:
        return [event.text for event in self.events.last(20)]

    def end(self) -> None:
        self._reporting.cancel()
        self.state.close()


def in_a_world(
    folder: Path, test: Callable[[World], Coroutine[Any, Any, None]], ports: FakePorts | None = None
) -> None:
    async def main() -> None:
        world = World(folder, ports)
        try:
            await test(world)
        finally:
            world.end()

    run(main())


def test_one_is_on_when_every_query_frontend_serves_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.troubles[1, "both"] = None
        starting = asyncio.create_task(world.protocols.start("both", None, 9000))
        await asyncio.sleep(OPEN_S / 2)
        assert not starting.done()
        assert world.protocols.trouble("both") is None
        del world.troubles[1, "both"]
        assert await starting == ProtocolSpec("both", 1000, 9000)
        assert world.protocols.all() == [ProtocolSpec("both", 1000, 9000)]
        assert world.protocols.trouble("both") == ""
        assert world.ports.spoken == {1000: "http", 9000: "grpc"}
        assert "both is on, at here:1000 (REST) and here:9000 (gRPC)." in world.told()
        await world.protocols.stop("both")
        assert world.protocols.all() == []
        assert "both is off." in world.told()
        assert world.ports.spoken == {}

    in_a_world(tmp_path, test)


@pytest.mark.parametrize("said", ["Query frontend 1 cannot serve it: the port is taken", None])
def test_one_that_a_query_frontend_does_not_serve_is_taken_back(tmp_path: Path, said: str | None) -> None:
    async def test(world: World) -> None:
        world.troubles[1, "both"] = said
        with pytest.raises(ClusterError, match=f"could not be started.*{said or 'No query frontend'}"):
            await world.protocols.start("both", None, None)
        assert world.protocols.all() == []
        del world.troubles[1, "both"]
        await world.protocols.start("both", None, None)  # it can be tried again

    in_a_world(tmp_path, test)


def test_one_to_which_no_client_can_come_is_not_started(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.ports.trouble = "The service gets no port."
        with pytest.raises(ClusterError, match="gets no port"):
            await world.protocols.start("both", None, None)
        assert world.protocols.all() == []

    in_a_world(tmp_path, test)


def test_what_is_on_is_not_begun_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = await world.protocols.start("both", 9001, 9000)
        assert await world.protocols.start("both", None, None) == first
        assert await world.protocols.start("both", 9001, 9000) == first
        with pytest.raises(BadRequest, match=r"on already, at here:9001.*stop_protocol"):
            await world.protocols.start("both", 9002, None)
        with pytest.raises(BadRequest, match="9001 is that of another protocol"):
            await world.protocols.start("open-inference-grpc", None, 9001)

    in_a_world(tmp_path, test)


@pytest.mark.parametrize(
    ("name", "rest", "grpc", "error", "sentence"),
    [
        ("clipper", None, None, BadRequest, "always on, at the port for queries"),
        ("corba", None, None, NotFound, "no protocol 'corba'.*open-inference-grpc"),
        ("open-inference-grpc", 8000, None, BadRequest, "has no REST: leave out port"),
        ("both", 80, None, BadRequest, "80 is taken"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, name: str, rest: int | None, grpc: int | None, error: type[Exception], sentence: str
) -> None:
    async def test(world: World) -> None:
        world.ports.taken = {80}
        with pytest.raises(error, match=sentence):
            await world.protocols.start(name, rest, grpc)
        assert world.protocols.all() == []

    in_a_world(tmp_path, test)


def test_one_that_is_off_cannot_be_stopped(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(NotFound, match=r"not on\. start_protocol"):
            await world.protocols.stop("both")
        with pytest.raises(BadRequest, match="always on"):
            await world.protocols.stop("open-inference")

    in_a_world(tmp_path, test)


def test_those_of_last_time_are_on_again_where_they_were_or_elsewhere(tmp_path: Path) -> None:
    async def first(world: World) -> None:
        await world.protocols.begin("")
        await world.protocols.start("both", 9001, 9000)

    async def again(world: World) -> None:
        world.ports.taken = {9001}
        await world.protocols.begin("open-inference-grpc,both")
        assert world.protocols.all() == [
            ProtocolSpec("both", 1000, 9000),
            ProtocolSpec("open-inference-grpc", 0, 1001),
        ]

    in_a_world(tmp_path, first)
    in_a_world(tmp_path, again)


def test_a_wish_for_a_port_moves_one_of_last_time_and_keeps_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocols.KINDS, "both", Kind("nowhere", 8501, 8500, has_signatures=True))
    key = "name", "a-secret"

    async def first(world: World) -> None:
        await world.protocols.start("both", 9001, None, key)

    async def again(world: World) -> None:
        await world.protocols.begin("both:9001:9003,open-inference-grpc:9002")
        assert world.protocols.all() == [
            ProtocolSpec("both", 9001, 9003, *key),
            ProtocolSpec("open-inference-grpc", 0, 9002),
        ]
        await world.protocols.begin("both:9001,open-inference-grpc")
        assert [(spec.rest, spec.grpc) for spec in world.protocols.all()] == [(9001, 9003), (0, 9002)]

    async def taken(world: World) -> None:
        world.ports.taken = {9004}
        with pytest.raises(BadRequest, match="9004 is taken"):
            await world.protocols.begin("both:9004")

    for each in (first, again, taken):
        in_a_world(tmp_path, each)


def test_what_clients_find_elsewhere_is_not_at_the_port_that_is_wished_for(tmp_path: Path) -> None:
    class Published(FakePorts):
        """Each is found outside at a port that is one more."""

        def give(self, documented: int, wish: int | None) -> int:
            return documented

        def published(self, port: int) -> str:
            return f"here:{port + 1}"

    async def test(world: World) -> None:
        first = await world.protocols.start("open-inference-grpc", None, 8002)
        assert await world.protocols.start("open-inference-grpc", None, 8002) == first
        with pytest.raises(BadRequest, match=r"on already, at here:8002 \(gRPC\)"):
            await world.protocols.start("open-inference-grpc", None, 8001)
        with pytest.raises(BadRequest, match="on already"):
            await world.protocols.start("open-inference-grpc", 8002, None)  # it has no REST

    in_a_world(tmp_path, test, Published())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("both", [Wish("both")]),
        ("both:1:2", [Wish("both", 1, 2)]),
        ("both:1", [Wish("both", 1)]),
        ("both::2,open-inference-grpc", [Wish("both", None, 2), Wish("open-inference-grpc")]),
        ("open-inference-grpc:3,azureml:4", [Wish("open-inference-grpc", None, 3), Wish("azureml", 4)]),
        ("open-inference-grpc::3", [Wish("open-inference-grpc", None, 3)]),
    ],
)
def test_wishes_are_names_with_ports(text: str, found: list[Wish]) -> None:
    assert wishes_of(text) == found


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("both:1:2:3", BadRequest, "as tensorflow-serving:8501:8500 is"),
        ("both:x", BadRequest, "'both:x' is no protocol with its ports"),
        ("both:-1", BadRequest, "no protocol with its ports"),
        ("both:0", BadRequest, "from 1 to 65535, and not 0"),
        ("both:65536", BadRequest, "from 1 to 65535"),
        ("azureml:1:2", BadRequest, "azureml has no gRPC"),
        ("open-inference-grpc:1:2", BadRequest, "has no REST"),
        ("both:1:1", BadRequest, "The port 1 is named twice"),
        ("both:1,azureml:1", BadRequest, "The port 1 is named twice"),
        ("clipper", BadRequest, "always on"),
        ("corba:1", NotFound, "no protocol 'corba'"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(text: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        wishes_of(text)


def test_the_ports_of_wishes_are_found_by_those_that_clients_expect() -> None:
    assert ports_of("both::9,open-inference-grpc,azureml:7") == {8501: 0, 8500: 9, 8001: 0, 5001: 7}


def test_one_of_last_time_that_has_no_port_is_off_and_that_is_told(tmp_path: Path) -> None:
    async def first(world: World) -> None:
        await world.protocols.start("both", None, None)

    async def again(world: World) -> None:
        await world.protocols.begin("")
        assert world.protocols.all() == []
        assert "The protocol both is off now. It was not published." in world.told()

    in_a_world(tmp_path, first)
    in_a_world(tmp_path, again, Nowhere())


def test_a_wish_that_cannot_be_ends_the_start(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(NotFound, match="no protocol 'corba'"):
            await world.protocols.begin("both,corba")

    in_a_world(tmp_path, test)


def test_the_api_lists_them_and_says_what_is_refused(tmp_path: Path) -> None:
    with served(tmp_path) as management, management.client() as client:
        listed = {each["name"]: each for each in client.get("/api/v1/protocols").json()}
        where: dict[str, Any] = {"rest": "127.0.0.1:2", "grpc": None, "documented": {}}
        on = {"name": "clipper", "state": "on", **where, "trouble": None}
        assert listed["clipper"] == on
        assert listed["open-inference-grpc"]["state"] == "off"
        refused = client.put("/api/v1/protocols/open-inference-grpc", json={})
        assert refused.status_code == 400
        assert "start_clipper(protocols=" in refused.json()["message"]
        assert client.put("/api/v1/protocols/corba", json={"port": 1}).status_code == 404
        assert client.put("/api/v1/protocols/both", json={"port": "x"}).status_code == 400
        assert client.delete("/api/v1/protocols/both").status_code == 404


def test_two_that_are_started_at_once_are_both_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(protocols.KINDS, "other", Kind("nowhere", 8601, None))

    class Slow(FakePorts):
        async def open(self, spoken: Mapping[int, str]) -> None:
            await asyncio.sleep(1)
            await super().open(spoken)

    async def test(world: World) -> None:
        await asyncio.gather(*(world.protocols.start(name, None, None) for name in ("both", "other")))
        assert {spec.name for spec in world.protocols.all()} == {"both", "other"}
        await asyncio.gather(*(world.protocols.stop(name) for name in ("both", "other")))
        assert world.protocols.all() == []

    in_a_world(tmp_path, test, Slow())
