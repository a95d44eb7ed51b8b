"""What a process has started, and left behind: known by its session, and by what its environment says.

A process that started a session of its own has still the environment that it was given; one that cleaned its
environment is still in the session. Nothing is known of one that did both.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress

import psutil

from ...identity import DEATH_S, Identity

ASKED_S = 1.0  # between asking them and killing them
MARK = "CLIPPER_LAST_WORDS"  # each of our processes has another one, for ever


def end_left_by(ended: Collection[Identity], marked: Callable[[str], bool]) -> bool:
    """End what these processes have left, and what has such a mark: ask, then kill; whether all have ended.

    Leaves alone those of `ended` that still run. Blocks: for a moment where nothing is left.
    """
    for how, wait_s in ((signal.SIGTERM, ASKED_S), (signal.SIGKILL, DEATH_S)):
        left = _left_by(ended, marked)
        for process in left:
            with suppress(psutil.Error):
                process.send_signal(how)
        give_up = time.monotonic() + wait_s
        while (left := [process for process in left if _runs(process)]) and time.monotonic() < give_up:
            time.sleep(0.01)
    return not _left_by(ended, marked)  # one that was just forking has left another one


def _left_by(ended: Collection[Identity], marked: Callable[[str], bool]) -> list[psutil.Process]:
    running = {identity.pid for identity in ended if identity.process()} | {os.getpid()}
    # While anything is left in a session no other process gets its number: one that has it is its leader, or
    # nothing is left.
    sessions = {identity.pid for identity in ended if identity.is_free()} - running
    left = []
    for process in psutil.process_iter():
        if process.pid not in running:
            with suppress(psutil.Error, OSError):
                ours = os.getsid(process.pid) in sessions or marked(process.environ().get(MARK, ""))
                if ours and _runs(process):
                    left.append(process)
    return left


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
