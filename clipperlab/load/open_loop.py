"""An open loop of HTTP clients, who do not wait for each other: `python -m clipperlab.load.open_loop`.

It sends at the times of a schedule, and a latency counts from the time at which a request was to be sent,
also where it could not be because all connections were taken: what a slow server does to those who come
next is part of what is measured. Reads the bodies to send in turn from stdin, one a line; prints JSON.

Bounded by the schedule, by the number of connections, and by `DRAIN_S` after the schedule's end. With
`--attended` an empty line ends the bodies, a line of JSON tells every half second how it goes, and the end of
stdin ends the load: whoever started it may die at any time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import numpy as np
import uvloop

from .answers import LOST, MODEL, Answers
from .http_client import Connection
from .http_request import post
from .latencies import Latencies
from .plain import finite
from .schedule import ARRIVALS, Phase, arrivals

HOST = "127.0.0.1"
DRAIN_S = 10.0
LEAD_S = 0.2  # to open the connections
TIMER_S = 1e-4  # what is due within so long goes together: each timer costs
RETRY_S = 0.05  # for a server that refuses connections
TELL_EVERY_S = 0.5
UNUSED_S = 2.0  # less than any server keeps a connection that nobody uses


class Load:
    """All requests of one schedule. `begins` is on the clock of time.monotonic()."""

    def __init__(
        self,
        url: str,
        bodies: Sequence[bytes],
        times: Sequence[float],
        *,
        connections: int,
        headers: Mapping[str, str] | None = None,
        listened: bool = False,
    ) -> None:
        self._listened = listened
        self._idle: list[Connection] = []
        self.answers = Answers(len(times))
        self.begins = time.monotonic() + LEAD_S
        self.done = asyncio.Event()
        self._requests = [post(url, body, headers) for body in bodies]
        self._times = times
        self._next = 0
        self._missing = len(times)
        self._told: list[tuple[str, float]] = []  # kind and milliseconds of what was answered since
        self._port = urlsplit(url).port or 80
        self._room = connections
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._room):
            self._open()
        # uvloop's timers go by milliseconds, which is long where an answer takes one.
        loop.add_signal_handler(signal.SIGALRM, self._pump)
        self._pump()
        self._trim()
        try:
            async with asyncio.timeout(self.begins - time.monotonic() + self._times[-1] + DRAIN_S):
                await self.done.wait()
        except TimeoutError:
            pass  # what is not there by now counts as never answered
        finally:
            self._trimming.cancel()
            signal.setitimer(signal.ITIMER_REAL, 0)
            loop.remove_signal_handler(signal.SIGALRM)

    def stop(self) -> None:
        """Send no more. What is under way has as long as at the schedule's end."""
        self._missing -= len(self._times) - self._next
        self._times = self._times[: self._next]
        if self._missing:
            asyncio.get_running_loop().call_later(DRAIN_S, self.done.set)
        else:
            self.done.set()

    @property
    def sent(self) -> int:
        return self._next

    async def tell(self) -> None:
        """Print how it goes, until cancelled. Without a listener nothing would be told."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            now = loop.time()
            told, self._told = self._told, []
            latencies = Latencies.of([ms for _, ms in told])
            kinds = {kind: sum(k == kind for k, _ in told) / (now - before) for kind in {k for k, _ in told}}
            percentiles = {f"p{percent}_ms": latencies.percentile(percent) for percent in (50, 95, 99)}
            at_s = time.monotonic() - self.begins
            line = {"at_s": at_s, "sent": self._next, "answers": kinds, **percentiles}
            print(json.dumps(finite(line)), flush=True)  # noqa: T201 - that is what it is for
            before = now

    def _open(self) -> None:
        self._room -= 1
        opening = asyncio.get_running_loop().create_task(self._connect())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), HOST, self._port)
        except OSError:
            await asyncio.sleep(RETRY_S)
            self._room += 1
        self._pump()

    def _pump(self) -> None:
        """Send what is due, and be called again when the next one is."""
        now = time.monotonic() - self.begins
        while self._next < len(self._times) and (wait_s := self._times[self._next] - now) <= 0:
            if not self._idle:
                if self._room:
                    self._open()
                return  # the next answer, or the new connection, goes on from here
            number, self._next = self._next, self._next + 1
            self.answers.sent(number, now)
            self._idle.pop().send(number, self._requests[number % len(self._requests)])
        if self._next < len(self._times):
            signal.setitimer(signal.ITIMER_REAL, max(wait_s, TIMER_S))

    def free(self, connection: Connection) -> None:
        # The last one to answer is the next to be asked: those at the beginning are longest unused.
        connection.free_since = time.monotonic()
        self._idle.append(connection)

    def _trim(self) -> None:
        """Close what is unused for long, again and again: a server would do it, perhaps as we ask."""
        now = time.monotonic()
        while self._idle and now - self._idle[0].free_since > UNUSED_S:
            self._idle.pop(0).close()
        self._trimming = asyncio.get_running_loop().call_later(UNUSED_S / 4, self._trim)

    def answered(self, number: int, status: int, body: bytes) -> None:
        self._settle(number, _kind(status, body))

    def lost(self, connection: Connection, number: int) -> None:
        self._room += 1
        if number >= 0:
            self._settle(number, LOST)
            return
        if connection in self._idle:
            self._idle.remove(connection)
        self._pump()  # somebody may have waited for it

    def _settle(self, number: int, kind: str) -> None:
        now = time.monotonic() - self.begins
        self.answers.settle(number, now, kind)
        if self._listened:
            self._told.append((kind, 1e3 * (now - self._times[number])))
        self._missing -= 1
        if not self._missing:
            self.done.set()
        elif self._next < len(self._times) and self._times[self._next] <= now:
            self._pump()  # somebody waited for a connection


def _kind(status: int, body: bytes) -> str:
    if status != 200:
        return f"status {status}"
    if b'"default":true' not in body:
        return MODEL
    return body.partition(b'"default_reason":"')[2].partition(b'"')[0].decode() or "unsaid"


def _bodies(attended: bool) -> list[bytes]:
    if not attended:
        return sys.stdin.buffer.read().splitlines()
    return list(iter(lambda: sys.stdin.buffer.readline().strip(), b""))


async def _attend(load: Load) -> None:
    """Stop when stdin ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    load.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clipperlab.load.open_loop", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("phase", nargs="+", type=Phase.read, help="requests a second, and seconds: 3000:20")
    parser.add_argument("--objective-ms", type=float, required=True)
    parser.add_argument("--connections", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--arrivals", choices=ARRIVALS, default="poisson")
    parser.add_argument("--no-cache", action="store_true", help="ask for answers that are computed")
    parser.add_argument("--attended", action="store_true", help="tell how it goes, until stdin ends")
    options = parser.parse_args()
    if urlsplit(options.url).hostname != HOST:
        parser.error(f"it is for servers on this machine, at {HOST}")
    times, phases = arrivals(options.phase, seed=options.seed, kind=options.arrivals)

    async def load() -> Load:
        load = Load(
            *(options.url, _bodies(options.attended), times.tolist()),
            connections=options.connections,
            headers={"Cache-Control": "no-cache"} if options.no_cache else None,
            listened=options.attended,
        )
        loop = asyncio.get_running_loop()
        beside = (
            [loop.create_task(beside) for beside in (load.tell(), _attend(load))] if options.attended else []
        )
        try:
            await load.run()
        finally:
            for task in beside:
                task.cancel()
        return load

    done = uvloop.run(load())
    used = resource.getrusage(resource.RUSAGE_SELF)
    sent = np.arange(len(times)) < done.sent
    result = {
        "begins": done.begins,
        "phases": [
            {
                "rate": phase.rate,
                "seconds": phase.seconds,
                **done.answers.summary(times, (phases == i) & sent, phase.seconds, options.objective_ms),
            }
            for i, phase in enumerate(options.phase)
        ],
        "windows": done.answers.windows(times, options.objective_ms),
        "generator": {"cpu_s": used.ru_utime + used.ru_stime, **done.answers.lag(times[sent], done.sent)},
    }
    print(json.dumps(finite(result)))  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
