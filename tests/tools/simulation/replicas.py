"""Many replicas in one process: `python -m tests.tools.simulation.replicas FOLDER COUNT WORK_MS`.

Real: the wire, hellos, credits (two for each replica, however many frontends there are), draining by end of
connection. Fake: the model, which is a timer; one process for all, where each would be its own; no artifact.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from clipper_container import wire
from clipper_container.credits import Credits

MODEL, VERSION, TOKEN = "m", "1", "a token"
ANSWER = b"1.0"
DIAL_AT_ONCE = 50
DIAL_AGAIN_S = 0.05


class Link(asyncio.BufferedProtocol):
    """One connection of one replica to one frontend; the replica's end."""

    def __init__(self, replica: FakeReplica) -> None:
        self._replica = replica
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(wire.PREFIX.size))
        self._got = 0
        self._header: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.send(wire.Hello(wire.WIRE_VERSION, TOKEN, MODEL, VERSION, self._replica.name, 1))

    def send(self, message: object, body: Sequence[wire.Buffer] = ()) -> None:
        assert self._transport is not None
        self._transport.writelines(wire.frame(message, body))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._got :]

    def buffer_updated(self, nbytes: int) -> None:
        self._got += nbytes
        if self._got < len(self._buffer):
            return
        self._got = 0
        if self._header is None:
            self._header, body = wire.lengths(self._buffer)
            self._buffer = memoryview(bytearray(self._header + body))
            return
        content, size = self._buffer, self._header
        self._buffer, self._header = memoryview(bytearray(wire.PREFIX.size)), None
        self._replica.on_message(self, wire.to_container(content[:size]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._replica.credits.leave(self)


class FakeReplica:
    """Answers one batch after the other, each `work_s` after it began."""

    asked = 0  # of all of them, how often for a credit

    def __init__(self, name: str, work_s: float) -> None:
        self.name = name
        self.credits = Credits()
        self._work_s = work_s
        self._waiting: deque[tuple[Link, wire.Batch]] = deque()
        self._busy = False

    def on_message(self, link: Link, message: wire.ToContainer) -> None:
        match message:
            case wire.Welcome():
                link.send(wire.Ready([(1.0, self._work_s)]))
                self.credits.join(link)
            case wire.Batch():
                self.credits.spend(link)
                self._waiting.append((link, message))
                self._next()
            case wire.Backlog():
                FakeReplica.asked += 1
                self.credits.want(link)
            case wire.Yield():
                self.credits.give_back(link, message.credits)
            case wire.Refused():
                raise SystemExit(f"A frontend refused a replica: {message.message}")

    def _next(self) -> None:
        if self._waiting and not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_later(self._work_s, self._done)

    def _done(self) -> None:
        link, batch = self._waiting.popleft()
        self._busy = False
        credit = self.credits.finish(link)
        sizes = [len(ANSWER)] * batch.count
        link.send(wire.Reply(batch.id, self._work_s, credit, sizes, [], {}, None), [ANSWER * batch.count])
        self._next()


async def main(folder: Path, count: int, work_s: float) -> None:
    """Dial every socket in the folder with every replica, and serve until killed.

    Tells on SIGUSR1 how often frontends asked for a credit.
    """

    def tell() -> None:
        sys.stdout.write(f"{FakeReplica.asked}\n")
        sys.stdout.flush()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    replicas = [FakeReplica(str(i), work_s) for i in range(count)]
    sockets = sorted(folder.glob("*.sock"))
    # Each in an order of its own, as real ones do: whoever is dialled first has a replica's first credits.
    wanted = [(replica, path) for replica in replicas for path in random.sample(sockets, len(sockets))]
    for i in range(0, len(wanted), DIAL_AT_ONCE):
        await asyncio.gather(*(_dial(replica, path) for replica, path in wanted[i : i + DIAL_AT_ONCE]))
    await asyncio.Event().wait()


async def _dial(replica: FakeReplica, path: Path) -> None:
    while True:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: Link(replica), str(path))
        except BlockingIOError:  # too many at once
            await asyncio.sleep(DIAL_AGAIN_S)
        else:
            return


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
