"""What a lesson takes: memory and processor time of all processes that share its home, together."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread

import psutil

EVERY_S = 0.5
YOUNG_S = 10.0


@dataclass(frozen=True)
class Taken:
    """Memory at its peak, and seconds of one core."""

    mib: float = 0.0
    cpu_s: float = 0.0


class Watch:
    """Looks twice a second, until `end`."""

    def __init__(self, home: str | None = None) -> None:
        self._home = home or os.environ["CLIPPERLAB_HOME"]
        self._peak = 0
        self._seconds: dict[psutil.Process, float] = {}
        self._stop = Event()
        self._known: dict[psutil.Process, bool] = {}
        self.looks = 0
        self._thread = Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def end(self) -> Taken:
        """Stop looking; what was taken meanwhile, but for processes that came and went between two looks."""
        self._stop.set()
        self._thread.join()
        return Taken(self._peak / 2**20, sum(self._seconds.values()))

    def _look_on(self) -> None:
        while not self._stop.wait(EVERY_S):
            here = {process: self._known.get(process) for process in psutil.process_iter()}
            self._known = {
                p: is_of(p, self._home) if known is None or (not known and is_young(p)) else known
                for p, known in here.items()
            }
            ours = [process for process, known in self._known.items() if known]
            self._peak = max(self._peak, sum(map(memory_of, ours)))
            self._seconds |= {process: cpu_of(process) for process in ours if cpu_of(process)}
            self.looks += 1


def is_of(process: psutil.Process, home: str) -> bool:
    """Whether it was given this home: a lesson's kernel, its cluster, and whatever they started."""
    if process.pid == os.getpid():
        return False
    with suppress(psutil.Error, OSError):
        return process.environ().get("CLIPPERLAB_HOME") == home
    return False


def is_young(process: psutil.Process) -> bool:
    """Whether Linux may yet show the environment of the program that started it, or none."""
    with suppress(psutil.Error, OSError):
        return time.time() - process.create_time() < YOUNG_S
    return False


def memory_of(process: psutil.Process) -> int:
    """Its own pages, and its part of those that it shares, in bytes; without Linux only its own."""
    with suppress(psutil.Error, OSError):
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.uss))
    return 0


def cpu_of(process: psutil.Process) -> float:
    """Seconds of one core so far."""
    with suppress(psutil.Error, OSError):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
