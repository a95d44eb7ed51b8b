"""Makes the world agree with the desired state: by set difference, again and again, one step at a time."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from clipper_container import words
from clipper_container.errors import ClipperException

from ..changes import Changes
from ..parts import Parts
from ..places import ByCpu, ContainerManager, Orchestrator, Runtime, Spec, Status, Trouble, Wanted
from ..supervisor import sentence
from .autoscaler import Autoscaler
from .crashes import FRONTEND_BACK_OFF_S, Crashes
from .events import Events
from .frontends import Frontends
from .running import Running
from .specs import Specs
from .state import State, Version

LOOK_EVERY_S = 0.5
SILENT_S = 15.0
_SILENT = (
    " What ends a process without an exception is os._exit(), or compiled code: ask the model the same where "
    "you deploy it from."
)
TELL_AGAIN_S = 60.0  # a trouble that comes and goes is no event each time


class Reconciler:
    """`on_ready` and `on_failed` are told of a version that came up for the first time, or did not.

    `on_scaled` is told of a version whose load wants another number of replicas, which one, and why.
    """

    def __init__(
        self,
        state: State,
        manager: ContainerManager,
        frontends: Frontends,
        running: Running,
        specs: Specs,
        changes: Changes,
        events: Events,
        on_ready: Callable[[Version], None],
        on_failed: Callable[[Version, str], None],
        on_scaled: Callable[[Version, int, str], None],
        num_frontends: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._wanted_frontends = [str(i) for i in range(num_frontends)]
        self._state = state
        self._manager = manager
        self._frontends = frontends
        self._running = running
        self._specs = specs
        self._changes = changes
        self._events = events
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_scaled = on_scaled
        self._crashes: defaultdict[tuple[str, str], Crashes] = defaultdict(lambda: Crashes(clock))
        self._frontend_crashes: defaultdict[str, Crashes] = defaultdict(
            lambda: Crashes(clock, FRONTEND_BACK_OFF_S)
        )
        self._preparing: dict[Runtime, asyncio.Task[None]] = {}
        self._said: dict[Runtime, str] = {}  # how far that is
        self._autoscaler = Autoscaler(clock)
        self._troubles: list[Trouble] = []  # as they were last seen
        self._told: dict[tuple[str, str, str], float] = {}  # and when each text was, by version

    async def turn(self) -> None:
        """Make one step, and wait for a change or for a while. Raises what went wrong in parts of the step,
        as a group; the other parts were done.
        """
        seen = self._changes.count
        await self._step()
        if self._changes.count == seen:
            await self._changes.wait(LOOK_EVERY_S)

    async def close(self) -> None:
        """Leave what is being prepared."""
        for task in self._preparing.values():
            task.cancel()
            with suppress(asyncio.CancelledError, ClipperException):
                await task

    def crash_loop(self, model: str, version: str) -> str | None:
        """The last words of a version whose replicas crash again and again; None for others."""
        crashes = self._crashes.get((model, version))
        if crashes is not None and crashes.looping:
            return crashes.last_words
        return next((t.last_words for t in self._about(model, version) if t.last_words), None)

    def last_end(self, model: str, version: str) -> str:
        """A sentence about its replica that ended last, where that was in the last minute; else ""."""
        crashes = self._crashes.get((model, version))
        said = "" if crashes is None else crashes.recent
        return f"A replica ended by itself less than a minute ago. Its last words: {said}" if said else ""

    async def _step(self) -> None:
        statuses = await self._manager.poll()
        parts = Parts()
        # At first, so that what has ended counts for nobody while it is being forgotten.
        is_news = self._running.see([status for status in statuses if status.exit_code is None])
        for status in statuses:
            if status.exit_code is not None:
                with parts:
                    await self._on_exit(status)
        if is_news:
            self._changes.notify()
        if not isinstance(self._manager, Orchestrator):
            await self._reconcile_frontends(parts)
        with parts:
            await self._end_hanging()
        with parts:
            await self._reconcile_versions(parts)
        parts.end()

    async def _reconcile_versions(self, parts: Parts) -> None:
        wanted = {
            (v.model, v.version): v
            for v in self._state.versions()
            if v.state != "failed" and v.artifact is not None
        }
        for key in self._crashes.keys() - wanted.keys():
            del self._crashes[key]
        self._running.awake(key for key, version in wanted.items() if version.num_replicas)
        if isinstance(self._manager, Orchestrator):
            with parts:
                await self._orchestrate(self._manager, self._scaled(wanted.values(), parts))
            return
        running: defaultdict[tuple[str, str], list[Status]] = defaultdict(list)
        for status, state in self._running.replicas():
            if state != "stopping":
                running[status.labels["model"], status.labels["version"]].append(status)
        for key in running.keys() - wanted.keys():
            with parts:
                await self._stop(running[key])
        for version in self._scaled(wanted.values(), parts):
            with parts:
                await self._reconcile_version(version, running[version.model, version.version])

    async def _orchestrate(self, manager: Orchestrator, versions: Sequence[Version]) -> None:
        ready = {status.name for status, state in self._running.replicas() if state == "ready"}
        try:
            await manager.want([self._wanted(version) for version in versions], ready)
            self._forsake({(version.model, version.version) for version in versions})
        finally:  # what is wrong is told, above all where it does not answer
            self._troubles = manager.troubles()
            self._tell(self._troubles)
        known = {(version.model, version.version): version for version in versions}
        for trouble in self._troubles:
            key = trouble.subject.get("model", ""), trouble.subject.get("version", "")
            if not trouble.hopeless or (version := known.get(key)) is None:
                continue
            if version.state == "starting":
                del known[key]
                self._on_failed(version, trouble.text)
            else:
                self._fell(version)
        for key, version in known.items():
            if version.state == "starting" and self._running.ready(*key) >= version.num_replicas:
                self._on_ready(version)

    def _forsake(self, wanted: Container[tuple[str, str]]) -> None:
        """The engine was told what is wanted: the replicas of all else are about to end."""
        for status, state in self._running.replicas():
            key = status.labels["model"], status.labels["version"]
            if state != "stopping" and key not in wanted:
                self._running.stop(status.name)
                self._changes.notify()

    def _wanted(self, version: Version) -> Wanted:
        bounds, by_cpu = version.autoscaling, None
        if bounds is not None and bounds.cpu_percent is not None:
            by_cpu = ByCpu(bounds.min_replicas, bounds.max_replicas, bounds.cpu_percent)
        return Wanted(self._specs.replica(version, 0), version.num_replicas, by_cpu)

    def _tell(self, troubles: Iterable[Trouble]) -> None:
        now = self._clock()
        self._told = {key: at for key, at in self._told.items() if now - at < TELL_AGAIN_S}
        for trouble in troubles:
            key = trouble.subject.get("model", ""), trouble.subject.get("version", ""), trouble.text
            if key not in self._told:
                self._events.add("trouble", trouble.text, **trouble.subject)
            self._told[key] = now

    def troubles(self, model: str = "", version: str = "", *, is_whole: bool = False) -> list[str]:
        """Why that version has fewer replicas than it should, or what is wrong with the cluster itself.

        Where all its replicas are ready, it `is_whole`: what was wrong with one that is ready, or gone, is
        over then.
        """
        about = self._about(model, version)
        if is_whole:
            starting = self._running.starting(model, version)
            about = [t for t in about if "replica" not in t.subject or t.subject["replica"] in starting]
        texts = [trouble.text for trouble in about]
        return texts if model else [*self._crashing_frontends(), *texts]

    def _crashing_frontends(self) -> list[str]:
        return [
            f"Query frontend {frontend} ends again and again, and is started ever less often, up to "
            f"{FRONTEND_BACK_OFF_S[-1]:.0f} s apart. Its last words: {crashes.last_words}"
            for frontend, crashes in self._frontend_crashes.items()
            if crashes.looping
        ]

    def _about(self, model: str, version: str) -> list[Trouble]:
        wanted = (model, version)
        return [
            t for t in self._troubles if (t.subject.get("model", ""), t.subject.get("version", "")) == wanted
        ]

    def _scaled(self, versions: Iterable[Version], parts: Parts) -> list[Version]:
        """The versions, with as many replicas as their load wants where they are scaled automatically."""
        found, by_load = [], []
        for version in versions:
            decision = None
            if version.autoscaling is not None and version.autoscaling.cpu_percent is not None:
                decision = self._decided(version)
            elif version.autoscaling is not None and version.state == "ready":
                by_load.append(version)
                load = self._frontends.load(version.model, version.version)
                ready = self._running.ready(version.model, version.version)
                decision = self._autoscaler.decide(version, load, ready)
            if decision is not None:
                with parts:
                    self._on_scaled(version, *decision)
                    version = msgspec.structs.replace(version, num_replicas=decision[0])
            found.append(version)
        self._autoscaler.forget(by_load)
        return found

    def _decided(self, version: Version) -> tuple[int, str] | None:
        """How many replicas the engine has decided on, and why; None where it has them."""
        assert isinstance(self._manager, Orchestrator)
        decision = self._manager.decided(version.model, version.version)
        return None if decision is None or decision[0] == version.num_replicas else decision

    async def _reconcile_version(self, version: Version, running: Sequence[Status]) -> None:
        missing = version.num_replicas - len(running)
        if missing < 0:
            newest_first = sorted(running, key=lambda status: -int(status.labels["replica"]))
            await self._stop(newest_first[:-missing])
        elif missing > 0 and self._crashes[version.model, version.version].may_start():
            try:
                if self._is_prepared(version.runtime):
                    for _ in range(missing):
                        replica = self._state.next_replica(version.model, version.version)
                        await self._start(self._specs.replica(version, replica))
            except ClipperException as error:
                self._cannot_start(version, str(error))
            except Exception as error:  # a full disk, say
                self._crashed(version, sentence(error))
                raise
        elif version.state == "starting" and self._running.ready(version.model, version.version) >= len(
            running
        ):
            self._on_ready(version)

    def preparing(self, version: Version) -> str:
        """How far the making of what its replicas need is; "" where nothing is made."""
        if isinstance(self._manager, Orchestrator):
            return self._manager.preparing(version.model, version.version)
        return self._said.get(version.runtime, "")

    def _is_prepared(self, runtime: Runtime) -> bool:
        """Whether replicas can run on it; raises what preparing it raised. Until then it is on its way."""
        task = self._preparing.get(runtime)
        if task is None:

            def say(how_far: str) -> None:
                self._said[runtime] = how_far

            task = asyncio.create_task(self._manager.prepare(runtime, say), name="prepare")
            task.add_done_callback(lambda _: self._changes.notify())
            self._preparing[runtime] = task
        if not task.done():
            return False
        del self._preparing[runtime]  # what is prepared may be removed: the next start looks again
        self._said.pop(runtime, None)
        task.result()
        return True

    def _cannot_start(self, version: Version, why: str) -> None:
        if version.state == "starting":
            self._on_failed(version, why)
        else:
            self._crashed(version, why)
            self._events.add_once("error", why, model=version.model, version=version.version)

    async def _reconcile_frontends(self, parts: Parts) -> None:
        running = {status.labels["frontend"]: status for status in self._running.frontends()}
        unwanted = [status for id_, status in running.items() if id_ not in self._wanted_frontends]
        with parts:
            await self._stop(unwanted)
        for frontend in self._wanted_frontends:
            if frontend not in running:
                with parts:
                    await self._start_frontend(frontend)
            elif self._frontends.silent_s(frontend) > SILENT_S and not self._running.is_stopping(
                running[frontend]
            ):
                text = f"Query frontend {frontend} says nothing, and is restarted."
                self._events.add("frontend", text, frontend=frontend)
                with parts:
                    await self._stop([running[frontend]])

    async def _start_frontend(self, frontend: str) -> None:
        crashes = self._frontend_crashes[frontend]
        if not crashes.may_start():
            return
        self._frontends.started(frontend)
        try:
            await self._start(self._specs.query_frontend(frontend))
        except Exception as error:
            crashes.add(sentence(error))
            raise

    async def _end_hanging(self) -> None:
        hanging = self._frontends.hanging()
        for status, state in self._running.replicas():
            labels = status.labels
            why = hanging.get((labels["model"], labels["version"], labels["replica"]))
            if why is not None and state != "stopping":
                self._events.add("hang", f"{why} It is ended, and another one started.", **labels)
                self._running.stop(status.name)
                await self._manager.stop(status.name, at_once=True)

    async def _start(self, spec: Spec) -> None:
        self._events.add("start", f"Starting {_called(spec.labels)}.", **spec.labels)
        await self._manager.start(spec)
        self._changes.notify()

    async def _stop(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            if not self._running.is_stopping(status):
                self._events.add("stop", f"Stopping {_called(status.labels)}.", **status.labels)
                self._running.stop(status.name)
            await self._manager.stop(status.name)

    async def _on_exit(self, status: Status) -> None:
        asked = self._running.is_stopping(status)
        self._running.end(status.name)
        if asked:
            self._events.add("stop", f"Stopped {_called(status.labels)}.", **status.labels)
        else:
            what = _called(status.labels)
            how = f"ended by itself{_how(status)}. Its last words: {status.last_words}"
            text = f"{what[0].upper()}{what[1:]} {how}"
            self._events.add("crash", text, **status.labels)
            if status.kind == "replica":
                self._on_crash(status)
            else:
                self._frontend_crashes[status.labels["frontend"]].add(status.last_words)
        await self._manager.forget(status.name)

    def _on_crash(self, status: Status) -> None:
        model, version = status.labels["model"], status.labels["version"]
        deployed = self._state.version(model, version)
        if deployed is None:
            return
        if deployed.state == "starting":
            advice = _SILENT if status.last_words == words.NONE else ""
            why = f"its replica ended{_how(status)} before it was ready:\n\n{status.last_words}{advice}"
            self._on_failed(deployed, why)
            return
        crashes = self._crashes[model, version]
        looped = crashes.looping
        self._crashed(deployed, status.last_words)
        if crashes.looping and not looped:
            text = (
                f"The replicas of {model}:{version} crash again and again. They are started ever less often, "
                "up to 30 s apart. Their last words tell why; rollback() goes back to the version before."
            )
            self._events.add("crash_loop", text, model=model, version=version)

    def _crashed(self, version: Version, last_words: str) -> None:
        """One of its replicas ended by itself, or could not be started."""
        self._crashes[version.model, version.version].add(last_words)
        self._fell(version)

    def _fell(self, version: Version) -> None:
        """Where it is on its way up, frontends learn that its first replica does not come."""
        key = version.model, version.version
        rises = version.wakes and version.num_replicas > 0 and not self._running.ready(*key)
        if rises and self._running.fall(*key):
            self._state.next_revision()
            self._changes.notify()


def _called(labels: Mapping[str, str]) -> str:
    """A replica or a query frontend in words, for people: its name is one for programs."""
    if "frontend" in labels:
        return f"query frontend {labels['frontend']}"
    return f"replica {labels['replica']} of {labels['model']}:{labels['version']}"


def _how(status: Status) -> str:
    return "" if status.exit_code in (None, -1) else f" with exit code {status.exit_code}"
