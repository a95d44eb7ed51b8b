"""Knows a process again: by pid, start time and boot, never by pid alone."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import msgspec
import psutil

DEATH_S = 5.0  # a killed process may take a while to give back its memory


class Identity(msgspec.Struct, frozen=True):
    pid: int
    started: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Raises psutil.NoSuchProcess where there is none."""
        return cls(pid, _started(pid), _boot())

    def process(self) -> psutil.Process | None:
        """The process, while it runs; None when it has ended, even if its pid is in use again."""
        if self.boot != _boot():
            return None
        try:
            process = psutil.Process(self.pid)
            if _started(self.pid) != self.started or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process

    def is_free(self) -> bool:
        """Whether no other process has had its pid since."""
        if self.boot != _boot():
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return _started(self.pid) == self.started
        return True


def end(processes: list[Identity], grace_s: float) -> bool:
    """Ask the processes to end, kill those that have not after `grace_s`; whether all have ended.

    Without grace they are killed at once.

    One that nobody has reaped yet has ended: who its parent is, and when that looks, is not our matter.
    """
    for how in (signal.SIGTERM, signal.SIGKILL) if grace_s else (signal.SIGKILL,):
        for identity in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process := identity.process():
                    process.send_signal(how)
        give_up = time.monotonic() + (grace_s or DEATH_S)
        while any(identity.process() for identity in processes):
            if time.monotonic() > give_up:
                break
            time.sleep(0.01)
        else:
            return True
    return False


def _started(pid: int) -> str:
    """The start time; on Linux in clock ticks since boot, which no correction of the clock moves."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return str(psutil.Process(pid).create_time())


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return str(int(psutil.boot_time()))
