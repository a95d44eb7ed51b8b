"""One container of a pod: started, probed, restarted with back-off, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from . import environment, logs, probes
from .objects import now
from .process import INSIDE, Process, once
from .resources import Object, quantity
from .store import Store
from .volumes import ACCOUNT_PATH, NotThere, translator

LOOK_AGAIN_S = 0.25
LONGEST_BACK_OFF = 30  # times the first
LEAST_GRACE_S = 2.0  # from SIGTERM on, whatever preStop took
MESSAGE_BYTES = 4096


class Place(Protocol):
    """The pod that the container is in, and the node that it is on."""

    pod: Object
    folder: Path
    address: str
    volumes: dict[str, Path]
    store: Store
    names_file: Path
    api: tuple[str, int]
    back_off_s: float

    def unpullable(self, image: str) -> str:
        """Why the image cannot be pulled; "" where it can."""

    def changed(self) -> None:
        """The container's state is another one."""

    def event(self, kind: str, reason: str, message: str) -> None: ...


class Container:
    """`state` and `last` are as in a pod's status. `run` ends when the container will not run again."""

    def __init__(self, place: Place, spec: Object, *, first: bool = False) -> None:
        self.spec, self.name = spec, str(spec["name"])
        self.state: Object = {"waiting": {"reason": "PodInitializing" if not first else "ContainerCreating"}}
        self.last: Object = {}
        self.restarts = 0
        self.ready = self.started = False
        self.restart_always = not first
        self._place = place
        self._process: Process | None = None
        self._stopping = False
        self._environment: dict[str, str] = {}
        self._translate: Callable[[str], str] = str
        self._faked = ""  # why it ended, in the test's words

    def log(self, *, previous: bool = False) -> Path:
        return self._place.folder / f"{self.name}.{self.restarts - previous}.log"

    def _set(self, **state: Object) -> None:
        self.state = state
        if "running" not in state:
            self.ready = self.started = False
        self._place.changed()

    async def run(self) -> int:
        """The last exit code."""
        policy = self._place.pod["spec"].get("restartPolicy", "Always")
        back_off_s, code = 0.0, 0
        while not self._stopping:
            await self._pull()
            code = await self._once()
            if self._stopping or policy == "Never" or (policy == "OnFailure" and code == 0):
                break
            if not self.restart_always and code == 0:
                break
            self.last = self.state
            if back_off_s:
                await self._back_off(back_off_s)
            back_off_s = min(
                2 * back_off_s or self._place.back_off_s, LONGEST_BACK_OFF * self._place.back_off_s
            )
            self.restarts += 1
        return code

    async def _back_off(self, pause_s: float) -> None:
        meta = self._place.pod["metadata"]
        which = f"container={self.name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
        self._set(
            waiting={
                "reason": "CrashLoopBackOff",
                "message": f"back-off {pause_s:g}s restarting failed {which}",
            }
        )
        self._place.event(
            "Warning",
            "BackOff",
            f"Back-off restarting failed container {self.name} in pod "
            f"{meta['name']}_{meta['namespace']}({meta['uid']})",
        )
        await asyncio.sleep(pause_s)

    async def _pull(self) -> None:
        image, tried = self.spec["image"], 0
        while why := self._place.unpullable(image):
            if tried == 0:
                self._place.event("Normal", "Pulling", f'Pulling image "{image}"')
                self._place.event("Warning", "Failed", f'Failed to pull image "{image}": {why}')
                self._place.event("Warning", "Failed", "Error: ErrImagePull")
                self._set(waiting={"reason": "ErrImagePull", "message": why})
            elif tried == 1:
                self._place.event("Normal", "BackOff", f'Back-off pulling image "{image}"')
                self._place.event("Warning", "Failed", "Error: ImagePullBackOff")
                message = f'Back-off pulling image "{image}": ErrImagePull: {why}'
                self._set(waiting={"reason": "ImagePullBackOff", "message": message})
            tried += 1
            await asyncio.sleep(LOOK_AGAIN_S)
        self._place.event("Normal", "Pulled", f'Container image "{image}" already present on machine')

    async def _once(self) -> int:
        try:
            process = await self._start_when_it_can()
        except OSError as error:
            program = (self.spec.get("command") or [self.spec["image"]])[0]
            message = f'exec: "{program}": executable file not found in $PATH: {error.strerror}'
            self._end(127, "StartError", now(), message)
            return 127
        began = now()
        self._set(running={"startedAt": began})
        self._place.event("Normal", "Started", f"Started container {self.name}")
        probing = asyncio.create_task(self._probe(), name=f"probes of {self.name}")
        try:
            limit = (self.spec.get("resources", {}).get("limits") or {}).get("memory")
            code = await process.wait(quantity(limit) if limit else None)
        finally:
            probing.cancel()
            process.kill()
        reason = self._faked or ("Completed" if code == 0 else "Error")
        if process.out_of_memory:
            reason = "OOMKilled"
        self._faked = ""
        self._end(code, reason, began, self._message(code))
        return code

    def _end(self, code: int, reason: str, began: str, message: str) -> None:
        ended: Object = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": now()}
        if message:
            ended["message"] = message
        ended["containerID"] = f"stand-in://{self._place.pod['metadata']['uid']}-{self.name}-{self.restarts}"
        self._set(terminated=ended)

    def _message(self, code: int) -> str:
        file = self._place.folder / f"{self.name}.message"
        text = file.read_bytes()[:MESSAGE_BYTES].decode(errors="replace") if file.exists() else ""
        if not text and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return logs.last_words(self.log())
        return text

    async def _start_when_it_can(self) -> Process:
        """What it needs (a Secret, say) may come later."""
        said = ""
        while True:
            try:
                return await self._start()
            except NotThere as error:
                if str(error) != said:
                    said = str(error)
                    kind = "CreateContainerError" if "command" in said else "CreateContainerConfigError"
                    self._set(waiting={"reason": kind, "message": said})
                    self._place.event("Warning", "Failed", f"Error: {said}")
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _start(self) -> Process:
        place = self._place
        mounts = {
            mount["mountPath"].rstrip("/"): str(place.volumes[mount["name"]] / mount.get("subPath", ""))
            for mount in self.spec.get("volumeMounts") or []
        }
        temporary = Path(mounts.get("/tmp", place.folder / "tmp"))
        temporary.mkdir(exist_ok=True)
        message = place.folder / f"{self.name}.message"
        message.write_text("")
        mounts[self.spec["terminationMessagePath"]] = str(message)
        mounts[ACCOUNT_PATH] = str(place.volumes[ACCOUNT_PATH])
        self._translate = translator(mounts)
        variables = environment.variables(place.store, place.pod, self.spec)
        meta = place.pod["metadata"]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(place.folder),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "HOSTNAME": meta["name"],
            "PYTHONPATH": str(INSIDE),
            "PYTHONUNBUFFERED": "1",
            "KUBERNETES_SERVICE_HOST": place.api[0],
            "KUBERNETES_SERVICE_PORT": str(place.api[1]),
            "STAND_IN_POD_IP": place.address,
            "STAND_IN_NAMES": str(place.names_file),
            "STAND_IN_NAMESPACE": meta["namespace"],
            "STAND_IN_ACCOUNT": str(place.volumes[ACCOUNT_PATH]),
            "STAND_IN_PARENT": str(os.getpid()),
        }
        given = {name: self._translate(value) for name, value in variables.items()}
        self._environment |= {name: value for name, value in given.items() if name != "PATH"}
        words = environment.command(self.spec, self._environment, self._translate)
        place.event("Normal", "Created", f"Created container: {self.name}")
        folder = self._translate(self.spec.get("workingDir", ""))
        work = Path(folder) if folder and Path(folder).is_dir() else place.folder
        self._process = Process(words, self._environment, work, self.log())
        await self._process.start()
        return self._process

    async def execute(self, words: list[str], timeout_s: float) -> tuple[int, str]:
        """Run a command beside the container's own process."""
        spec = {"image": "", "command": words}
        try:
            found = environment.command(spec, self._environment, self._translate)
            return await once(found, self._environment, self._place.folder, timeout_s)
        except OSError as error:
            return 126, f"OCI runtime exec failed: exec failed: {error}"

    async def _probe(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            if "startupProbe" in self.spec and not await probes.startup(self, self.spec["startupProbe"]):
                self._unhealthy("startup")
                return
            self.started = True
            self.ready = "readinessProbe" not in self.spec
            self._place.changed()
            async with asyncio.TaskGroup() as group:
                if "readinessProbe" in self.spec:
                    group.create_task(self._follow_readiness())
                if "livenessProbe" in self.spec:
                    group.create_task(self._follow_liveness())

    async def _follow_readiness(self) -> None:
        async for healthy in probes.follow(self, "Readiness", self.spec["readinessProbe"]):
            if self.ready != healthy:
                self.ready = healthy
                self._place.changed()

    async def _follow_liveness(self) -> None:
        async for healthy in probes.follow(self, "Liveness", self.spec["livenessProbe"]):
            if not healthy:
                self._unhealthy("liveness")
                return

    def _unhealthy(self, which: str) -> None:
        self._place.event(
            "Normal", "Killing", f"Container {self.name} failed {which} probe, will be restarted"
        )
        task = asyncio.ensure_future(self._end_process(self._grace_s()))
        _running.add(task)
        task.add_done_callback(_running.discard)

    def _grace_s(self) -> float:
        return float(self._place.pod["spec"].get("terminationGracePeriodSeconds", 30))

    @property
    def address(self) -> str:
        return self._place.address

    @property
    def pod(self) -> Object:
        return self._place.pod

    def warn(self, reason: str, message: str) -> None:
        self._place.event("Warning", reason, message)

    async def stop(self, grace_s: float) -> None:
        """For good: preStop, SIGTERM, and SIGKILL when the grace is over."""
        self._stopping = True
        if "running" in self.state:
            self._place.event("Normal", "Killing", f"Stopping container {self.name}")
            await self._end_process(grace_s)

    async def _end_process(self, grace_s: float) -> None:
        """The grace is preStop's, too, but for the least."""
        process = self._process
        if process is None:
            return
        clock = asyncio.get_running_loop().time
        give_up = clock() + grace_s
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook:
            why = await probes.hook(self, hook, grace_s)
            if why:
                self.warn("FailedPreStopHook", f"PreStopHook failed: {why}")
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(give_up, clock() + LEAST_GRACE_S)):
                await process.ended.wait()
        process.kill()

    def kill(self, why: str = "") -> None:
        """SIGKILL, at once. It is restarted, unless it was stopped. `why` is told as its reason."""
        self._faked = why
        if self._process is not None:
            self._process.kill()

    def vanish(self) -> None:
        """Its machine is gone."""
        self._stopping = True
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, f"the container {self.name} was never started"
        return self._process.pid

    def status(self) -> Object:
        found: Object = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"stand-in://{self.spec['image']}",
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready or (not self.restart_always and self.completed),
            "started": self.started,
            "restartCount": self.restarts,
        }
        if "waiting" not in self.state:
            found["containerID"] = f"stand-in://{self.pod['metadata']['uid']}-{self.name}-{self.restarts}"
        return found

    @property
    def completed(self) -> bool:
        return bool(self.state.get("terminated", {}).get("exitCode") == 0)


_running: set[asyncio.Future[None]] = set()
