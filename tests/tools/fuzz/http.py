"""Sends random requests to a query port, and looks at every answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.home import own_home

from .requests import KINDS, ROW, SET, Sent, request

CONNECTIONS = 16  # at once
PIPELINED = (1, 1, 2, 8)
HANG_S = 60.0  # for an answer that must come
QUIET_S = 0.02  # for one that may come
NEIGHBOUR_RATE = 20  # a second
OBJECTIVE_MICROS = 20_000_000
MODELS = ("doubles", "json", "dataframe", "named")  # have models; all others answer their default output


@dataclass
class Seen:
    """What came of it. `statuses` counts answers, `faults` holds what must not be."""

    sent: int = 0
    connections: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)  # of gRPC
    faults: list[str] = field(default_factory=list)
    neighbour: Counter[str] = field(default_factory=Counter)
    worst_ms: float = 0.0  # that the neighbour waited

    def __str__(self) -> str:
        counts = (*sorted(self.statuses.items()), *sorted(self.codes.items()))
        return (
            f"{self.sent:,} requests on {self.connections:,} connections: "
            f"{', '.join(f'{count:,} x {status}' for status, count in counts)}. "
            f"The neighbour saw {dict(self.neighbour)}, the worst after {self.worst_ms:.0f} ms. "
            f"{len(self.faults)} faults"
        )


def run(count: int, seed: int) -> str:
    """So many, to a cluster of their own. Raises AssertionError where something came of it."""
    return on_own_cluster(lambda conn: fuzz(conn, count, seed, tell), seed)


def on_own_cluster(fuzz: Callable[[ClipperConnection], Seen], seed: int) -> str:
    """What `fuzz` saw. Raises AssertionError where something came of it."""
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        ports = {"clipper_query_port": 0, "clipper_management_port": 0}
        conn = ClipperConnection(ProcessContainerManager("fuzz", **ports))
        try:
            conn.start_clipper(fresh=True)
            seen = fuzz(conn)
        finally:
            conn.stop_all(purge=True)
    if seen.faults:
        raise AssertionError("\n".join([f"seed {seed}: {seen}", *seen.faults[:20]]))
    return str(seen)


def tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def fuzz(
    conn: ClipperConnection,
    count: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    make: Callable[[Random], Sent] = request,
    address: str | None = None,
) -> Seen:
    """`count` requests to applications that are made for it, and the neighbour's beside them.

    `make` makes them, for the port at `address`; by default for that for queries.
    """
    prepare(conn)
    host, _, port = (address or conn.get_query_addr()).partition(":")
    before = [(f["id"], f["pid"]) for f in conn.status()["frontends"]]
    seen = Seen()
    begun = time.monotonic()
    load = conn.load("neighbour", rate=NEIGHBOUR_RATE, seconds=3600, inputs=[[1.0, 2.0]])
    try:
        asyncio.run(
            _all(
                host,
                int(port),
                count,
                seed,
                make,
                seen,
                lambda: say(f"{time.monotonic() - begun:.0f} s: {seen}"),
            )
        )
    except KeyboardInterrupt:
        pass  # enough: tell what was seen
    finally:
        load.stop()
    result = load.result()
    seen.neighbour.update(result["answers"])
    seen.worst_ms = result["max_ms"] or 0.0
    if set(seen.neighbour) - {"model"} or not seen.neighbour:
        seen.faults.append(f"the neighbour had other answers: {dict(seen.neighbour)}")
    if (after := [(f["id"], f["pid"]) for f in conn.status()["frontends"]]) != before:
        seen.faults.append(f"the query frontends are others: {before}, then {after}")
    return seen


def prepare(conn: ClipperConnection) -> None:
    """Applications, unless they are there."""
    if "neighbour" in conn.get_all_apps():
        return
    for name, kind in {**dict(zip(KINDS, KINDS, strict=True)), "neighbour": "doubles"}.items():
        conn.register_application(name, kind, -1, OBJECTIVE_MICROS)
        if name in (*MODELS, "neighbour"):
            example = {"dataframe": ROW, "named": SET}.get(kind)
            deploy_python_closure(conn, name, 1, kind, _lengths(), example_input=example)
            conn.link_model_to_app(name, name)


def _lengths() -> Callable[[Any], Any]:
    def lengths(inputs: Any) -> Any:
        if isinstance(inputs, dict):
            return {"size": [len(each) for each in inputs["t"]], "first": inputs["a"][:, :1]}
        inputs = inputs.to_dict("records") if hasattr(inputs, "to_dict") else inputs
        return [len(each) if hasattr(each, "__len__") else -1 for each in inputs]

    lengths.__module__ = "__main__"  # packaged by value: a replica cannot import this module
    return lengths


async def _all(
    host: str,
    port: int,
    count: int,
    seed: int,
    make: Callable[[Random], Sent],
    seen: Seen,
    told: Callable[[], None],
) -> None:
    random = Random(seed)

    async def client() -> None:
        while seen.sent < count:
            several = _several(random, make)
            if seen.sent // 10_000 != (seen.sent + len(several)) // 10_000:
                told()
            seen.sent += len(several)
            seen.connections += 1
            try:
                await _ask(host, port, several, seen)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if all(each.framed for each in several):
                    seen.faults.append(f"{error!r} after {several!r:.2000}")
            except TimeoutError:
                seen.faults.append(f"no answer to {several!r:.2000}")

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def _several(random: Random, make: Callable[[Random], Sent]) -> list[Sent]:
    """Requests for one connection. Behind one without a good frame nothing would be read."""
    found = [make(random)]
    for _ in range(random.choice(PIPELINED) - 1):
        if found[-1].framed:
            found.append(make(random))
    return found


async def _ask(host: str, port: int, several: list[Sent], seen: Seen) -> None:
    """All on one connection, one behind the other."""
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    try:
        writer.write(b"".join(each.data for each in several))
        for each in several:
            try:
                async with asyncio.timeout(HANG_S if each.framed else QUIET_S):
                    status, goes_on = await _answer(reader, each.method)
            except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                if each.framed:
                    raise
                return  # who knows what it was
            seen.statuses[status] += 1
            if status >= 500 and status != 501:  # which says that there is no such thing here
                seen.faults.append(f"{status} to {each!r:.2000}")
            if not each.framed or not goes_on:
                return
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[int, bool]:
    """The status of the next answer, and whether others may follow."""
    status = 100
    while status == 100:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    goes_on = headers.get("connection") != "close"
    if method == "HEAD" or status == 204:
        return status, goes_on
    body = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
    if headers.get("content-type") == "application/json":
        json.loads(body)
    return status, goes_on
