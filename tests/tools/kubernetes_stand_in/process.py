"""One run of a container: a process of this machine, in a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from pathlib import Path

import psutil

from . import logs

LOOK_S = 0.25
ALL_EVERY = 4  # looks, for whoever wants to know a process's children looks at all processes of the machine
INSIDE = Path(__file__).parent / "inside"


class Process:
    """`run` returns the exit code (128 + n where signal n ended it), whether memory ran out or not."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path, log: Path) -> None:
        self._words, self._environment, self._folder, self._log = words, environment, folder, log
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.out_of_memory = False

    async def start(self) -> None:
        """Raises OSError where there is no such program."""
        # Not asyncio's own pipe: with that, a process has not ended before all that it started has.
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._keeping = asyncio.create_task(logs.keep(reading, self._log), name="log of a container")

    async def wait(self, memory: float | None) -> int:
        """Until it has ended; `memory` in bytes is its limit."""
        assert self._process is not None
        assert self._keeping is not None
        watching = asyncio.create_task(self._watch(memory)) if memory else None
        try:
            code = await self._process.wait()
            self.kill()  # what it started ends with it, as in a container
            await self._keeping
        finally:
            self.ended.set()
            for task in (self._keeping, watching):
                if task is not None:
                    task.cancel()
        return 128 - code if code < 0 else code

    async def _watch(self, memory: float) -> None:
        """As the kernel does where a container's memory is limited, if less exactly."""
        for look in itertools.count(1):
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(psutil.Error):
                assert self._process is not None
                whole = psutil.Process(self._process.pid)
                others = [] if look % ALL_EVERY else whole.children(recursive=True)
                used = sum(process.memory_info().rss for process in [whole, *others])
                if used > memory:
                    self.out_of_memory = True
                    self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def terminate(self) -> None:
        """SIGTERM, to the first process alone."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, to all of its session."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def once(
    words: list[str], environment: dict[str, str], folder: Path, timeout_s: float
) -> tuple[int, str]:
    """Run a command in a container (a probe's, say): its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        return 1, f"command timed out after {timeout_s:g}s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode or 0, said.decode(errors="replace").strip()
