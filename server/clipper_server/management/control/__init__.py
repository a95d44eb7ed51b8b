"""The operations on a cluster, one noun a module.

A mutation returns when every live query frontend has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...changes import Changes
from ...places import ContainerManager, Ports
from ...snapshot import Snapshot
from ..artifacts import Artifacts
from ..events import Events
from ..frontends import Frontends
from ..running import Running
from ..state import State, Version
from . import snapshot
from .applications import Applications
from .current import Current
from .feedback import Feedback
from .labels import Labels
from .policies import Policies
from .protocols import Protocols
from .publisher import Publisher
from .rollouts import Rollouts
from .scaling import Scaling
from .shadows import Shadows
from .stopping import Stopping
from .versions import Versions


class Control:
    """Everything that changes the desired state.

    `collect` is called when an application collects feedback from now on, and `forget` with the name of one
    that is removed.
    """

    def __init__(
        self,
        state: State,
        artifacts: Artifacts,
        manager: ContainerManager,
        ports: Ports,
        frontends: Frontends,
        running: Running,
        changes: Changes,
        events: Events,
        replica_token: Callable[[Version], str],
        collect: Callable[[], None],
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self.state = state
        self.artifacts = artifacts
        self._running = running
        self._replica_token = replica_token
        publisher = Publisher(state, frontends, changes, events)
        stopping = Stopping(state, running, changes, events)
        self.applications = Applications(state, publisher, forget)
        self.policies = Policies(state, publisher, collect)
        self.feedback = Feedback(state, publisher, collect)
        self.versions = Versions(
            *(state, artifacts, manager, frontends, changes, events, publisher, stopping)
        )
        self.rollouts = Rollouts(state, frontends, publisher)
        self.current = Current(state, publisher, self.rollouts)
        self.labels = Labels(state, publisher)
        self.shadows = Shadows(state, frontends, publisher)
        self.protocols = Protocols(state, ports, frontends, changes, publisher)
        self.scaling = Scaling(state, manager, publisher, stopping)

    def snapshot(self) -> Snapshot:
        return snapshot.of(self.state, self._running, self._replica_token, self.versions.small_example)
