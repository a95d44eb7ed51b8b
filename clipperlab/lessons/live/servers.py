"""Throw-away servers for a lesson: a Redis and a PostgreSQL, each at a Unix socket, with no port."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import redis

from .installed import need_servers, postgres_programs, redis_server
from .server import Server


class RedisServer(Server):
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
            redis.RedisError,
        )


class PostgresServer(Server):
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
            psycopg.Error,
        )
