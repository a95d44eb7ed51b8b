"""The management frontend's process."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from clipper_container.errors import ClusterError

from ..changes import Changes
from ..cluster import ClusterFolder, ClusterRecord
from ..identity import Identity
from ..places import ADDRESS, Ground, Orchestrator, Settings
from ..supervisor import Supervisor, sentence
from .api import API
from .artifacts import Artifacts
from .control import Control
from .events import Events
from .feedback import Feedback
from .frontends import Frontends
from .observations import Observations
from .querylog import QueryLog
from .reconciler import Reconciler
from .rollouts import Rollouts
from .running import Running
from .series import Series
from .shadows import Tallies
from .specs import Specs
from .state import State

START_S = 30.0
DEFAULTS = {"cache_size": 32 << 20, "num_frontends": 1, "max_inputs": 20_000, "max_json": 1 << 20}


async def serve(
    folder: ClusterFolder,
    place: Callable[[ClusterFolder, Settings, str], Ground],
    wishes: Mapping[str, int | str | None],
    protocols: str,
) -> None:
    """Manage the cluster in `folder` until SIGTERM. Its frontends and replicas run on after that.

    `place` gives what it stands on. Writes one line to standard output when the cluster serves. Of the wishes
    what is None stays as it was. `protocols` are to be on besides those of last time, names with commas.
    """
    lock = folder.lock("management", wait=False)  # held until the process ends
    if lock is None:
        raise ClusterError(f"Another management frontend runs in {folder.path}. Stop it first.")
    state = _state(folder.database)
    ground = place(folder, state, _token(state))
    state.set("token", ground.token)
    specs = Specs(ground.cluster_name, ground.token, ground.addresses)
    manager = ground.manager
    kept = {name: _keep(state, name, wish, DEFAULTS.get(name, "")) for name, wish in wishes.items()}

    changes = Changes()
    events = Events(state, changes)
    frontends = Frontends(changes, events)
    artifacts = Artifacts(folder.artifacts)
    running = Running(frontends)
    feedback = _feedback(folder.feedback, state, changes, events)
    control = Control(
        *(state, artifacts, manager, ground.ports, frontends, running, changes, events, specs.replica_token),
        feedback.collect,
        feedback.forget,
    )
    reconciler = Reconciler(
        state,
        manager,
        frontends,
        running,
        specs,
        changes,
        events,
        control.versions.came_up,
        control.versions.did_not_come_up,
        control.scaling.scaled,
        int(kept["num_frontends"]),
    )
    supervisor = Supervisor(partial(events.add, "error"))
    observations = Observations(frontends, running, ground.token, feedback.metrics)
    series = Series(frontends, changes, feedback.regrets)
    rollouts = Rollouts(state, frontends, changes, events, reconciler.crash_loop)
    feedback.listeners.append(rollouts.hear)
    query_log, tallies = QueryLog(folder.query_log, events), Tallies()
    query_log.listeners.append(tallies.add)
    query_log.restore()
    api = API(
        specs,
        control,
        reconciler,
        frontends,
        running,
        manager,
        changes,
        events,
        observations,
        series,
        supervisor,
        rollouts,
        query_log,
        tallies,
        feedback,
    )
    server = _Server(
        changes,
        uvicorn.Config(
            api.build(),
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        ),
    )
    control.versions.collect()
    moved = [*_moved(state.get(ADDRESS), specs.for_clients[1]), *await control.protocols.begin(protocols)]
    events.add("management", f"Management of {specs.cluster_name} has started.")
    for told in moved:
        events.add("warning", told)
    serving = asyncio.create_task(server.serve(sockets=[ground.listener]), name="api")
    turns = {
        "reconciler": reconciler.turn,
        "series": series.turn,
        "rollouts": rollouts.turn,
        "feedback": feedback.turn,
    }
    beside = [
        asyncio.create_task(supervisor.keep(name, turn, lambda: changes.closed), name=name)
        for name, turn in turns.items()
    ]
    if not isinstance(manager, Orchestrator):  # which has clients that look for themselves
        announcing = _announce(
            folder,
            specs,
            frontends,
            changes,
            state,
            moved,
            lambda: [*supervisor.troubles(), *reconciler.troubles()],
        )
        beside.append(asyncio.create_task(announcing, name="announce"))
    try:
        await serving
    finally:
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await reconciler.close()
        await observations.close()
        feedback.close()
        state.close()
        lock.close()


class _Server(uvicorn.Server):
    """Ends its long polls when it is asked to end."""

    def __init__(self, changes: Changes, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._changes = changes
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._changes.close)


async def _announce(
    folder: ClusterFolder,
    specs: Specs,
    frontends: Frontends,
    changes: Changes,
    state: State,
    moved: list[str],
    troubles: Callable[[], list[str]],
) -> None:
    """Write the record once the query frontends serve, and tell whoever started this process: `up`, which
    reads its standard output. Where that cannot be, it tells why instead, and this process ends.

    From then on clients know the address; of how it has moved they are told, too.
    """
    why = ""
    try:
        if not await changes.wait_for(frontends.serving, START_S):
            why = f"No query frontend serves after {START_S:.0f} s. See its log in {folder.path}/logs."
            why = " ".join([why, *troubles()])
        else:
            state.set(ADDRESS, specs.for_clients[1])
            folder.write_record(
                ClusterRecord(
                    specs.cluster_name,
                    specs.for_clients[1],
                    specs.for_clients[0],
                    specs.token,
                    os.getpid(),
                    Identity.of(os.getpid()),
                )
            )
    except (OSError, sqlite3.Error) as error:
        why = sentence(error)
    if why and not changes.closed:
        logging.error("%s", why)
        tell_starter(why)
        os._exit(1)
    tell_starter(" ".join(["serving", *moved]))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _moved(known: str | None, query: str) -> list[str]:
    """A sentence, where clients know another address than the one at which queries are answered now."""
    if known in (None, query):
        return []
    return [
        f"Queries are answered at {query} now, and no more at {known}, where they were: another program may "
        "have that port, and clients that still ask there ask that program."
    ]


def tell_starter(line: str) -> None:
    """Whoever started this process reads one line: "serving" and what it should know, or why it does not."""
    with suppress(OSError):  # it waits no longer
        print(" ".join(line.split()), flush=True)  # noqa: T201


def _state(path: Path) -> State:
    try:
        return State(path)
    except sqlite3.Error as error:
        raise ClusterError(
            f"The state in {path} cannot be used: {error}. See that the disk has room and the folder is "
            "yours. Where the file is damaged, start_clipper(fresh=True) starts without it."
        ) from error


def _feedback(path: Path, state: State, changes: Changes, events: Events) -> Feedback:
    try:
        return Feedback(path, state, changes, events)
    except sqlite3.Error as error:
        raise ClusterError(
            f"What was learned of feedback, in {path}, cannot be used: {error}. See that the disk has room "
            "and the folder is yours. Where the file is damaged, move it away: it begins anew without it."
        ) from error


def _keep(state: State, key: str, given: int | str | None, default: int | str) -> str:
    """The setting that was given, or else the one that was kept."""
    kept = state.get(key)
    value = str(given) if given is not None else kept if kept is not None else str(default)
    if value != kept:
        state.set(key, value)
        state.next_revision()  # the frontends that outlived the last management must learn of it
    return value


def _token(state: State) -> str:
    token = state.get("token")
    if token is None:
        token = secrets.token_urlsafe(32)
        state.set("token", token)
    return token
