"""Throw-away servers for a lesson: a Redis and a PostgreSQL that nobody else sees, and that leave nothing.

Each has a temporary folder with its Unix socket, and no port. It ends with `close()`, and where this process
ends or is killed: its guard, a line of shell, waits for the end of a pipe that only this process holds open.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import redis

from .installed import need_servers, postgres_programs, redis_server

START_S = 30.0
GUARD = 'cd "$0"; "$@" </dev/null >server.log 2>&1 & cat >/dev/null; kill -INT $!; wait $!; cd /; rm -rf "$0"'


class _Server:
    """A server process with a temporary folder of its own. `user` is whose it is, where not ours."""

    def __init__(self, user: str | None = None) -> None:
        # Not the system's own choice: macOS gives a path that is too long for a socket in it.
        self.folder = Path(tempfile.mkdtemp(prefix="clipper-live-", dir="/tmp"))
        self._user = user
        if user is not None:
            shutil.chown(self.folder, user)
        self._guard: subprocess.Popen[bytes] | None = None

    def _begin(self, command: Sequence[str | Path], answers: Callable[[], object]) -> None:
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, self.folder, *command],
            stdin=subprocess.PIPE,
            cwd="/",
            user=self._user,
            group=self._user,
            start_new_session=True,  # an interrupted kernel passes Ctrl+C on to its process group
        )
        give_up = time.monotonic() + START_S
        while True:
            try:
                answers()
                return
            except (OSError, redis.RedisError, psycopg.Error) as error:
                if time.monotonic() > give_up:
                    log = self.folder.joinpath("server.log").read_text(errors="replace")[-1000:]
                    self.close()
                    raise TimeoutError(f"{command[0]} does not answer in {START_S:.0f} s: {log}") from error
                time.sleep(0.02)

    def close(self) -> None:
        """End the server and remove its folder. May be called twice."""
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer(_Server):
    """A Redis at `url`, which writes nothing to disk. Raises NotHere."""

    def __init__(self) -> None:
        need_servers()
        super().__init__()
        socket = self.folder / "redis.sock"
        self.url = f"unix://{socket}"
        options = f"--port 0 --unixsocket {socket} --dir {self.folder} --appendonly no --maxmemory 64mb"
        self._begin(
            [str(redis_server()), *options.split(), "--save", ""],
            lambda: redis.Redis.from_url(self.url).ping(),
        )


class PostgresServer(_Server):
    """A PostgreSQL at `dsn`, with one empty database, which does not care for its disk. Raises NotHere.

    PostgreSQL does not run as root: there it runs as the user `postgres`, which Debian's package makes.
    """

    def __init__(self) -> None:
        need_servers()
        programs = Path(str(postgres_programs()))
        super().__init__("postgres" if os.geteuid() == 0 else None)
        data = self.folder / "data"
        self.dsn = f"host={self.folder} dbname=postgres user=postgres"
        initdb = f"{programs / 'initdb'} -D {data} -U postgres -A trust -E UTF8 --locale=C --no-sync"
        made = subprocess.run(
            initdb.split(), capture_output=True, cwd="/", text=True, user=self._user, group=self._user
        )
        if made.returncode:
            self.close()
            raise RuntimeError(f"initdb makes no database: {made.stderr.strip()}")
        options = f"-D {data} -k {self.folder} -c listen_addresses= -c shared_buffers=16MB -F"
        self._begin(
            [programs / "postgres", *options.split()],
            lambda: psycopg.connect(self.dsn, connect_timeout=5).close(),
        )
