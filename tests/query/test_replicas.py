"""What a replica says, over a real Unix socket: the truth, and every kind of lie.

A lie costs its own connection and application: the neighbour, which is honest, answers all along.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from clipper_container import wire
from clipper_container.errors import WireError
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault, Metric
from clipper_server.policies import SplitSpec
from clipper_server.query import door
from clipper_server.query.configuration import NOTICES, Configuration
from clipper_server.query.replicas import Replica, credential
from clipper_server.query.request import Answer, Request
from clipper_server.query.task import Dispatch, Task
from clipper_server.snapshot import ApplicationSpec, Complaint, Snapshot
from tests.support.fakes import version_spec

pytestmark = pytest.mark.anyio
DEADLINE_S = 10
NAMES = ("honest", "liar")


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    applications = [ApplicationSpec(name, "doubles", -1, 5_000_000, [name]) for name in NAMES]
    versions = [version_spec(model=name, credential=credential(name)) for name in NAMES]
    configuration.apply(Snapshot(1, applications, versions, dict.fromkeys(NAMES, "1")))
    return configuration


@pytest.fixture
async def path(configuration: Configuration) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        found = str(Path(folder) / "0.sock")
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: Replica(configuration, configuration.replicas), found)
        yield found
        server.close()
        for replica in list(configuration.replicas):
            replica.close()


class Played:
    """A replica that says what the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, path: str) -> Played:
        return cls(*await asyncio.open_unix_connection(path))

    @classmethod
    async def join(cls, path: str, name: str) -> Played:
        played = await cls.dial(path)
        played.say(wire.Hello(wire.WIRE_VERSION, name, name, "1", "0", 1))
        assert isinstance((await played.heard())[0], wire.Welcome)
        played.say(wire.Ready([(1.0, 0.001)]))
        played.say(wire.Credit(2))
        return played

    def say(self, message: object, body: bytes = b"") -> None:
        self.writer.write(b"".join(wire.frame(message, [body])))

    async def heard(self) -> tuple[wire.ToContainer, bytes]:
        async with asyncio.timeout(DEADLINE_S):
            header, body = wire.lengths(await self.reader.readexactly(wire.PREFIX.size))
            message = wire.to_container(await self.reader.readexactly(header))
            return message, await self.reader.readexactly(body)

    async def batch(self) -> wire.Batch:
        while not isinstance(message := (await self.heard())[0], wire.Batch):
            pass
        return message

    async def answer(self, text: bytes = b"1.0") -> None:
        batch = await self.batch()
        sizes = [len(text)] * batch.count
        self.say(wire.Reply(batch.id, 0.001, 1, sizes, [], {}, None), text * batch.count)

    async def closed(self) -> None:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(DEADLINE_S):
                while await self.reader.read(1 << 16):
                    pass
        self.writer.close()


def ask(configuration: Configuration, name: str, raw: bool = False) -> asyncio.Future[Answer]:
    found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    tensor = Tensor(b"\0" * 8, (1,), "<f8")
    request = Request("test", [tensor], raw=raw)
    configuration.applications[name].ask(request, lambda answers: found.set_result(answers[0]))
    return found


