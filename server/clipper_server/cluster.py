"""A cluster's folder: what is where, and the record by which everyone finds the cluster."""

from __future__ import annotations

import fcntl
import http.client
import os
import urllib.request
from pathlib import Path
from typing import TextIO

import msgspec

from clipper_container.errors import ClusterError

from .identity import Identity

ANSWER_S = 5.0
SOCKET_PATH_LIMIT = 100  # macOS takes 104 bytes, Linux 108


class ClusterRecord(msgspec.Struct, frozen=True):
    """Addresses are host:port. Written by management, for its owner's eyes only: it holds the token."""

    cluster_name: str
    query: str
    management: str
    token: str
    pid: int
    identity: Identity

    def __repr__(self) -> str:
        return f"<the record of {self.cluster_name}>"  # without the token

    def for_clients(self) -> dict[str, str]:
        """What clients need of it."""
        names = ("cluster_name", "query", "management", "token")
        return {name: getattr(self, name) for name in names}

    def answers(self) -> bool:
        """Whether management answers there, within seconds."""
        return _answers(f"http://{self.management}/api/v1/health")

    def serves(self) -> bool:
        """Whether management answers there, and a query frontend too."""
        return self.answers() and _answers(f"http://{self.query}/health")


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_S) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # something else may speak there
        return False


class ClusterFolder:
    """A private folder on a local disk: the database, artifacts, logs, sockets and records of one cluster."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.record_path = self.path / "cluster.json"
        self.database = self.path / "state.db"
        self.feedback = self.path / "feedback.db"
        self.artifacts = self.path / "artifacts"
        self.query_log = self.path / "querylog"
        self.sockets = self.path / "sockets"
        self.management_log = self.path / "logs" / "management.log"

    def make(self) -> None:
        """Raises ClusterError where the folder cannot be this user's own, or lies too deep for a socket."""
        longest = len(os.fsencode(self.sockets / "65535" / "00.peer"))
        if longest > SOCKET_PATH_LIMIT:
            raise ClusterError(
                f"The folder {self.path} is too deep: a Unix socket in it needs {longest} bytes, and may "
                f"have {SOCKET_PATH_LIMIT}. Set CLIPPERLAB_HOME to a shorter path on a local disk."
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_uid != os.getuid():
                raise ClusterError(f"The folder {self.path} belongs to somebody else. Set CLIPPERLAB_HOME.")
            self.path.chmod(0o700)
            self.sockets.mkdir(exist_ok=True)
            self.management_log.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise ClusterError(
                f"The folder {self.path} cannot be used: {error}. Set CLIPPERLAB_HOME to a folder of "
                "your own."
            ) from error

    def record(self) -> ClusterRecord | None:
        """The record of the cluster; None where it was never started, or stopped."""
        try:
            return msgspec.json.decode(self.record_path.read_bytes(), type=ClusterRecord)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClusterError(
                f"{self.record_path} cannot be read ({error}). Start again with a fresh cluster."
            ) from None

    def write_record(self, record: ClusterRecord) -> None:
        temporary = self.record_path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record))
        temporary.rename(self.record_path)

    def lock(self, name: str, *, wait: bool) -> TextIO | None:
        """Hold the lock `name` for as long as the returned file is open; None where it is taken."""
        file = (self.path / f"{name}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file
