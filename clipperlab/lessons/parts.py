"""Parts that some lessons need, and that a machine may lack."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from .. import doctor
from .live.installed import postgres_programs, redis_server


@dataclass(frozen=True)
class Part:
    """`there` says whether this machine has it; `how` one gets it, or does without."""

    name: str
    lesson: str
    there: bool
    how: str

    def __str__(self) -> str:
        if self.there:
            return f"here     {self.name}, for lesson {self.lesson}"
        return f"missing  {self.name}, for lesson {self.lesson}. {self.how}"


def parts() -> list[Part]:
    """Every part that not all machines have, in the order of the lessons.

    Takes a second, and three more where there is a kubeconfig whose cluster does not answer.
    """
    return [Part(name, lesson, look(), how) for name, lesson, look, how in _PARTS]


def _command(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _library(name: str) -> Callable[[], bool]:
    return lambda: find_spec(name) is not None


_PARTS: list[tuple[str, str, Callable[[], bool], str]] = [
    ("curl", "01", _command("curl"), "Install it: on Debian, `apt install curl`."),
    (
        "torch",
        "08",
        _library("torch"),
        'Install it into this environment: `pip install "clipperlab[torch]"`. Without a GPU the build for '
        "CPUs is enough, and much smaller: PyTorch's own page says how to get it.",
    ),
    (
        "gpu",
        "08",
        lambda: doctor.gpu().state == "good",
        "That lesson runs on the CPU then.",
    ),
    ("redis", "10", lambda: redis_server() is not None, "Install it: on Debian, `apt install redis-server`."),
    (
        "postgresql",
        "10",
        lambda: postgres_programs() is not None,
        "Install it: on Debian, `apt install postgresql`.",
    ),
    (
        "psycopg",
        "10",
        lambda: all(find_spec(client) is not None for client in ("psycopg", "redis")),
        'Install it and the client of Redis: `pip install "clipperlab[workshop]"`.',
    ),
    (
        "docker",
        "11",
        lambda: doctor.docker().state == "good",
        "Start a Docker engine, or read that lesson without running it.",
    ),
    (
        "kubernetes",
        "13",
        lambda: doctor.kubernetes().state == "good",
        "`kind create cluster` makes one upon Docker; or read that lesson without running it.",
    ),
]
