"""Answers the rows of a PostgreSQL table as they change: `python -m clipperlab.lessons.live.database --help`.

A trigger writes each change of a picture into an *outbox*, in the transaction that makes the change: so there
is an entry for every change that took place, and none for one that was rolled back. NOTIFY is only the bell:
it wakes the consumers up, and what it says is in the outbox. A bell that nobody hears costs a second, no row.

A consumer locks the entries that it takes. It writes the answers and removes the entries in one transaction;
where it is killed, PostgreSQL undoes the transaction, and the entries are there for the next. So each change
is asked at least once, and answered once. `SKIP LOCKED` lets consumers work beside each other. As two may
have changes of the same picture, an answer never replaces that of a later change.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import dataclass

import httpx2
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from .asking import Answer, Asker, Unavailable
from .program import run

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE pictures (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    pixels double precision[] NOT NULL
);
CREATE TABLE outbox (
    change bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    picture bigint NOT NULL,
    pixels double precision[] NOT NULL
);
CREATE TABLE predictions (
    picture bigint PRIMARY KEY,
    change bigint NOT NULL,
    output jsonb,
    reason text NOT NULL,
    query_id bigint
);
CREATE FUNCTION picture_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (picture, pixels) VALUES (NEW.id, NEW.pixels);
    NOTIFY outbox;
    RETURN NULL;
END $$;
CREATE TRIGGER picture_changed AFTER INSERT OR UPDATE OF pixels ON pictures
    FOR EACH ROW EXECUTE FUNCTION picture_changed();
"""

TAKE = "SELECT change, picture, pixels FROM outbox ORDER BY change LIMIT %s FOR UPDATE SKIP LOCKED"
WRITE = """
INSERT INTO predictions (picture, change, output, reason, query_id) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (picture) DO UPDATE SET
    (change, output, reason, query_id)
    = (EXCLUDED.change, EXCLUDED.output, EXCLUDED.reason, EXCLUDED.query_id)
WHERE predictions.change < EXCLUDED.change
"""
REMOVE = "DELETE FROM outbox WHERE change = ANY(%s)"


@dataclass(frozen=True)
class Change:
    """An entry of the outbox."""

    change: int
    picture: int
    pixels: list[float]


class DatabaseConsumer:
    """Answers what is in the outbox. `conn` must be in autocommit mode, and belongs to the consumer."""

    def __init__(self, conn: psycopg.AsyncConnection, asker: Asker, *, at_once: int = 16) -> None:
        self._conn = conn
        self._asker = asker
        self._at_once = at_once

    async def run(self, *, look_every_s: float = 1.0) -> None:
        """Answer for ever; look without a bell now and then. Raises psycopg.Error."""
        await self._conn.execute("LISTEN outbox")
        while True:
            if not await self.step():
                await self._wait_for_the_bell(look_every_s)

    async def step(self) -> int:
        """Answer up to `at_once` changes, the oldest first, without waiting for one; how many it were."""
        async with self._conn.transaction(), self._conn.cursor(row_factory=class_row(Change)) as cursor:
            changes = await (await cursor.execute(TAKE, [self._at_once])).fetchall()
            answers = await asyncio.gather(*(self._ask(change) for change in changes))
            answered = [(c, a) for c, a in zip(changes, answers, strict=True) if a is not None]
            rows = [(c.picture, c.change, Jsonb(a.output), a.reason, a.query_id) for c, a in answered]
            await cursor.executemany(WRITE, rows)
            await cursor.execute(REMOVE, [[c.change for c, _ in answered]])
        return len(answered)

    async def _ask(self, change: Change) -> Answer | None:
        try:
            return await self._asker.ask(change.pixels)
        except Unavailable as error:
            log.warning("change %d stays in the outbox: %s", change.change, error)
            return None

    async def _wait_for_the_bell(self, at_most_s: float) -> None:
        async for _ in self._conn.notifies(timeout=at_most_s, stop_after=1):
            pass


async def consume(options: argparse.Namespace) -> None:
    conn = await psycopg.AsyncConnection.connect(options.database, autocommit=True)
    async with conn, httpx2.AsyncClient(trust_env=False, verify=False) as http:
        await DatabaseConsumer(conn, Asker(options.ask, http), at_once=options.at_once).run()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers the rows of a PostgreSQL table as they change.")
    parser.add_argument("--database", required=True, help="how to connect: host=... dbname=... user=...")
    parser.add_argument(
        "--ask", required=True, help="the application's address, http://host:port/app/predict"
    )
    parser.add_argument("--at-once", type=int, default=16, help="how many changes it has at a time")
    run(consume(parser.parse_args()), psycopg.OperationalError)


if __name__ == "__main__":
    main()
