"""Lesson 10's consumers against a real Redis, a real PostgreSQL and a real cluster, and what kills them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Sized
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
import redis.asyncio

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.lessons import NotYet
from clipperlab.lessons.checks.lesson_10 import survives
from clipperlab.lessons.live import database, stream
from clipperlab.lessons.live.asking import Answer, Asker, Unavailable
from tests.support import parts
from tests.support.clusters import Attach, kill, pid_of
from tests.support.waiting import wait_for


class FakeAsker(Asker):
    """Answers the double of an input, unless it is told to be away; knows what it has at the same time."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[Any] = []
        self.at_once = self.most_at_once = 0

    async def ask(self, input: object) -> Answer:
        self.asked.append(input)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.away:
            raise Unavailable("It is away.")
        assert isinstance(input, list)
        return Answer(2 * input[0], "", 1)


# A stream


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with parts.a_redis() as server:
        yield server.url


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as server:
        server.flushall()
        yield server


@asynccontextmanager
async def consumer(
    url: str, asker: Asker, name: str = "one", **options: Any
) -> AsyncIterator[stream.StreamConsumer]:
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as server:
        consumer = stream.StreamConsumer(server, asker, "digits", name, **options)
        await consumer.join()
        yield consumer


def answers(server: redis.Redis) -> dict[str, Any]:
    found: Any = server.hgetall(stream.answers_of("digits"))
    return {message: json.loads(answer) for message, answer in found.items()}


def outputs(server: redis.Redis) -> list[Any]:
    return [answers(server)[message]["output"] for message in sorted(answers(server))]


@pytest.mark.anyio
async def test_answers_what_is_in_the_stream_a_few_at_a_time(server: redis.Redis, redis_url: str) -> None:
    ids = stream.add(server, "digits", [[float(i)] for i in range(10)])
    asker = FakeAsker()
    async with consumer(redis_url, asker, at_once=4) as one:
        assert [await one.step(wait_s=0.01) for _ in range(4)] == [4, 4, 2, 0]
    assert asker.most_at_once == 4
    assert sorted(answers(server)) == sorted(ids)
    assert sorted(outputs(server)) == [2.0 * i for i in range(10)]
    assert server.xlen("digits") == 0, "what is answered is gone"


@pytest.mark.anyio
async def test_reads_nothing_new_while_nobody_answers(server: redis.Redis, redis_url: str) -> None:
    stream.add(server, "digits", [[float(i)] for i in range(10)])
    asker = FakeAsker()
    asker.away = True
    async with consumer(redis_url, asker, at_once=4) as one:
        assert [await one.step() for _ in range(3)] == [0, 0, 0]
        assert len({input[0] for input in asker.asked}) == 4, "the same four, again and again"
        asker.away = False
        assert [await one.step(wait_s=0.01) for _ in range(4)] == [4, 4, 2, 0]
    assert len(answers(server)) == 10


@pytest.mark.anyio
async def test_takes_over_from_the_dead_and_not_from_the_living(server: redis.Redis, redis_url: str) -> None:
    stream.add(server, "digits", [[1.0], [2.0]])
    away = FakeAsker()
    away.away = True
    async with consumer(redis_url, away, "dead") as dead:
        await dead.step()
    async with consumer(redis_url, FakeAsker(), "patient", claim_after_s=60) as patient:
        assert await patient.step(wait_s=0.01) == 0
    async with consumer(redis_url, FakeAsker(), "hasty", claim_after_s=0) as hasty:
        assert await hasty.step(wait_s=0.01) == 2
    assert len(answers(server)) == 2


@pytest.mark.anyio
async def test_a_second_answer_replaces_the_first(server: redis.Redis, redis_url: str) -> None:
    stream.add(server, "digits", [[1.0]])
    async with (
        consumer(redis_url, FakeAsker(), "slow") as slow,
        consumer(redis_url, FakeAsker(), "hasty", claim_after_s=0) as hasty,
    ):
        (message,) = await slow._new(0.01)
        assert await hasty.step(wait_s=0.01) == 1
        assert await slow._answer(*message), "it did not know"
    assert outputs(server) == [2.0]


