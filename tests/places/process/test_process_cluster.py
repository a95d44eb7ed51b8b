"""Clusters of processes: who meddles with their folder, their sockets and their memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import warnings
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from clipper_container import wire
from clipperlab import ClipperConnection, ClusterError, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import ask, constant, deploy_who, output
from tests.support.ports import free_port
from tests.support.waiting import wait_for


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
        replica.settimeout(60)
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
        stranger.settimeout(60)
        stranger.connect(str(folder / "sockets" / "0.sock"))
        stranger.sendall(garbage)
        with suppress(ConnectionResetError):
            assert stranger.recv(100) == b""
    assert output(conn, "whole")


def test_no_secret_is_in_the_process_list_and_the_folder_is_private(conn: ClipperConnection) -> None:
    folder: Path = ProcessContainerManager("shared").folder
    record = json.loads((folder / "cluster.json").read_text())
    deploy_python_closure(conn, "private", 1, "doubles", writes_a_file())
    conn.register_application("private", "doubles", -1, 20_000_000)
    conn.link_model_to_app("private", "private")
    assert output(conn, "private") == "it was written"
    mine = [folder, *folder.rglob("*")]  # also what query frontends and models write
    assert [path for path in mine if mode(path) & 0o077] == []
    commands = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not any(record["token"] in command for command in commands)
    assert not any(record["token"] in log.read_text() for log in (folder / "logs").glob("*.log"))


def mode(path: Path) -> int:
    """Who may do what with it; nobody anything with a link, nor with what is gone by now."""
    with suppress(FileNotFoundError):
        return 0 if path.is_symlink() else path.stat().st_mode
    return 0


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
            management.settimeout(60)
            taken, _ = management.accept()
            with taken:
                taken.recv(1)
                replica.send_signal(signal.SIGTERM)
                assert replica.wait(60) == 0
        finally:
            replica.kill()
            replica.wait()


# Garbage on the wire


@pytest.mark.parametrize(
    "garbage",
    [
        "sizes",
        pytest.param("another id", marks=pytest.mark.slow),
        pytest.param("bytes", marks=pytest.mark.slow),
    ],
)
def test_a_replica_that_answers_garbage_is_left_and_its_queries_go_to_another(
    cluster: ClipperConnection, garbage: str
) -> None:
    """The test plays a second replica of the version, with the version's own credential."""
    cluster.register_application("m", "doubles", -1, 5_000_000)
    deploy_python_closure(cluster, "m", 1, "doubles", constant(1), batching="off")
    cluster.link_model_to_app("m", "m")
    impostor = Impostor(cluster)
    try:
        impostor.serve(garbage)
        good = [ask(cluster, "m", {"input": [1]}).json() for _ in range(6)]
        assert [answer for answer in good if answer["default"]] == []
        assert impostor.answered == 1
    finally:
        impostor.close()


def writes_a_file() -> Any:
    def write(inputs: list[Any]) -> list[str]:
        with open("a-file", "w") as file:  # noqa: PTH123
            file.write("x")
        return ["it was written" for _ in inputs]

    write.__module__ = "__main__"
    return write


class Impostor:
    """A replica that knows its manners until it is asked something."""

    def __init__(self, cluster: ClipperConnection) -> None:
        self.answered = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        folder = ProcessContainerManager(cluster.cm.cluster_name).folder
        self._socket.connect(str(folder / "sockets" / "0.sock"))
        self._send(wire.Hello(wire.WIRE_VERSION, _credential(cluster), "m", "1", "99", 1))
        assert isinstance(self._receive(), wire.Welcome)
        self._send(wire.Ready([]))
        self._send(wire.Credit(2))
        self._thread = threading.Thread(target=self._run)

    def serve(self, garbage: str) -> None:
        self._garbage = garbage
        self._thread.start()

    def _run(self) -> None:
        message = self._receive()
        assert isinstance(message, wire.Batch)
        self.answered += 1
        if self._garbage == "sizes":
            self._send(wire.Reply(message.id, 0.0, 1, [1, 2, 3], [], {}, None), [b"123456"])
        elif self._garbage == "another id":
            self._send(wire.Reply(message.id + 7, 0.0, 1, [1], [], {}, None), [b"1"])
        else:
            self._socket.sendall(os.urandom(1000))

    def _send(self, message: object, body: list[wire.Buffer] | None = None) -> None:
        self._socket.sendall(b"".join(wire.frame(message, body or [])))

    def _receive(self) -> wire.ToContainer:
        while True:
            header, body = wire.lengths(self._read(wire.PREFIX.size))
            message = wire.to_container(self._read(header + body)[:header])
            if not isinstance(message, wire.Backlog):
                return message

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            chunk = self._socket.recv(size - len(read))
            assert chunk
            read += chunk
        return read

    def close(self) -> None:
        self._socket.close()
        if self._thread.ident is not None:
            self._thread.join(60)


def _credential(cluster: ClipperConnection) -> str:
    """That of the replica whose place it takes."""
    replicas = cluster.get_all_model_replicas(verbose=True)
    pid = next(r["pid"] for r in replicas if (r["model_name"], r["state"]) == ("m", "ready"))
    return psutil.Process(pid).environ()["CLIPPER_TOKEN"]


def test_a_cluster_whose_ports_are_taken_while_it_is_stopped_says_where_it_is_now() -> None:
    query, management = free_port(), free_port()
    manager = ProcessContainerManager("moves", clipper_query_port=query, clipper_management_port=management)
    moves = ClipperConnection(manager)
    moves.start_clipper(fresh=True, protocols={"azureml": {"port": free_port()}})
    try:
        before = moves.get_query_addr(), azure(moves)
        moves.stop_all()
        with ExitStack() as others:
            for address in before:
                host, _, port = address.rpartition(":")
                others.enter_context(socket.create_server((host, int(port))))
            feedback = manager.folder / "feedback.db"
            of_another(feedback, 99)
            with pytest.raises(ClusterError, match="another Clipper Lab"):
                moves.start_clipper()
            of_another(feedback, 2)  # what did not start has told nobody of its ports
            with pytest.warns(UserWarning, match="now") as said:
                moves.start_clipper()
        now = moves.get_query_addr(), azure(moves)
        assert not {*now} & {*before}
        (sentences,) = (str(one.message) for one in said)
        assert f"answered at {now[0]} now, and no more at {before[0]}" in sentences
        assert f"azureml is at {now[1]} now" in sentences
        told = [event["text"] for event in moves.events() if event["kind"] == "warning"]
        assert " ".join(told) == sentences
        moves.stop_all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moves.start_clipper()  # and there it stays, and says nothing
        assert (moves.get_query_addr(), azure(moves)) == now
    finally:
        moves.stop_all(purge=True)


def azure(conn: ClipperConnection) -> str:
    """The address of that protocol."""
    return next(str(each["rest"]) for each in conn.protocols() if each["name"] == "azureml")


def of_another(path: Path, schema: int) -> None:
    """Have it say so of itself."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema}")
