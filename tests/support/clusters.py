"""What tests of real clusters share: models to deploy, questions to ask, processes to kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import psutil

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.waiting import wait_for

Attach = Callable[[str], ClipperConnection]


def deploy_who(connection: ClipperConnection, app: str, model: str, num_replicas: int = 1) -> None:
    connection.register_application(app, "doubles", -1, 20_000_000)
    deploy_python_closure(connection, model, 1, "doubles", which_replica(), num_replicas=num_replicas)
    connection.link_model_to_app(app, model)


def which_replica() -> Callable[[list[Any]], list[str]]:
    """Made in a function, so that it is packaged by value: a container cannot import this module."""

    def replicas(inputs: list[Any]) -> list[str]:
        return [os.environ["CLIPPER_REPLICA"] for _ in inputs]

    replicas.__module__ = "__main__"
    return replicas


def constant(value: object) -> Callable[[list[Any]], list[object]]:
    def answer(inputs: list[Any]) -> list[object]:
        return [value for _ in inputs]

    answer.__module__ = "__main__"
    return answer


def ask(connection: ClipperConnection, app: str, body: Any, **options: Any) -> httpx2.Response:
    url = f"http://{connection.get_query_addr()}/{app}/predict"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    # Certificates are left alone, which take 50 ms to load and are for https.
    return httpx2.post(url, content=content, trust_env=False, verify=False, timeout=60, **options)


def output(connection: ClipperConnection, app: str = "app") -> Any:
    """The model's output; None where there is no answer, or a default one."""
    with suppress(httpx2.HTTPError):
        answer = ask(connection, app, {"input": [1.0]}).json()
        if not answer.get("default", True):
            return answer["output"]
    return None


@contextmanager
def asking(connection: ClipperConnection, app: str = "app") -> Iterator[list[Any]]:
    """A client that asks all the time, until the block ends: its outputs, None for a default one."""
    outputs: list[Any] = []
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            outputs.append(output(connection, app))

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield outputs
    finally:
        stop.set()
        thread.join()


def pid_of(connection: ClipperConnection, part: str) -> int:
    """Of a part of a cluster of processes: "management", "query-0", or "<model>.<version>.<replica>"."""
    folder = ProcessContainerManager(connection.cm.cluster_name).folder
    if part == "management":
        return int(json.loads((folder / "cluster.json").read_text())["pid"])
    return int(json.loads((folder / "processes" / f"{part}.json").read_text())["identity"]["pid"])


def start_management(
    connection: ClipperConnection, script: ModuleType, **environment: str
) -> subprocess.Popen[bytes]:
    """Where management is dead, one of the tests' own, which serves then: a script of tests/support.

    The caller ends it, and connects again for the real one.
    """
    folder = ProcessContainerManager(connection.cm.cluster_name).folder
    command = [sys.executable, str(script.__file__), "management", "process", "--folder", str(folder)]
    command += ["--query-port", "0", "--management-port", "0"]
    with Path(folder, "logs", "management.log").open("ab") as log:
        management = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=log
        )
    assert management.stdout is not None
    assert management.stdout.readline() == b"serving\n"
    management.stdout.close()
    connection.connect()
    return management


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    wait_for(f"process {pid} to be dead", lambda: not lives(process))


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
