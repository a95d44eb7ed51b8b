"""A throw-away server for a lesson, which nobody else sees, and which leaves nothing.

It has a temporary folder, and ends with `close()`, and where this process ends or is killed: its guard, a
line of shell, waits for the end of a pipe that only this process holds open.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ... import forked

START_S = 30.0
END_S = 10.0
GUARD = 'cd "$0"; "$@" </dev/null >server.log 2>&1 & cat >/dev/null; kill -%s $!; wait $!; cd /; rm -rf "$0"'


class Server:
    """A server process with a temporary folder of its own. `user` is whose it is, where not ours.

    The shell has its programs ignore SIGINT until they say what to do with it: those that take a while have
    another `signal`.
    """

    signal = "INT"

    def __init__(self, user: str | None = None) -> None:
        # Not the system's own choice: macOS gives a path that is too long for a socket in it.
        self.folder = Path(tempfile.mkdtemp(prefix="clipper-live-", dir="/tmp"))
        self._user = user
        if user is not None:
            shutil.chown(self.folder, user)
        self._guard: subprocess.Popen[bytes] | None = None
        forked.in_child(self._leave_to_parent)

    def _begin(
        self, command: Sequence[str | Path], answers: Callable[[], object], not_yet: type[Exception]
    ) -> None:
        """Run the command in the folder until it `answers`, which raises `not_yet` or an OSError before."""
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD % self.signal, self.folder, *command],
            stdin=subprocess.PIPE,
            cwd="/",
            user=self._user,
            group=self._user,
            start_new_session=True,  # an interrupted kernel passes Ctrl+C on to its process group
        )
        give_up = time.monotonic() + START_S
        while True:
            try:
                answers()
                return
            except (OSError, not_yet) as error:
                if time.monotonic() > give_up:
                    log = self.folder.joinpath("server.log").read_text(errors="replace")[-1000:]
                    self.close()
                    raise TimeoutError(f"{command[0]} does not answer in {START_S:.0f} s: {log}") from error
                time.sleep(0.02)

    def _leave_to_parent(self) -> None:
        """In a forked process: its guard waits for the parent's end, and not for this one's."""
        if self._guard is not None:
            forked.let_go(self._guard.stdin)

    def close(self) -> None:
        """End the server and remove its folder. May be called twice."""
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
            try:
                self._guard.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._guard.pid, signal.SIGKILL)
                self._guard.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