def test_whoever_adds_waits_for_room(server: redis.Redis) -> None:
    waited = []

    def pause(seconds: float) -> None:
        waited.append(server.xlen("digits"))
        server.xtrim("digits", maxlen=2, approximate=False)

    stream.add(server, "digits", [[float(i)] for i in range(6)], room=3, pause=pause)
    assert waited == [3, 3, 3]


def test_whoever_adds_hears_that_nobody_answers(server: redis.Redis) -> None:
    clock = iter(range(1000))
    with pytest.raises(TimeoutError, match=r"3 were added\. Does a consumer run"):
        stream.add(
            server,
            "digits",
            [[float(i)] for i in range(6)],
            room=3,
            pause=lambda _: None,
            now=lambda: float(next(clock)),
        )


# A database


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with parts.a_postgresql() as server:
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute(database.SCHEMA.encode())
        yield server.dsn


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("TRUNCATE pictures, outbox, predictions RESTART IDENTITY")
        yield conn


@asynccontextmanager
async def row_consumer(dsn: str, asker: Asker, at_once: int = 16) -> AsyncIterator[database.DatabaseConsumer]:
    conn = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    async with conn:
        yield database.DatabaseConsumer(conn, asker, at_once=at_once)


def insert(db: psycopg.Connection, pictures: Sequence[list[float]]) -> None:
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO pictures (pixels) VALUES (%s)", [[each] for each in pictures])


def predicted(db: psycopg.Connection) -> dict[int, Any]:
    return dict(db.execute("SELECT picture, output FROM predictions").fetchall())


def left(db: psycopg.Connection) -> int:
    found = db.execute("SELECT count(*) FROM outbox").fetchone()
    assert found
    return int(found[0])


@pytest.mark.anyio
async def test_answers_rows_as_they_change(db: psycopg.Connection, dsn: str) -> None:
    insert(db, [[float(i)] for i in range(5)])
    asker = FakeAsker()
    async with row_consumer(dsn, asker, at_once=3) as rows:
        assert [await rows.step() for _ in range(3)] == [3, 2, 0]
        assert predicted(db) == {i + 1: 2.0 * i for i in range(5)}
        db.execute("UPDATE pictures SET pixels = '{10}' WHERE id = 2")
        assert await rows.step() == 1
    assert predicted(db)[2] == 20.0
    assert asker.most_at_once == 3


@pytest.mark.anyio
async def test_a_change_that_is_rolled_back_is_not_asked(db: psycopg.Connection, dsn: str) -> None:
    with db.transaction(force_rollback=True):
        insert(db, [[1.0]])
    asker = FakeAsker()
    async with row_consumer(dsn, asker) as rows:
        assert await rows.step() == 0
    assert not asker.asked


@pytest.mark.anyio
async def test_changes_stay_while_nobody_answers(db: psycopg.Connection, dsn: str) -> None:
    insert(db, [[1.0], [2.0]])
    asker = FakeAsker()
    asker.away = True
    async with row_consumer(dsn, asker) as rows:
        assert await rows.step() == 0
        assert left(db) == 2
        asker.away = False
        assert await rows.step() == 2
    assert predicted(db) == {1: 2.0, 2: 4.0}


@pytest.mark.anyio
async def test_an_older_change_never_replaces_a_newer_answer(db: psycopg.Connection, dsn: str) -> None:
    insert(db, [[1.0]])
    db.execute("UPDATE pictures SET pixels = '{2}'")
    took, held = asyncio.Event(), asyncio.Event()

    class Slow(FakeAsker):
        async def ask(self, input: object) -> Answer:
            took.set()
            await held.wait()
            return await super().ask(input)

    async with row_consumer(dsn, Slow(), at_once=1) as slow, row_consumer(dsn, FakeAsker()) as quick:
        older = asyncio.create_task(slow.step())
        async with asyncio.timeout(60):
            await took.wait()
            assert await quick.step() == 1, "the slow one has locked the other"
        held.set()
        assert await older == 1
    assert predicted(db) == {1: 4.0}
    assert left(db) == 0


