"""How much memory a lesson takes: all processes that share its home, together."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Event, Thread

import psutil

EVERY_S = 0.5


class Watch:
    """Looks twice a second, until `end`."""

    def __init__(self, home: str | None = None) -> None:
        self._home = home or os.environ["CLIPPERLAB_HOME"]
        self._peak = 0
        self.looks = 0
        self._stop = Event()
        self._known: dict[psutil.Process, bool] = {}
        self._thread = Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Stop looking; the most that there was, in MiB."""
        self._stop.set()
        self._thread.join()
        return self._peak / 2**20

    def _look_on(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._peak = max(self._peak, self._now())
            self.looks += 1

    def _now(self) -> int:
        """What the processes take now, in bytes."""
        here = {process: self._known.get(process) for process in psutil.process_iter()}
        self._known = {p: self._ours(p) if known is None else known for p, known in here.items()}
        return sum(_taken(process) for process, ours in self._known.items() if ours)

    def _ours(self, process: psutil.Process) -> bool:
        """The lesson's are those that were given its home: kernel, cluster, and whatever they started."""
        if process.pid == os.getpid():
            return False
        with suppress(psutil.Error, OSError):
            return process.environ().get("CLIPPERLAB_HOME") == self._home
        return False


def _taken(process: psutil.Process) -> int:
    """Its own pages, and its part of those that it shares; without Linux only its own."""
    with suppress(psutil.Error, OSError):
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.uss))
    return 0