async def ready(configuration: Configuration, name: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        queue = configuration.queue(name, "1")
        assert queue is not None
        while not any(replica.credits for replica in queue.ready):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_an_honest_replica_is_asked_and_answers(configuration: Configuration, path: str) -> None:
    honest = await Played.join(path, "honest")
    asked = ask(configuration, "honest")
    await honest.answer()
    assert (await asked).output == b"1.0"
    asked = ask(configuration, "honest", raw=True)
    batch = await honest.batch()
    assert batch.raw == [0]
    honest.say(wire.Reply(batch.id, 0.001, 1, [8], [("<f8", (), [0])], {}, None), b"\0" * 8)
    assert (await asked).output == Tensor(b"\0" * 8, (), "<f8")
    for text in (b'"caf\xc3\xa9"', b"null", b'{"a":[1,2]}'):
        asked = ask(configuration, "honest")
        await honest.answer(text)
        assert (await asked).output == text
    honest.writer.close()


async def test_who_is_able_is_asked_anew_when_a_replica_comes_goes_or_hangs(
    configuration: Configuration, path: str
) -> None:
    snapshot = configuration.snapshot
    assert snapshot is not None
    both = ApplicationSpec(
        "both", "doubles", -1, 5_000_000, [*NAMES], policy=SplitSpec(dict.fromkeys(NAMES, 0.5))
    )
    configuration.apply(msgspec.structs.replace(snapshot, applications=[*snapshot.applications, both]))
    application = configuration.applications["both"]

    def able() -> set[str]:
        chosen = [application.policy.decide(None, application.parts.able) for _ in range(50)]
        return {arm.name for decision in chosen for arm in decision.arms}

    stays, goes = await Played.join(path, "honest"), await Played.join(path, "liar")
    for name in NAMES:
        await ready(configuration, name)
    assert able() == {*NAMES}
    goes.writer.close()
    queue = configuration.queue("liar", "1")
    assert queue is not None
    async with asyncio.timeout(DEADLINE_S):
        while queue.ready:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert able() == {"honest"}
    hangs = await Played.join(path, "liar")
    await ready(configuration, "liar")
    assert able() == {*NAMES}
    ask(configuration, "liar")
    await hangs.batch()
    (replica,) = [
        replica for replica in configuration.replicas if replica.name == "0" and replica in queue.ready
    ]
    replica.look_for_hang(configuration.clock() + 1000)
    assert able() == {"honest"}
    for played in (stays, hangs):
        played.writer.close()


async def test_one_that_ends_while_it_loads_is_no_longer_waited_for(
    configuration: Configuration, path: str
) -> None:
    snapshot = configuration.snapshot
    assert snapshot is not None
    for num_replicas in (0, 1):  # it slept, and is on its way up
        versions = [
            msgspec.structs.replace(version, wakes=True, num_replicas=num_replicas)
            for version in snapshot.versions
        ]
        configuration.apply(msgspec.structs.replace(snapshot, versions=versions))
    queue = configuration.queue("liar", "1")
    assert queue is not None
    loads = await Played.dial(path)
    loads.say(wire.Hello(wire.WIRE_VERSION, "liar", "liar", "1", "0", 1))
    await loads.heard()
    assert (queue.starting, queue.able) == (1, True)
    loads.writer.close()
    async with asyncio.timeout(DEADLINE_S):
        while queue.starting:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not queue.able


async def test_a_batch_names_each_dtype_once(configuration: Configuration) -> None:
    queue = configuration.queue("honest", "1")
    assert queue is not None
    long = '[["%s","|u1",0]]' % ("a" * 100_000)
    for dtypes, named, kinds in (
        ([long] * 100, [long], []),
        ([long, "|u1"] * 50, [long, "|u1"], [0, 1] * 50),
    ):
        written: list[bytes] = []
        replica = Replica(configuration, set())
        replica.connection_made(SimpleNamespace(writelines=written.extend))  # type: ignore[arg-type]
        tasks = [Task(queue, Tensor(b"x", (), dtype), False, 0.0, 1.0) for dtype in dtypes]
        replica.send(Dispatch(tasks, 1.0, 1.0, "full", 0.0))
        batch = wire.to_container(written[0][wire.PREFIX.size :])
        assert isinstance(batch, wire.Batch)
        assert (batch.dtypes, batch.kinds, batch.each()) == (named, kinds, dtypes if kinds else named)
        assert wire.lengths(written[0][: wire.PREFIX.size])[1] == 100
        replica._end()


def reply(**changes: Any) -> Callable[[int], tuple[wire.Reply, bytes]]:
    body = changes.pop("body", b"1.0")
    fields = {"compute_s": 0.001, "credits": 1, "sizes": [len(body)], "tensors": [], "faults": {}}
    return lambda id: (wire.Reply(**{"id": id, "fault": None, **fields, **changes}), body)


LIES = {
    "a time that is none": (reply(compute_s=math.nan), "took it nan s"),
    "a time without end": (reply(compute_s=math.inf), "took it inf s"),
    "a time that nobody would wait": (reply(compute_s=1e308), "took it 1e+308 s"),
    "a time before it began": (reply(compute_s=-1.0), "took it -1 s"),
    "many credits": (reply(credits=1 << 40), "credits"),
    "credits below none": (reply(credits=-5), "credits"),
    "sizes that are too few": (reply(sizes=[]), "do not add up"),
    "sizes that add up by one below 0": (reply(sizes=[-1, 4]), "do not add up"),
    "a size that is not there": (reply(sizes=[30]), "do not add up"),
    "a reason that writes headers": (
        reply(body=b"", faults={0: Fault("a\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK", "m")}),
        r"a reason that there is not: 'a\\r\\ncontent-length",
    ),
    "a reason of ours": (reply(body=b"", sizes=[], fault=Fault("overload", "m")), "reason that there is not"),
    "outputs with a fault": (reply(fault=Fault("model_error", "m")), "with a fault of the whole batch"),
    "an output with its fault": (reply(faults={0: Fault("model_error", "m")}), "a fault of no output"),
    "a fault of nothing": (reply(faults={7: Fault("model_error", "m")}), "a fault of no output"),
    "a tensor for which nobody asked": (reply(body=b"\0" * 8, tensors=[("<f8", (), [0])]), "nobody asked"),
    "a tensor of nothing": (reply(tensors=[("<f8", (), [3])]), "nobody asked"),
    "more JSON than one": (reply(body=b'1,"default":false,"x":2'), "no JSON"),
    "JSON of half a text": (reply(body=b'"\xff"'), "no JSON"),
    "no JSON": (reply(body=b""), "no JSON"),
    "JSON too deep": (reply(body=b"[" * 100_000 + b"]" * 100_000), "no JSON"),
}


async def test_tensors_of_one_form_are_read_as_each_by_itself(configuration: Configuration) -> None:
    queue = configuration.queue("honest", "1")
    assert queue is not None
    rows = [bytes([i]) * 16 for i in range(3)]
    body = memoryview(b"".join(rows))

    def told(*places: list[int], raw: Sequence[bool] = (True,) * 3, **changes: Any) -> Any:
        tensors: Any = [("<i4", (2, 2), each) for each in places]
        answer = wire.Reply(1, 0.0, 1, [16] * 3, tensors, **{"faults": {}, "fault": None, **changes})
        tasks = [Task(queue, Tensor(b"x", (), "str"), each, 0.0, 1.0) for each in raw]
        return door.outcomes(answer, body, tasks)

    assert told([0, 1, 2]) == told([0], [1, 2]) == told([2, 0, 1]) == [Tensor(r, (2, 2), "<i4") for r in rows]
    assert all(isinstance(outcome, Tensor) for outcome in told([0, 1, 2]))
    for lie in (
        {"raw": (True, True, False)},
        {"faults": {1: Fault("model_error", "m")}},
        {"faults": {7: Fault("model_error", "m")}},
    ):
        with pytest.raises(WireError, match=r"nobody asked|a fault of no output"):
            told([0, 1, 2], **lie)
    for places in ([0, 1, 1], [0, 1, 3], [0, 1, 2, 2]):
        with pytest.raises(WireError):
            told(places)


@pytest.mark.parametrize("lie", LIES)
async def test_a_reply_that_cannot_be_closes_its_replica_and_costs_nobody_else(
    configuration: Configuration, path: str, caplog: pytest.LogCaptureFixture, lie: str
) -> None:
    tell, words = LIES[lie]
    honest, liar = await Played.join(path, "honest"), await Played.join(path, "liar")
    good, lied = ask(configuration, "honest"), ask(configuration, "liar")
    batch = await liar.batch()
    liar.say(*tell(batch.id))
    await liar.closed()
    await honest.answer()
    assert (await good).output == b"1.0"
    again = await Played.join(path, "liar")  # the query has one more try, with a replica that may be honest
    await again.answer(b"2.0")
    assert (await lied).output == b"2.0"
    assert words.replace("\\\\", "\\") in caplog.text
    report = configuration.report()
    assert [(c.model, c.replica) for c in report.complaints] == [("liar", "0")]
    assert "replica 0 of liar:1 is closed: It " in report.complaints[0].text
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
    assert b"liar" in await configuration.metrics.text()
    for played in (honest, again):
        played.writer.close()


def metric(**changes: Any) -> wire.Metrics:
    fields = {"name": "m", "kind": "Histogram", "description": "d", "bounds": [1.0], "counts": [1, 2]}
    return wire.Metrics([Metric(**{**fields, **changes})])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (wire.Ready([(1.0, math.nan)]), "took it nan s"),
        (wire.Ready([(0.0, 0.001)]), "of cost 0 took"),
        (wire.Ready([(math.inf, 0.001)]), "of cost inf took"),
        (wire.Ready([(1.0, 1e308)]), "took it 1e+308 s"),
        (wire.Ready([(1.0, 0.001)] * 2000), "measured 2000 batches"),
        (wire.Ready([], [], b"1,2"), "no JSON"),
        (wire.Ready([], [], b"1" * 5000), "has 5000 bytes"),
        (wire.Ready([], [], ("<f9", (1,))), "is of '<f9'"),
        (wire.Ready([], [], ("<f8", (1, -1))), "has the shape"),
        (wire.Credit(0), "gives 0 credits"),
        (wire.Credit(10**9), "gives 1000000000 credits"),
        (wire.Metrics([Metric("m", "Gauge", "d", [], [])] * 101), "has 101 metrics"),
        (metric(counts=[1]), "has 1 bounds and 1 counts"),
        (metric(counts=[1, -2]), "counts less than nothing"),
        (metric(bounds=[math.nan]), "do not grow"),
        (metric(bounds=[2.0, 1.0], counts=[1, 1, 1]), "do not grow"),
        (metric(bounds=[1.0] * 300, counts=[1] * 301), "has 300 bounds"),
        (metric(kind="Gauge"), "has 1 bounds"),
        (metric(sum=math.nan), "is nan"),
        (metric(sum=math.inf), "is inf"),
        (metric(kind="Wheel"), "has a 'Wheel'"),
        (metric(name='m"} 1\nevil'), "by the name of"),
        (wire.Reply(9, 0.1, 1, [], [], {}, None), "whose turn it is not"),
        (wire.Hello(wire.WIRE_VERSION, "liar", "liar", "1", "0", 1), "Hello out of turn"),
    ],
)
async def test_a_message_that_cannot_be_closes_its_replica(
    configuration: Configuration, path: str, message: object, words: str
) -> None:
    liar = await Played.dial(path)
    liar.say(wire.Hello(wire.WIRE_VERSION, "liar", "liar", "1", "0", 1))
    await liar.heard()
    if not isinstance(message, wire.Ready):
        liar.say(wire.Ready([]))
    liar.say(message)
    await liar.closed()
    assert words in configuration.report().complaints[0].text
    assert not configuration.replicas
    queue = configuration.queue("liar", "1")
    assert queue is not None
    assert (queue.starting, queue.ready) == (0, [])


