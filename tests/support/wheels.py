"""A package that is installed nowhere, and what has it: a file, or an index."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def wheel(folder: Path, name: str = "tinywheel", version: str = "1.0") -> Path:
    """A file that needs no index."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"version = '{version}'\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return path


class Index(ThreadingHTTPServer):
    """It answers while `answers` is set."""

    def __init__(self, host: str, folder: Path) -> None:
        super().__init__((host, 0), partial(_Handler, directory=str(folder)))
        self.url = f"http://{host}:{self.server_port}"
        self.answers = threading.Event()
        self.answers.set()


class _Handler(SimpleHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.answers.wait()
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def index(folder: Path, *versions: str, host: str) -> Iterator[Index]:
    """One that has these versions of it, and nothing else."""
    there = folder / "tinywheel"
    there.mkdir()
    for version in versions:
        wheel(there, version=version)
    with Index(host, folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.answers.set()
            server.shutdown()
            thread.join()


def imports_tinywheel(inputs: list[Any]) -> list[Any]:
    import numpy
    import tinywheel  # type: ignore[import-not-found]

    return [[tinywheel.version, len(numpy.__version__) > 0] for _ in inputs]


imports_tinywheel.__module__ = "__main__"
