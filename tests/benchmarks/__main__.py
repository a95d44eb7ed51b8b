"""`make benchmarks`: the query path against a bare uvicorn echo, in one run, on this machine.

Rounds of both take turns, and the medians are compared. Prints a table, and writes benchmarks.json.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure

from ..home import own_home
from ..waiting import wait_for
from .wrk import Measured, measure, write

BODY = '{"input": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]}'
CONNECTIONS = (1, 8, 32, 128)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="for each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with own_home() as home, echo() as echo_url:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        conn = noop_cluster()
        ours_url = f"http://{conn.get_query_addr()}/noop/predict"
        rows = [compare(echo_url, ours_url, c, options.seconds, options.rounds) for c in CONNECTIONS]
        defaults = httpx2.get(f"http://{conn.get_query_addr()}/metrics", trust_env=False).json()
    table = Table(
        "connections", "echo /s", "ours /s", "ratio", "echo p50", "ours p50", "ratio", "ours p99", "errors"
    )
    for row in rows:
        bare, ours = row["echo"], row["ours"]
        table.add_row(
            str(row["connections"]),
            f"{bare['rate']:,.0f}",
            f"{ours['rate']:,.0f}",
            f"{ours['rate'] / bare['rate']:.2f}",
            f"{bare['p50_ms']:.2f} ms",
            f"{ours['p50_ms']:.2f} ms",
            f"{ours['p50_ms'] / bare['p50_ms']:.1f}",
            f"{ours['p99_ms']:.2f} ms",
            str(ours["errors"]),
        )
    console = Console()
    console.print("noop: the sum of 10 doubles, over REST, one query frontend, one replica")
    console.print(table)
    console.print("default answers:", defaults["applications"][0]["defaults"] or "none")
    write(Path("benchmarks.json"), {"noop": rows, "report": defaults})


def noop_cluster() -> ClipperConnection:
    conn = ClipperConnection(ProcessContainerManager("noop", clipper_query_port=0, clipper_management_port=0))
    conn.start_clipper()
    conn.register_application("noop", "doubles", -1, 1_000_000)
    deploy_python_closure(conn, "noop", 1, "doubles", summing())
    conn.link_model_to_app("noop", "noop")
    return conn


def summing() -> Callable[[list[Any]], list[float]]:
    def sums(inputs: list[Any]) -> list[float]:
        return [float(values.sum()) for values in inputs]

    return sums


@contextmanager
def echo() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "tests.benchmarks.echo:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"]
    server = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        wait_for("the echo to listen", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


def compare(echo_url: str, ours_url: str, connections: int, seconds: int, rounds: int) -> dict[str, Any]:
    """The medians of both at so many connections, and all that was measured."""
    measured: dict[str, list[Measured]] = {"echo": [], "ours": []}
    for _ in range(rounds):
        for name, url in (("echo", echo_url), ("ours", ours_url)):
            measured[name].append(measure(url, BODY, connections=connections, seconds=seconds))
    medians = {
        name: {key: statistics.median(asdict(m)[key] for m in all_of_it) for key in asdict(all_of_it[0])}
        for name, all_of_it in measured.items()
    }
    every = {name: [asdict(m) for m in all_of_it] for name, all_of_it in measured.items()}
    return {"connections": connections, **medians, "rounds": every}


if __name__ == "__main__":
    main()