async def test_credits_do_not_add_up_beyond_what_there_may_be(
    configuration: Configuration, path: str
) -> None:
    liar = await Played.join(path, "liar")
    for _ in range(door.MAX_CREDITS):
        liar.say(wire.Credit(1))
    await liar.closed()
    assert "more than 16 credits" in configuration.report().complaints[0].text


async def test_texts_are_cut_and_have_one_line_where_they_need_one(
    configuration: Configuration, path: str
) -> None:
    played = await Played.dial(path)
    played.say(wire.Hello(wire.WIRE_VERSION, "liar", "liar", "1", "0", 1))
    await played.heard()
    played.say(metric(description="one\r# TYPE two\u2028" + "x" * 5000))
    played.say(wire.Ready([], ["w" * 4_000_000]))
    played.say(wire.Credit(2))
    asked = ask(configuration, "liar")
    batch = await played.batch()
    fault = Fault("model_error", "e" * 100_000)
    played.say(wire.Reply(batch.id, 0.001, 1, [0], [], {0: fault}, None))
    found = (await asked).fault
    assert found is not None
    assert (len(found.message), len(configuration.report().replicas[0].warnings[0])) == (1004, 1004)
    text = (await configuration.metrics.text()).decode()
    (line,) = [line for line in text.split("\n") if line.startswith("# HELP clipper_custom_m ")]
    assert "one # TYPE two xxx" in line
    assert len(line) < 1100
    assert text.splitlines() == text.split("\n")[:-1]
    played.writer.close()


