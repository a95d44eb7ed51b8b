"""The container manager `process`: each replica and query frontend is a process of this machine.

They outlive the management process that started them. `processes/` holds a record of each, `logs/` what
it prints, `words/` the last words of replicas that could not load their model.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from clipper_container.errors import ClusterError
from clipper_container.resources import Resources

from . import Kind, Runtime, Spec, Status
from .identity import Identity, end

GRACE_S = 10.0
LOG_LIMIT = 4 << 20
LOGS_KEPT = 50
_MODULES: dict[Kind, str] = {"query": "clipper_server.query.frontend", "replica": "clipper_container"}


class _Record(msgspec.Struct, frozen=True):
    name: str
    kind: Kind
    labels: dict[str, str]
    identity: Identity


class ProcessContainerManager:
    """Processes, known again by the records in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # ours to reap; others were adopted
        self._stopping: dict[str, asyncio.Task[None]] = {}
        for part in ("processes", "logs", "words"):
            (folder / part).mkdir(exist_ok=True)

    def check(self, resources: Resources, runtime: Runtime) -> None:
        pass

    async def prepare(self, runtime: Runtime) -> None:
        pass

    async def log(self, name: str, after: int) -> tuple[str, int]:
        data = self._log(name).read_bytes()[after : after + 65536]
        return data.decode(errors="replace"), after + len(data)

    async def start(self, spec: Spec) -> None:
        self._remove_old_logs()
        # One thread a replica: the replicas share the cores, and a library that starts a thread a core in
        # each of them makes all of them slow.
        environment = {"OMP_NUM_THREADS": "1", **os.environ, **spec.environment}
        environment["CLIPPER_LAST_WORDS"] = str(self._words(spec.name))
        command = [sys.executable, "-P", "-m", _MODULES[spec.kind]]
        try:
            with self._log(spec.name).open("ab") as log:
                child = subprocess.Popen(
                    command,
                    cwd=self._folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ClusterError(f"The process {spec.name} cannot be started: {error}.") from error
        record = _Record(spec.name, spec.kind, spec.labels, Identity.of(child.pid))
        path = self._record(spec.name)
        temporary = path.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(record))
            temporary.rename(path)
        except OSError as error:
            # A process without a record would be nobody's, and another one would be started in its place.
            child.kill()
            child.wait()
            raise ClusterError(
                f"The process {spec.name} was ended, for its record cannot be written: {error}. "
                "See that the disk has room."
            ) from error
        self._children[spec.name] = child

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        if name not in self._stopping and (record := self._read(self._record(name))):
            ending = self._end(record.identity, 0.0 if at_once else GRACE_S)
            self._stopping[name] = asyncio.create_task(ending, name=f"stop {name}")

    @staticmethod
    async def _end(identity: Identity, grace_s: float) -> None:
        if not await asyncio.to_thread(end, [identity], grace_s):
            raise ClusterError(f"The process {identity.pid} cannot be ended. End it by hand.")

    async def poll(self) -> list[Status]:
        statuses = []
        for record in self._records():
            exit_code = None
            child = self._children.get(record.name)
            if child is not None:
                exit_code = child.poll()
            elif record.identity.process() is None:
                exit_code = -1
            words = "" if exit_code is None else self._last_words(record.name)
            statuses.append(
                Status(record.name, record.kind, record.labels, record.identity.pid, exit_code, words)
            )
            self._bound(self._log(record.name))
        return statuses

    async def forget(self, name: str) -> None:
        self._children.pop(name, None)
        if task := self._stopping.pop(name, None):
            await task
        self._record(name).unlink(missing_ok=True)
        self._words(name).unlink(missing_ok=True)

    async def logs(self) -> dict[str, str]:
        paths = sorted((self._folder / "logs").glob("*.log"))
        return {path.stem: path.read_text(errors="replace") for path in paths}

    def stop_all(self, grace_s: float = GRACE_S) -> int:
        """End all processes, of whichever management; return how many there were."""
        records = self._records()
        running = [record.identity for record in records if record.identity.process()]
        if not end(running, grace_s):
            raise ClusterError(
                "Some processes do not end. `ps` shows them as clipper_server or clipper_container."
            )
        for record in records:
            self._record(record.name).unlink(missing_ok=True)
        return len(running)

    def _records(self) -> list[_Record]:
        paths = sorted((self._folder / "processes").glob("*.json"))
        return [record for path in paths if (record := self._read(path))]

    @staticmethod
    def _read(path: Path) -> _Record | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Record)
        except FileNotFoundError:
            return None

    def _record(self, name: str) -> Path:
        return self._folder / "processes" / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _words(self, name: str) -> Path:
        return self._folder / "words" / name

    def _last_words(self, name: str) -> str:
        for path in (self._words(name), self._log(name)):
            if path.exists() and (words := path.read_text(errors="replace").strip()):
                return words[-4000:]
        return "It said nothing."

    @staticmethod
    def _bound(log: Path) -> None:
        """Keep the last half of a log that has grown too long. Its process goes on appending to it."""
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            with log.open("r+b") as file:
                file.seek(-LOG_LIMIT // 2, os.SEEK_END)
                rest = file.read()
                file.seek(0)
                file.truncate()
                file.write(rest)

    def _remove_old_logs(self) -> None:
        running = {record.name for record in self._records()}
        old = [path for path in (self._folder / "logs").glob("*.log") if path.stem not in running]
        for path in sorted(old, key=lambda path: path.stat().st_mtime)[:-LOGS_KEPT]:
            path.unlink(missing_ok=True)
