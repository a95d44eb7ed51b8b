"""gRPC for the benchmarks: a bare echo, and a closed loop of clients, each in a process of its own.

`python -m tests.tools.benchmarks.calls echo PORT`, and `load ADDRESS METHOD FILE CLIENTS SECONDS`, whose
clients send what is in the file, and which prints seconds, errors and the latencies in microseconds as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import uvloop

from clipperlab.load.latencies import Latencies
from tests.support.ports import free_port
from tests.support.waiting import wait_for

from .echo import listens
from .wrk import Measured

GRACE_S = 30
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


class _Echo(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """Answers every method with what it was sent."""

    def service(self, handler_call_details: Any) -> Any:
        async def answer(data: bytes, _context: Any) -> bytes:
            return data

        return grpc.unary_unary_rpc_method_handler(answer)


async def _serve(port: int) -> None:
    server = grpc.aio.server(handlers=[_Echo()], options=OPTIONS)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


@contextmanager
def echoing() -> Iterator[str]:
    """The address of a bare `grpc.aio` server that answers what it was sent, while it runs."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", __name__, "echo", str(port)])
    try:
        wait_for("the echo to listen", lambda: listens(port))
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def measure(request: bytes, address: str, method: str, *, clients: int, seconds: int) -> Measured:
    """So many clients, each on a connection of its own, send the request and wait for the answer."""
    with tempfile.NamedTemporaryFile(suffix=".request") as file:
        file.write(request)
        file.flush()
        command = [sys.executable, "-m", __name__, "load", address, method, file.name]
        done = subprocess.run(
            [*command, str(clients), str(seconds)],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + GRACE_S,
        )
    found = json.loads(done.stdout)
    micros, counts = np.unique(np.array(found["micros"], dtype=np.int64), return_counts=True)
    return Measured(
        seconds=found["seconds"],
        answers=int(counts.sum()),
        unanswered=found["errors"],
        refused=0,
        others=Counter(),
        latencies=Latencies(micros / 1e3, counts),
    )


async def _load(address: str, method: str, request: bytes, clients: int, seconds: float) -> dict[str, Any]:
    micros: list[int] = []
    errors = 0
    channels = [grpc.aio.insecure_channel(address, OPTIONS) for _ in range(clients)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    end = time.perf_counter() + seconds

    async def client(channel: grpc.aio.Channel) -> None:
        nonlocal errors
        call = channel.unary_unary(method)
        while (began := time.perf_counter()) < end:
            try:
                await call(request)
            except grpc.aio.AioRpcError:
                errors += 1
            else:
                micros.append(int((time.perf_counter() - began) * 1e6))

    began = time.perf_counter()
    await asyncio.gather(*map(client, channels))
    took_s = time.perf_counter() - began
    await asyncio.gather(*(channel.close() for channel in channels))
    return {"seconds": took_s, "errors": errors, "micros": micros}


def main(word: str, *arguments: str) -> None:
    if word == "echo":
        uvloop.run(_serve(int(arguments[0])))
        return
    address, method, file, clients, seconds = arguments
    request = Path(file).read_bytes()
    found = uvloop.run(_load(address, method, request, int(clients), float(seconds)))
    print(json.dumps(found))  # noqa: T201 - that is its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
