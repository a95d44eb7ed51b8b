"""The container manager `process`: each replica and query frontend is a process of this machine.

They outlive the management process that started them. `processes/` holds a record of each, `logs/` what
it prints, `words/` the last words of replicas that could not load their model, `work/` their working
directories.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from clipper_container import words
from clipper_container.errors import BadRequest, ClusterError, NotFound
from clipper_container.near import unknown
from clipper_container.resources import Resources

from ...identity import Identity, end
from .. import LOG_AT_ONCE, Kind, Runtime, Spec, Status
from . import allocation
from .descendants import end_left_by
from .environments import Environments, base_python
from .inherited import inherited

GRACE_S = 10.0
LOG_LIMIT = 4 << 20
LOGS_KEPT = 50
KILLED = (
    "It was killed (signal 9), by somebody or by the operating system, which does that when the machine has "
    "no memory left. Where that is so, fewer replicas help, a smaller model, or another machine."
)
_MODULES: dict[Kind, str] = {"query": "clipper_server.query.frontend", "replica": "clipper_container"}


class _Record(msgspec.Struct, frozen=True):
    """Without an identity it says that the process was about to be started."""

    name: str
    kind: Kind
    labels: dict[str, str]
    identity: Identity | None = None
    cores: list[int] = []
    gpus: list[int] = []


class ProcessContainerManager:
    """Processes, known again by the records in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # ours to reap; others were adopted
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._clearing: dict[str, asyncio.Task[None]] = {}  # of what those that ended by themselves have left
        self._cut: dict[str, int] = {}  # bytes that logs have lost at their beginnings
        self._environments = Environments(folder / "environments")
        self._adopted = False
        self.query_listener: socket.socket | None = None  # for the first query frontend
        for part in ("processes", "logs", "words", "work"):
            (folder / part).mkdir(exist_ok=True)

    def check(self, resources: Resources, runtime: Runtime) -> None:
        allocation.check(resources)
        if runtime.image:
            raise BadRequest(
                f"A cluster of processes runs no images, and {runtime.image!r} is asked for. A cluster on "
                "Docker does (DockerContainerManager); pkgs_to_install gives a model its packages here."
            )
        base_python(runtime)

    async def prepare(self, runtime: Runtime, say: Callable[[str], None]) -> None:
        await self._environments.build(runtime, say)

    async def start(self, spec: Spec) -> None:
        self._remove_old_logs()
        record = self._allocate(spec)
        command = [self._environments.python(spec.runtime), "-P", "-m", _MODULES[spec.kind]]
        child: subprocess.Popen[bytes] | None = None
        environment = self._environment(spec, record)
        listener = self.query_listener if spec.kind == "query" else None
        if listener is not None:
            environment["CLIPPER_LISTENING"] = str(listener.fileno())
        try:
            # First the intent: management may die before it can note what it has started.
            self._write(record)
            self._work(spec.name).mkdir(exist_ok=True)
            with self._log(spec.name).open("ab") as log:
                child = subprocess.Popen(
                    command,
                    cwd=self._work(spec.name),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[listener.fileno()] if listener is not None else [],
                )
            if record.cores:
                psutil.Process(child.pid).cpu_affinity(record.cores)
            self._write(msgspec.structs.replace(record, identity=Identity.of(child.pid)))
        except OSError as error:
            # A process without a record would be nobody's, and another one would be started in its place.
            if child is not None:
                child.kill()
                child.wait()
            self._record(spec.name).unlink(missing_ok=True)
            raise ClusterError(
                f"The process {spec.name} cannot be started, or its record not be written: {error}. "
                "See that the disk has room."
            ) from error
        self._children[spec.name] = child
        if listener is not None:
            listener.close()
            self.query_listener = None

    def _allocate(self, spec: Spec) -> _Record:
        """Its record so far, with the cores and GPUs that it may use."""
        others = [record for record in self._records() if record.identity and record.identity.process()]
        cores, gpus = [], []
        if spec.resources.cpus is not None:
            used = [core for record in others for core in record.cores]
            cores = allocation.least_used(int(spec.resources.cpus), allocation.cores(), used)
        if spec.resources.gpus:
            used = [gpu for record in others for gpu in record.gpus]
            gpus = allocation.free(spec.resources.gpus, allocation.gpus(), used)
        return _Record(spec.name, spec.kind, spec.labels, None, cores, gpus)

    def _environment(self, spec: Spec, record: _Record) -> dict[str, str]:
        # One thread a replica: the replicas share the cores, and a library that starts a thread a core in
        # each of them makes all of them slow.
        ours = inherited(os.environ) if spec.kind == "replica" else os.environ
        environment = {"OMP_NUM_THREADS": "1", **ours}
        if record.cores:
            environment["OMP_NUM_THREADS"] = str(len(record.cores))
        environment |= spec.environment
        environment["CLIPPER_LAST_WORDS"] = str(self._words(spec.name))
        if spec.resources.memory is not None:
            environment["CLIPPER_MEMORY"] = str(spec.resources.memory)
        if spec.kind == "replica" and allocation.gpus():
            # None unless it asked for one: it could not know which are taken.
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, record.gpus))
            environment["CLIPPER_GPUS"] = environment["CUDA_VISIBLE_DEVICES"]
        return environment

    def _write(self, record: _Record) -> None:
        path = self._record(record.name)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.rename(path)

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        record = self._read(self._record(name))
        if name not in self._stopping and record is not None and record.identity is not None:
            ending = self._end(record, record.identity, 0.0 if at_once else GRACE_S)
            self._stopping[name] = asyncio.create_task(ending, name=f"stop {name}")

    async def _end(self, record: _Record, identity: Identity, grace_s: float) -> None:
        if not await asyncio.to_thread(end, [identity], grace_s):
            raise ClusterError(f"The process {identity.pid} cannot be ended. End it by hand.")
        await self._clear([record])

    async def _clear(self, records: list[_Record]) -> None:
        """End what these have started, for they have ended."""
        marks = {str(self._words(record.name)) for record in records}
        ended = [record.identity for record in records if record.identity is not None]
        await asyncio.to_thread(end_left_by, ended, marks.__contains__)

    async def poll(self) -> list[Status]:
        if not self._adopted:
            self._adopt()
            self._adopted = True
        statuses, ended = [], []
        for record in self._records():
            if record.identity is None:
                continue
            exit_code = None
            child = self._children.get(record.name)
            if child is not None:
                exit_code = child.poll()
            elif record.identity.process() is None:
                exit_code = -1
            if exit_code is not None and record.name not in self._stopping.keys() | self._clearing.keys():
                ended.append(record)
            said = "" if exit_code is None else self._last_words(record.name, exit_code)
            statuses.append(
                Status(record.name, record.kind, record.labels, record.identity.pid, exit_code, said)
            )
            self._bound(record.name)
        if ended:
            names = [record.name for record in ended]
            clearing = asyncio.create_task(self._clear(ended), name=f"clear {', '.join(names)}")
            self._clearing |= dict.fromkeys(names, clearing)
        return statuses

    def _adopt(self) -> None:
        """Find the processes that an earlier management started and could not note, and note them."""
        intents = {str(self._words(r.name)): r for r in self._records() if r.identity is None}
        if not intents:
            return
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                record = intents.pop(process.environ().get("CLIPPER_LAST_WORDS", ""), None)
                if record is not None:
                    self._write(msgspec.structs.replace(record, identity=Identity.of(process.pid)))
        for record in intents.values():
            self._record(record.name).unlink(missing_ok=True)  # it was never started

    async def forget(self, name: str) -> None:
        self._children.pop(name, None)
        for tasks in (self._stopping, self._clearing):
            if task := tasks.pop(name, None):
                await task
        self._record(name).unlink(missing_ok=True)
        self._words(name).unlink(missing_ok=True)
        await asyncio.to_thread(shutil.rmtree, self._work(name), ignore_errors=True)

    async def logs(self) -> dict[str, str]:
        paths = sorted((self._folder / "logs").glob("*.log"))
        return {path.stem: path.read_text(errors="replace") for path in paths}

    async def log(self, name: str, after: int) -> tuple[str, int]:
        path = self._log(name)
        known = sorted(p.stem for p in (self._folder / "logs").glob("*.log"))
        if name not in known:
            raise NotFound(unknown("log", name, "Logs", known))
        cut = self._cut.get(name, 0)
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # A position beyond the end is of another log of this name, or of before management restarted.
            begin = after - cut if cut <= after <= cut + size else 0
            file.seek(begin)
            data = file.read(LOG_AT_ONCE)
        return data.decode(errors="replace"), cut + begin + len(data)

    def serves(self) -> bool:
        """Whether a query frontend runs that an earlier management started."""
        running = [record.identity for record in self._records() if record.kind == "query"]
        return any(identity is not None and identity.process() for identity in running)

    def stop_all(self, grace_s: float = GRACE_S) -> int:
        """End all processes, of whichever management; return how many there were."""
        self._adopt()
        records = self._records()
        running = [r.identity for r in records if r.identity is not None and r.identity.process()]
        known = [record.identity for record in records if record.identity is not None]
        ours = f"{self._words('')}{os.sep}"
        if not end(running, grace_s) or not end_left_by(known, lambda mark: mark.startswith(ours)):
            raise ClusterError(
                "Some processes do not end. `ps` shows them as clipper_server or clipper_container, or as "
                "what a model has started."
            )
        for record in self._records():
            self._record(record.name).unlink(missing_ok=True)
        for place in (self._folder / "work").iterdir():
            shutil.rmtree(place, ignore_errors=True)
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

    def _work(self, name: str) -> Path:
        return self._folder / "work" / name

    def _last_words(self, name: str, exit_code: int) -> str:
        killed = "" if exit_code != -signal.SIGKILL else KILLED
        for path in (self._words(name), self._log(name)):
            if path.exists() and (said := path.read_text(errors="replace").strip()):
                return "\n".join(filter(None, [killed, said[-4000:]]))
        return killed or words.NONE

    def _bound(self, name: str) -> None:
        """Keep the last half of a log that has grown too long. Its process goes on appending to it."""
        log = self._log(name)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            with log.open("r+b") as file:
                cut = file.seek(-LOG_LIMIT // 2, os.SEEK_END)
                rest = file.read()
                file.seek(0)
                file.truncate()
                file.write(rest)
            self._cut[name] = self._cut.get(name, 0) + cut

    def _remove_old_logs(self) -> None:
        running = {record.name for record in self._records()}
        old = [path for path in (self._folder / "logs").glob("*.log") if path.stem not in running]
        for path in sorted(old, key=lambda path: path.stat().st_mtime)[:-LOGS_KEPT]:
            path.unlink(missing_ok=True)
