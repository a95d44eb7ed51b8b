"""When a cluster on Docker counts as started, by an engine that is made up."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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


class Port(HTTPServer):
    """Says the same to whoever asks, once it is to answer; until then it listens, as the port does that the
    holder keeps for a query frontend.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Says)
        self.says = WELL
        self.asked, self.answers = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def end(self) -> None:
        self.answers.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Says(BaseHTTPRequestHandler):
    server: Port

    def do_GET(self) -> None:
        if self.path == "/health":
            self.server.asked.set()
        self.server.answers.wait()
        with suppress(OSError):  # who asks has given up, and asks again
            self.wfile.write(self.server.says)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def query() -> Iterator[Port]:
    port = Port()
    yield port
    port.end()


@pytest.fixture
def found(query: Port, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerCluster]:
    management = Port()
    management.answers.set()
    record = ClusterRecord("c", query.where, management.where, "token", 1, Identity(1, "", ""))
    monkeypatch.setattr(docker, "from_env", lambda timeout: Engine(record))
    yield DockerCluster("c")
    management.end()


def test_it_is_started_when_a_query_frontend_answers_too(found: DockerCluster, query: Port) -> None:
    with ThreadPoolExecutor(1) as threads:
        up = threads.submit(found.up, "127.0.0.1", (0, 0), {}, [], fresh=False)
        assert query.asked.wait(60)
        assert not up.done()
        query.answers.set()
        record, started = up.result(60)
    assert (record.cluster_name, started) == ("c", False)


@pytest.mark.parametrize("says", [None, b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 503 Not yet\r\n\r\n"])
def test_where_none_ever_does_that_is_told(
    found: DockerCluster, query: Port, says: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is at its port, or something else, or one that is not ready."""
    if says is None:
        query.end()
    else:
        query.says = says
        query.answers.set()
    monkeypatch.setattr(cluster, "START_S", 0.2)
    with pytest.raises(ClusterError, match="no query frontend does within"):
        found.up("127.0.0.1", (0, 0), {}, [], fresh=False)
