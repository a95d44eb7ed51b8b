"""The clients of a drill: a constant load, on a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, deque
from contextlib import suppress
from urllib.parse import urlsplit

from clipperlab.load.http_client import Connection
from clipperlab.load.http_request import post

CONNECTIONS = 640  # three seconds of queries, should the clients themselves be held up
LATE_S = 5.0  # for the last answers


class Load:
    """`rate` queries a second. `seen` counts outcomes by step, `worst_s` is the longest wait in each."""

    def __init__(self, url: str, rate: float, connections: int = CONNECTIONS) -> None:
        self.step = "before"
        self.sent: Counter[str] = Counter()
        self.seen: dict[str, Counter[str]] = {}
        self.versions: dict[str, Counter[int]] = {}
        self.worst_s: dict[str, float] = {}
        self.rate = rate
        self._connections = connections
        self._parts = urlsplit(url)
        self._request = post(url, b'{"input": [1.0]}')
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._of: dict[int, tuple[str, float]] = {}  # in which step a request was sent, and when
        self._stopping = False
        self._open = 0
        self._all_answered = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._top_up()
        await asyncio.gather(*self._tasks)
        began = loop.time()
        number = 0
        while not self._stopping:
            await asyncio.sleep(max(0.0, began + number / self.rate - loop.time()))
            self._top_up()
            self.sent[self.step] += 1
            if self._idle:
                self._of[number] = self.step, loop.time()
                # Each in its turn: a server closes one that is not used for long, maybe as it is asked.
                self._idle.popleft().send(number, self._request)
            else:
                self._note(self.step, "no connection")
            number += 1
        self._all_answered.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), LATE_S if self._of else 0)
        for step, _ in self._of.values():
            self.seen.setdefault(step, Counter())["never answered"] += 1
        self._of.clear()
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)  # the transports' own last turn

    def _top_up(self) -> None:
        while self._open < self._connections:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        try:
            host, port = str(self._parts.hostname), int(self._parts.port or 80)
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), host, port)
        except OSError:
            self._open -= 1

    def free(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._all.add(connection)

    def answered(self, number: int, status: int, body: bytes) -> None:
        step, sent_at = self._of.pop(number)
        waited_s = asyncio.get_running_loop().time() - sent_at
        self.worst_s[step] = max(waited_s, self.worst_s.get(step, 0.0))
        if status != 200:
            self._note(step, f"HTTP {status}")
            return
        answer = json.loads(body)
        if answer["default"]:
            self._note(step, f"default: {answer['default_reason']}")
        else:
            self._note(step, "answered")
            self.versions.setdefault(step, Counter())[answer["output"]] += 1

    def lost(self, connection: Connection, number: int) -> None:
        self._open -= 1
        self._all.discard(connection)
        if number in self._of:
            self._note(self._of.pop(number)[0], "lost in flight")
        elif connection in self._idle:
            self._idle.remove(connection)

    def _note(self, step: str, outcome: str) -> None:
        self.seen.setdefault(step, Counter())[outcome] += 1
        if self._stopping and not self._of:
            self._all_answered.set()