async def test_before_the_hello_little_is_heard_and_not_for_long(
    configuration: Configuration, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for prefix in (wire.PREFIX.pack(16, 1 << 30), wire.PREFIX.pack(5000, 0)):
        stranger = await Played.dial(path)
        stranger.writer.write(prefix)
        await stranger.closed()
    for message in (wire.Recall(), wire.Draining(), metric(), wire.Credit(1), wire.Ready([])):
        stranger = await Played.dial(path)
        stranger.say(message)
        await stranger.closed()
    stranger = await Played.dial(path)
    stranger.say(wire.Hello(wire.WIRE_VERSION, "t", "m\nm", "1", "evil\nline", 1))
    await stranger.closed()
    assert "evil\nline" not in caplog.text
    monkeypatch.setattr(door, "HELLO_S", 0.01)
    await (await Played.dial(path)).closed()
    honest = await Played.join(path, "honest")
    await ready(configuration, "honest")
    assert not configuration.report().complaints
    honest.writer.close()


def memory() -> int:
    """That this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_outputs_that_are_announced_take_no_memory_before_they_come(
    configuration: Configuration, path: str
) -> None:
    played = await Played.join(path, "liar")
    asked = ask(configuration, "liar")
    await played.batch()
    before = memory()
    played.writer.write(wire.PREFIX.pack(16, 1 << 30))
    await played.writer.drain()
    honest = await Played.join(path, "honest")
    good = ask(configuration, "honest")
    await honest.answer()
    assert (await good).output == b"1.0"
    assert memory() - before < 1 << 29
    played.writer.close()
    again = await Played.join(path, "liar")
    await again.answer()
    assert (await asked).output == b"1.0"
    for each in (again, honest):
        each.writer.close()


async def test_what_nobody_foresaw_closes_the_replica_too(
    configuration: Configuration, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unforeseen(*_: object) -> None:
        raise ZeroDivisionError

    played = await Played.join(path, "liar")
    asked = ask(configuration, "liar")
    batch = await played.batch()
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(door, "outcomes", unforeseen)
        played.say(wire.Reply(batch.id, 0.001, 1, [3], [], {}, None), b"1.0")
        await played.closed()
    assert "ZeroDivisionError" in caplog.text
    again = await Played.join(path, "liar")
    await again.answer()
    assert (await asked).output == b"1.0"
    again.writer.close()


async def test_a_replica_that_comes_again_and_lies_again_is_told_of_once(
    configuration: Configuration,
) -> None:
    for replica in ("0", "1", "2"):
        configuration.complain(Complaint("liar", "1", replica, "It lies."))
    (told,) = configuration.report().complaints
    configuration.heard([told])
    configuration.complain(Complaint("liar", "1", "3", "It lies."))
    assert configuration.report().complaints == []


async def test_what_a_replica_tells_its_owner_is_told_all_but_what_is_too_much(
    configuration: Configuration, path: str
) -> None:
    played = await Played.join(path, "liar")
    for text in ("It is\ndown.", "It is back."):
        played.say(wire.Notice(text))
    async with asyncio.timeout(DEADLINE_S):
        while len(told := configuration.report().complaints) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert [(c.model, c.version, c.replica, c.kind) for c in told] == [("liar", "1", "0", "notice")] * 2
    assert [c.text for c in told] == [f"replica 0 of liar:1: It is {how}." for how in ("down", "back")]
    configuration.heard(told[:1])
    assert configuration.report().complaints == told[1:]
    for _ in range(NOTICES):
        configuration.notice(told[0])
    assert len(configuration.report().complaints) == NOTICES - 1
    played.writer.close()


async def test_a_version_that_comes_again_under_its_name_is_another_and_its_old_replicas_are_left(
    configuration: Configuration, path: str
) -> None:
    old, busy = await Played.join(path, "honest"), await Played.join(path, "liar")
    await ready(configuration, "honest")
    await ready(configuration, "liar")
    asked = ask(configuration, "liar")
    batch = await busy.batch()
    before = configuration.snapshot
    assert before is not None
    again = [
        msgspec.structs.replace(spec, credential=credential(f"new {spec.model}")) for spec in before.versions
    ]
    configuration.apply(msgspec.structs.replace(before, revision=2, versions=again))
    await old.closed()
    busy.say(wire.Reply(batch.id, 0.001, 1, [3], [], {}, None), b"1.0")
    assert (await asked).output == b"1.0"  # it answers what it has
    await busy.closed()
    stranger = await Played.dial(path)
    stranger.say(wire.Hello(wire.WIRE_VERSION, "honest", "honest", "1", "1", 1))
    message, _ = await stranger.heard()
    assert isinstance(message, wire.Refused)
    assert "its token is not the one" in message.message
    await stranger.closed()
    new = await Played.dial(path)
    new.say(wire.Hello(wire.WIRE_VERSION, "new honest", "honest", "1", "2", 1))
    assert isinstance((await new.heard())[0], wire.Welcome)
    assert [r.replica for r in configuration.report().replicas] == ["2"]
    new.writer.close()


@pytest.mark.parametrize(
    "tensors",
    [
        [("<f8", (), [0]), ("<f8", (), [0])],
        [("<f8", (), [0, 0])],
        [("<f8", (), [])],
        [("<f8", (), [1])],
    ],
    ids=str,
)
def test_a_tensor_comes_once_and_where_it_was_asked_for(tensors: list[Any]) -> None:
    """However many a reply names, it is read in the time that its outputs take."""
    asked: Any = [SimpleNamespace(raw=True)]
    with pytest.raises(WireError, match="for which nobody asked"):
        door.outcomes(wire.Reply(1, 0.1, 1, [8], tensors, {}, None), memoryview(bytes(8)), asked)
