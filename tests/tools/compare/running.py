"""A system while it runs, and its end: with all that it started, by their pids, also after a failure."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from tests.support.ports import free_port
from tests.tools.benchmarks.echo import listens

from .asking import Asked, LeftOut
from .peer import ROOT, Peer, Place
from .served.models import FOLDER
from .workloads import Task

MARK = "COMPARE_RUN"
"""The variable by which what a system started is known, whatever has become of its parents."""
START_S, END_S = 120, 20
PORTS = 5
"""Of each: multi-model-server takes none above 32,767."""
LAST_WORDS = 300


@contextmanager
def running(peer: Peer, shared: Path, tasks: Mapping[str, Task]) -> Iterator[Asked]:
    """The system, once each model answers. Raises LeftOut, with its last words, where something goes wrong.

    `shared` has what the models read.
    """
    programs = _programs(peer)
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="compare-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ports: list[int] = []
        while len(ports) < PORTS:
            ports.append(free_port(ports))
        place = Place([*tasks], ports, Path(folder), programs)
        log = place.folder / "log"
        environment = {
            **os.environ,
            **peer.variables,
            FOLDER: str(shared),
            MARK: mark,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": folder,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                peer.command(place),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        system = Asked(peer, f"http://127.0.0.1:{place.port}")
        try:
            _wait(process, "listen", lambda: all(map(listens, place.ports[: peer.listens])))
            peer.prepare(place)
            for model, task in tasks.items():
                _wait(process, f"answer right for {model}", partial(system.is_ready, model, task))
            yield system
        except (LeftOut, OSError, subprocess.SubprocessError) as error:
            raise LeftOut(f"{error}. {_last_words(log)}") from None
        finally:
            _end(process, mark)


def _programs(peer: Peer) -> Path:
    """Where its programs are. Raises LeftOut where it, or what it needs, is not here."""
    programs = peer.programs(Path(sys.executable).parent)
    if not (programs / "python").exists():
        raise LeftOut(f"Its environment is not made: `make build/peers/{peer.environment}/.made` does it.")
    if missing := [program for program in peer.needs if shutil.which(program) is None]:
        raise LeftOut(f"It needs {' and '.join(missing)}, which is not here.")
    return programs


def _wait(process: subprocess.Popen[bytes], what: str, look: Callable[[], bool]) -> None:
    give_up = time.monotonic() + START_S
    while not look():
        if process.poll() is not None:
            raise LeftOut(f"It ended with status {process.returncode}")
        if time.monotonic() > give_up:
            raise LeftOut(f"It did not {what} within {START_S} s")
        time.sleep(0.05)


def _last_words(log: Path) -> str:
    """The end of what it wrote, on one line."""
    said = " ".join(log.read_text(errors="replace").split())
    return f"Its last words: {said[-LAST_WORDS:]}" if said else "It said nothing."


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)  # some hide their environment
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        left = {*started, *_marked(mark)}
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for one in left:
                with suppress(psutil.NoSuchProcess):
                    end(one)
            _, alive = psutil.wait_procs([*left], END_S)
            left = set(alive)
    process.kill()
    process.wait(END_S)


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                yield process
