"""Answers the messages of a Redis stream: `python -m clipperlab.lessons.live.stream --help`.

Consumers of one group share a stream. What one of them has read is *pending* until it is acknowledged, so a
message is out of sight while somebody works on it, and never lost: the answer is written in the transaction
that acknowledges it. What a dead consumer leaves is claimed by another after a while. So every message is
answered at least once; the answer lies under the message's id, where a second one replaces the first.

A consumer has at most `at_once` messages, and reads on when they are answered. So a slow model slows the
consumer, then the stream grows, and then `add` makes whoever fills it wait.

It may be killed at any time, and is built for it: where Redis goes away it ends, and whoever keeps it running
(systemd, Kubernetes, a person) starts it again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import httpx2
import redis
import redis.asyncio

from .asking import Asker, Unavailable
from .program import run

log = logging.getLogger(__name__)
Message = tuple[str, dict[str, str]]

GROUP = "predictions"
ROOM = 1000


def answers_of(stream: str) -> str:
    """The hash where the answers are: message id to JSON with `output`, `reason` and `query_id`."""
    return f"{stream}:answers"


def add(
    server: redis.Redis,
    stream: str,
    inputs: Iterable[object],
    *,
    room: int = ROOM,
    patience_s: float = 60.0,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Add a message for each input; their ids. Waits while `room` messages have no answer yet.

    With several who add at the same time, the stream may grow beyond `room` by one message for each of them.
    Raises TimeoutError where there is no room for `patience_s`; what was added until then stays.
    """
    ids: list[str] = []
    for each in inputs:
        give_up = now() + patience_s
        while server.xlen(stream) >= room:
            if now() > give_up:
                raise TimeoutError(
                    f"{room} messages of {stream} have had no answer for {patience_s:.0f} s, so there is no "
                    f"room for more: {len(ids)} were added. Does a consumer run?"
                )
            pause(0.01)
        ids.append(str(server.xadd(stream, {"input": json.dumps(each)})))
    return ids


class StreamConsumer:
    """Answers what it reads. `server` must decode responses; names in a group must differ."""

    def __init__(
        self,
        server: redis.asyncio.Redis,
        asker: Asker,
        stream: str,
        name: str,
        *,
        at_once: int = 16,
        claim_after_s: float = 10.0,
    ) -> None:
        self._redis = server
        self._asker = asker
        self._stream = stream
        self._name = name
        self._at_once = at_once
        self._claim_after_ms = int(1000 * claim_after_s)
        self._cursor = "0-0"

    async def run(self) -> None:
        """Answer for ever. Raises redis.RedisError."""
        await self.join()
        while True:
            await self.step()

    async def join(self) -> None:
        """Join the group, which begins with the stream."""
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # that is: it exists
                raise

    async def step(self, *, wait_s: float = 1.0) -> int:
        """Take messages, wait for one where there is none, and answer them; how many were answered."""
        messages = await self._mine() or await self._abandoned() or await self._new(wait_s)
        return sum(await asyncio.gather(*(self._answer(*message) for message in messages)))

    async def _mine(self) -> list[Message]:
        """What this consumer has read and not answered, now or before it was killed. Renews its claim."""
        return await self._read("0", None)

    async def _new(self, wait_s: float) -> list[Message]:
        return await self._read(">", int(1000 * wait_s))

    async def _read(self, after: str, wait_ms: int | None) -> list[Message]:
        found: Any = await self._redis.xreadgroup(
            GROUP, self._name, {self._stream: after}, count=self._at_once, block=wait_ms
        )
        streams = found.items() if isinstance(found, dict) else found or []
        return [message for _, messages in streams for message in messages]

    async def _abandoned(self) -> list[Message]:
        """What others have read and not answered for so long that they must be dead."""
        found: Any = await self._redis.xautoclaim(
            *(self._stream, GROUP, self._name, self._claim_after_ms),
            start_id=self._cursor,
            count=self._at_once,
        )
        self._cursor, messages = found[0], found[1]
        if messages:
            log.info("%s takes over %d messages", self._name, len(messages))
        return list(messages)

    async def _answer(self, message: str, fields: dict[str, str]) -> bool:
        try:
            answer = await self._asker.ask(json.loads(fields["input"]))
        except Unavailable as error:
            log.warning("%s keeps %s: %s", self._name, message, error)
            return False
        async with self._redis.pipeline(transaction=True) as both:
            both.hset(answers_of(self._stream), message, json.dumps(asdict(answer)))
            both.xack(self._stream, GROUP, message)
            both.xdel(self._stream, message)
            await both.execute()
        return True


async def consume(options: argparse.Namespace) -> None:
    async with (
        redis.asyncio.Redis.from_url(options.redis, decode_responses=True) as server,
        httpx2.AsyncClient(trust_env=False, verify=False) as http,
    ):
        consumer = StreamConsumer(
            *(server, Asker(options.ask, http), options.stream, options.name),
            at_once=options.at_once,
            claim_after_s=options.claim_after_s,
        )
        await consumer.run()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers the messages of a Redis stream.")
    parser.add_argument("--redis", required=True, help="redis://host:port, or unix:///path")
    parser.add_argument(
        "--ask", required=True, help="the application's address, http://host:port/app/predict"
    )
    parser.add_argument("--stream", required=True)
    parser.add_argument("--name", required=True, help="another one for each consumer")
    parser.add_argument("--at-once", type=int, default=16, help="how many messages it has at a time")
    parser.add_argument("--claim-after-s", type=float, default=10.0, help="when others count as dead")
    run(consume(parser.parse_args()), redis.ConnectionError)


if __name__ == "__main__":
    main()
