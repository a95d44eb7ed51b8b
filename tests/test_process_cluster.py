"""Clusters of processes: who meddles with their folder, their sockets and their memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from clipper_container import wire
from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure

from .clusters import constant, deploy_who, output
from .waiting import wait_for


def test_a_second_management_on_one_folder_is_refused(conn: ClipperConnection) -> None:
    folder = ProcessContainerManager("shared").folder
    command = [sys.executable, "-m", "clipper_server", "management", "process", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "Another management frontend runs in" in done.stderr


def hello(**changes: Any) -> wire.Hello:
    fields = {
        "wire": wire.WIRE_VERSION,
        "token": "t",
        "model": "who",
        "version": "1",
        "replica": "9",
        "pid": 1,
    }
    return wire.Hello(**{**fields, **changes})


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        (hello(wire=99), "speaks wire version 99"),
        (hello(), "its token is not the one for who:1"),
        (hello(model="nobody"), "nobody:1 is not deployed"),
    ],
)
def test_a_replica_that_does_not_belong_is_refused_in_words_on_both_sides(
    conn: ClipperConnection, greeting: wire.Hello, answer: str
) -> None:
    if conn.get_model_info("who", 1) is None:
        deploy_python_closure(conn, "who", 1, "doubles", constant(1))
    folder = ProcessContainerManager("shared").folder
    with socket.socket(socket.AF_UNIX) as replica:
        replica.settimeout(10)
        replica.connect(str(folder / "sockets" / "0.sock"))
        replica.sendall(b"".join(wire.frame(greeting)))
        received = b""
        while chunk := replica.recv(4096):
            received += chunk
    size, _ = wire.lengths(received[: wire.PREFIX.size])
    refused = wire.to_container(received[wire.PREFIX.size :][:size])
    assert isinstance(refused, wire.Refused)
    assert answer in refused.message
    log = folder / "logs" / "query-0.log"
    wait_for("the refusal in the frontend's log", lambda: answer in log.read_text())


@pytest.mark.parametrize(
    "garbage", [b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\x05\0\0\0\0\0\0\0\xc1\xc1\xc1\xc1\xc1"]
)
def test_garbage_from_a_would_be_replica_harms_nobody(conn: ClipperConnection, garbage: bytes) -> None:
    if "whole" not in conn.get_all_apps():
        deploy_who(conn, "whole", "whole")
    folder = ProcessContainerManager("shared").folder
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(10)
        stranger.connect(str(folder / "sockets" / "0.sock"))
        stranger.sendall(garbage)
        with suppress(ConnectionResetError):
            assert stranger.recv(100) == b""
    assert output(conn, "whole")


def test_no_secret_is_in_the_process_list_and_the_folder_is_private(conn: ClipperConnection) -> None:
    folder: Path = ProcessContainerManager("shared").folder
    record = json.loads((folder / "cluster.json").read_text())
    assert folder.stat().st_mode & 0o077 == 0
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not any(record["token"] in command for command in commands)
    assert not any(record["token"] in log.read_text() for log in (folder / "logs").glob("*.log"))


def test_a_replica_that_is_told_to_end_while_it_loads_ends() -> None:
    """SIGTERM reaches the process itself here: a container manager does the same."""
    environment = {
        **os.environ,
        "CLIPPER_MODEL_NAME": "m",
        "CLIPPER_MODEL_VERSION": "1",
        "CLIPPER_REPLICA": "0",
        "CLIPPER_FRONTENDS": "/nowhere/*.sock",
        "CLIPPER_ARTIFACT": "http://127.0.0.1:9/sha256:0",
        "CLIPPER_TOKEN": "t",
        "CLIPPER_MAX_BATCH": "1",
        "CLIPPER_LAST_WORDS": os.devnull,
    }
    with socket.socket() as management:  # takes the connection, and never answers
        management.bind(("127.0.0.1", 0))
        management.listen()
        port = management.getsockname()[1]
        environment["CLIPPER_ARTIFACT"] = f"http://127.0.0.1:{port}/sha256:0"
        replica = subprocess.Popen([sys.executable, "-m", "clipper_container"], env=environment)
        try:
            management.settimeout(20)
            taken, _ = management.accept()
            with taken:
                taken.recv(1)
                replica.send_signal(signal.SIGTERM)
                assert replica.wait(10) == 0
        finally:
            replica.kill()
            replica.wait()
