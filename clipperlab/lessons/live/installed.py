"""What lessons 10 and 19 need to be installed, and where that is."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from .. import need

CLONE = Path(__file__).parents[3]
"""Where the packages lie, which is the repository where it is one."""


def need_servers() -> None:
    """Raise NotHere where Redis, PostgreSQL or a client of theirs is not installed."""
    debian = "On Debian and Ubuntu: apt install"
    need("redis", redis_server(), f"{debian} redis-server")
    need("postgresql", postgres_programs(), f"{debian} postgresql")
    for package in ("redis", "psycopg"):
        need(f"Python package {package}", find_spec(package), "Run: pip install 'clipperlab[workshop]'")


def need_tritonclient() -> None:
    """Raise NotHere where NVIDIA's client of Open Inference is not installed."""
    how = "Run: pip install 'clipperlab[workshop]'"
    need("Python package tritonclient", find_spec("tritonclient"), how)


def redis_server() -> Path | None:
    """The program."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `postgres`. Debian keeps it out of the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    if debian:
        return debian[-1].parent
    return Path(on_path).parent if on_path else None


def mlserver_program() -> Path | None:
    """The program, where it is on the PATH, or `make peers` has made it in the clone that this is."""
    found = shutil.which("mlserver")
    made = CLONE / "build" / "peers" / "mlserver" / "bin" / "mlserver"
    if found:
        return Path(found)
    return made if made.is_file() else None
