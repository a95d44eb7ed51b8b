"""What is said of a system that is compared: how it starts, how it is asked, and how it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / "build" / "peers"
SERVED = f"{__package__}.served"


@dataclass(frozen=True)
class Place:
    """Where a system is to start, and with what: models, free ports on 127.0.0.1, a folder, its programs."""

    models: Sequence[str]
    ports: Sequence[int]
    folder: Path
    programs: Path

    @property
    def port(self) -> int:
        """The one that it is asked at."""
        return self.ports[0]


@dataclass(frozen=True)
class Peer:
    """A system, with the settings that its documentation gives for this machine.

    `environment` is a folder in build/peers, or None for our own environment. `command` makes what the
    system wants to find in its folder, and says what to run: a process that stays, and ends on SIGTERM.
    `request` is the path and the body that ask a model for a row, `answer` the number in what comes back.
    One whose idle workers take time is started with each model `apart`.
    `needs` are programs beside the environment's. `prepare` is done once the first `listens` ports listen.
    """

    name: str
    environment: str | None
    packages: Sequence[str]
    settings: str
    command: Callable[[Place], Sequence[str | Path]]
    request: Callable[[str, Sequence[float]], tuple[str, object]]
    answer: Callable[[Any], float]
    needs: Sequence[str] = ()
    apart: bool = False
    listens: int = 1
    prepare: Callable[[Place], None] = lambda place: None
    variables: Mapping[str, str] = field(default_factory=dict)

    def programs(self, ours: Path) -> Path:
        """The folder of its programs; `ours` is that of our own environment."""
        return ours if self.environment is None else ENVIRONMENTS / self.environment / "bin"