@pytest.mark.anyio
async def test_the_bell_wakes_it(db: psycopg.Connection, dsn: str) -> None:
    async with row_consumer(dsn, FakeAsker()) as rows:
        running = asyncio.create_task(rows.run(look_every_s=1000))
        for i in range(3):
            await asyncio.to_thread(insert, db, [[float(i)]])
            await asyncio.to_thread(wait_for, "the answer", partial(more, lambda: predicted(db), i))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# Programs, and what kills them

MESSAGES = 2000
KILLS = 5


@pytest.fixture(scope="module")
def cluster(attach: Attach) -> Iterator[ClipperConnection]:
    """Its model doubles, and takes a twentieth of a second for a batch: so a kill meets work in flight, and a
    test that is held up for seconds does not find that all is done.
    """
    conn = attach("live")
    conn.start_clipper(cache_size=0, fresh=True)
    conn.register_application("digits", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "digits", 1, "doubles", doubles(), num_replicas=2)
    conn.link_model_to_app("digits", "digits")
    yield conn
    conn.stop_all(purge=True)


def doubles() -> Callable[[list[Any]], list[float]]:
    def double(inputs: list[Any]) -> list[float]:
        import time

        time.sleep(0.05)
        return [2 * float(each[0]) for each in inputs]

    double.__module__ = "__main__"
    return double


@contextmanager
def program(module: str, cluster: ClipperConnection, **options: str) -> Iterator[subprocess.Popen[bytes]]:
    options["ask"] = f"http://{cluster.get_query_addr()}/digits/predict"
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", f"clipperlab.lessons.live.{module}", *arguments], stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def break_the_cluster(conn: ClipperConnection, time: int) -> None:
    """At three of these times something of the cluster dies as well."""
    if time == 1:
        replicas = conn.get_all_model_replicas(verbose=True)
        kill(next(int(r["pid"] or 0) for r in replicas if r["state"] == "ready"))
    if time == 2:
        kill(pid_of(conn, "query-0"))
    if time == 3:
        kill(pid_of(conn, "management"))


def more(look: Callable[[], Sized], before: int) -> bool:
    return len(look()) > before


@pytest.mark.slow
@pytest.mark.parametrize("names", ["one name", "new names"])
def test_a_stream_whose_consumer_is_killed_again_and_again(
    server: redis.Redis, redis_url: str, cluster: ClipperConnection, names: str
) -> None:
    """Under its old name it finds what it had at once; under another it waits until it may take it over."""
    ids = stream.add(server, "digits", [[float(i)] for i in range(MESSAGES)], room=MESSAGES)
    for time in range(KILLS + 1):
        name = "one" if names == "one name" else str(time)
        before = len(answers(server))
        with program("stream", cluster, redis=redis_url, stream="digits", name=name, claim_after_s="2.5"):
            if time < KILLS:
                wait_for("answers", partial(more, lambda: answers(server), before))
                assert server.xlen("digits"), "it should die in mid-stream"
                break_the_cluster(cluster, time)
            else:
                wait_for("all answers", lambda: not server.xlen("digits"))
    cluster.connect()
    assert sorted(answers(server)) == sorted(ids), "every message has its answer"
    assert {m: a["output"] for m, a in answers(server).items()} == {m: 2.0 * i for i, m in enumerate(ids)}
    assert {a["reason"] for a in answers(server).values()} == {""}
    pending: Any = server.xpending("digits", stream.GROUP)
    assert pending["pending"] == 0


