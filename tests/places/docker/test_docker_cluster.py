"""When a cluster on Docker counts as started, by an engine that is made up."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import docker
import msgspec
import pytest
from docker.errors import NotFound

from clipper_container.errors import ClusterError
from clipper_server.cluster import ClusterRecord
from clipper_server.identity import Identity
from clipper_server.places.docker import cluster
from clipper_server.places.docker.cluster import DockerCluster

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Engine:
    """One whose only container is management's, with the record of an earlier time in it."""

    def __init__(self, record: ClusterRecord) -> None:
        self.containers = self
        self.status = "running"
        self._record = msgspec.json.encode(record)

    def ping(self) -> None: ...

    def get(self, name: str) -> Engine:
        if not name.endswith("management"):
            raise NotFound(name)
        return self

    def get_archive(self, path: str) -> tuple[list[bytes], dict[str, Any]]:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(path.rpartition("/")[2])
            entry.size = len(self._record)
            archive.addfile(entry, io.BytesIO(self._record))
        return [packed.getvalue()], {}


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.wfile.write(WELL)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def management() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Well)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def query() -> Iterator[socket.socket]:
    """The port that the holder keeps: it listens also while no query frontend is there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


@pytest.fixture
def found(management: str, query: socket.socket, monkeypatch: pytest.MonkeyPatch) -> DockerCluster:
    where = "{}:{}".format(*query.getsockname())
    record = ClusterRecord("c", where, management, "token", 1, Identity(1, "", ""))
    monkeypatch.setattr(docker, "from_env", lambda timeout: Engine(record))
    return DockerCluster("c")


def test_it_is_started_when_a_query_frontend_answers_too(found: DockerCluster, query: socket.socket) -> None:
    with ThreadPoolExecutor(1) as threads:
        up = threads.submit(found.up, "127.0.0.1", (0, 0), {}, [], fresh=False)
        asked, _ = query.accept()
        with asked:
            assert not up.done()
            assert asked.recv(1000).startswith(b"GET /health ")
            asked.sendall(WELL)
        record, started = up.result(60)
    assert (record.cluster_name, started) == ("c", False)


def test_where_none_ever_does_that_is_told(
    found: DockerCluster, query: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    query.close()
    monkeypatch.setattr(cluster, "START_S", 0.2)
    with pytest.raises(ClusterError, match="no query frontend does within"):
        found.up("127.0.0.1", (0, 0), {}, [], fresh=False)