@pytest.mark.slow
def test_a_database_whose_consumer_is_killed_again_and_again(
    db: psycopg.Connection, dsn: str, cluster: ClipperConnection
) -> None:
    insert(db, [[float(i)] for i in range(MESSAGES)])
    for time in range(KILLS + 1):
        before = len(predicted(db))
        with program("database", cluster, database=dsn):
            if time < KILLS:
                wait_for("answers", partial(more, lambda: predicted(db), before))
                assert left(db), "it should die in mid-stream"
                break_the_cluster(cluster, time)
            else:
                wait_for("all answers", lambda: not left(db))
    cluster.connect()
    assert predicted(db) == {i + 1: 2.0 * i for i in range(MESSAGES)}
    assert db.execute("SELECT DISTINCT reason FROM predictions").fetchall() == [("",)]


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_consumer_ends_when_told(
    server: redis.Redis, redis_url: str, cluster: ClipperConnection, told: signal.Signals
) -> None:
    stream.add(server, "digits", [[1.0]])
    with program("stream", cluster, redis=redis_url, stream="digits", name="one") as process:
        wait_for("the answer", lambda: answers(server))
        process.send_signal(told)
        assert process.wait(60) == -told


@pytest.mark.slow
@pytest.mark.usefixtures("redis_url", "dsn")
def test_servers_end_when_their_owner_is_killed() -> None:
    """The owner is a program that makes both and is then killed, as a kernel may be."""
    program = (
        "from clipperlab.lessons.live.servers import *\n"
        "servers = RedisServer(), PostgresServer()\n"
        "print(*(server.folder for server in servers), flush=True)\n"
        "input()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    folders = [Path(folder) for folder in owner.stdout.readline().split()]
    assert len(folders) == 2
    assert all(processes_in(folder) for folder in folders)
    owner.kill()
    owner.communicate()
    for folder in folders:
        wait_for(f"{folder} and what runs in it to be gone", partial(is_gone, folder))


def is_gone(folder: Path) -> bool:
    return not folder.exists() and not processes_in(folder)


def processes_in(folder: Path) -> list[psutil.Process]:
    every = psutil.process_iter(["cmdline"])
    return [process for process in every if str(folder) in " ".join(process.info["cmdline"] or [])]


@pytest.mark.slow
def test_a_consumer_of_rows_ends_when_its_database_is_gone(cluster: ClipperConnection) -> None:
    with parts.a_postgresql() as own, psycopg.connect(own.dsn, autocommit=True) as conn:
        conn.execute(database.SCHEMA.encode())
        insert(conn, [[1.0]])
        with program("database", cluster, database=own.dsn) as process:
            wait_for("the consumer", lambda: predicted(conn))
            own.close()
            _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"It is gone, and so am I" in said
    assert b"Traceback" not in said


@pytest.mark.slow
def test_a_consumer_ends_when_its_server_is_gone(cluster: ClipperConnection) -> None:
    with parts.a_redis() as own:
        there = redis.Redis.from_url(own.url)
        with program("stream", cluster, redis=own.url, stream="digits", name="one") as process:
            wait_for("the consumer", lambda: there.exists("digits"))
            there.close()
            own.close()
            _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"It is gone, and so am I" in said
    assert b"Traceback" not in said


# The check of the exercise, which kills what a learner wrote


def test_the_check_tells_who_loses_messages_from_who_does_not(server: redis.Redis) -> None:
    def too_early(server: Any, name: str, message: str, fields: dict[str, str], ask: Any) -> None:
        server.xack(name, stream.GROUP, message)
        server.hset(f"{name}:answers", message, ask(json.loads(fields["input"])))

    def never(server: Any, name: str, message: str, fields: dict[str, str], ask: Any) -> None:
        server.hset(f"{name}:answers", message, ask(json.loads(fields["input"])))

    def right(server: Any, name: str, message: str, fields: dict[str, str], ask: Any) -> None:
        never(server, name, message, fields, ask)
        server.xack(name, stream.GROUP, message)

    with pytest.raises(NotYet, match="Killed after 1 of its commands, it has lost the message"):
        survives(None, server, too_early)
    with pytest.raises(NotYet, match="still pending"):
        survives(None, server, never)
    with pytest.raises(NotYet, match="no answer under the message's id"):
        survives(None, server, lambda *_: None)
    survives(None, server, right)
