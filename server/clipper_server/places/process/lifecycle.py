"""Brings a cluster of processes up and down. Both may be called at any time, by anyone, again."""

from __future__ import annotations

import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipper_container.errors import ClusterError

from ...cluster import ClusterFolder, ClusterRecord
from ...identity import Identity, end
from .manager import ProcessContainerManager

START_S = 40.0
GRACE_S = 10.0


def up(path: Path, options: Sequence[str], *, fresh: bool) -> tuple[ClusterRecord, bool, str]:
    """See to it that management runs and the cluster serves; also return whether it had to be started, and
    what is to be told: that it is at another address than before.

    `options` are those of `management`. `fresh` first removes whatever an earlier run left. Raises
    ClusterError.
    """
    if fresh:
        down(path, purge=True)
    folder = ClusterFolder(path)
    folder.make()
    with _only_one(folder):
        record = folder.record()
        if record is not None and _answers(record):
            return record, False, ""
        if record is not None:
            end([record.identity], GRACE_S)  # it hangs, or is dead already
        moved = _start(folder, options)
        record = folder.record()
        assert record is not None
        return record, True, moved


def down(path: Path, *, purge: bool, now: bool = False) -> int:
    """End every process of the cluster, management first; return how many there were.

    `now` kills them, and does not let them answer what they have.
    """
    grace_s = 0.0 if now else GRACE_S
    folder = ClusterFolder(path)
    if not folder.path.is_dir():
        return 0
    with _only_one(folder):
        record = folder.record()
        ended = 0
        if record is not None and record.identity.process() is not None:
            ended = 1
            if not end([record.identity], grace_s):
                raise ClusterError(f"Management, process {record.pid}, does not end. End it by hand.")
        folder.record_path.unlink(missing_ok=True)
        ended += ProcessContainerManager(folder.path).stop_all(grace_s)
        if purge:
            shutil.rmtree(folder.path)
    return ended


@contextmanager
def _only_one(folder: ClusterFolder) -> Iterator[None]:
    """Two that bring the same cluster up or down take turns."""
    lock = folder.lock("lifecycle", wait=True)
    assert lock is not None
    with lock:
        yield


def _answers(record: ClusterRecord) -> bool:
    return record.identity.process() is not None and record.answers()


def _start(folder: ClusterFolder, options: Sequence[str]) -> str:
    """Start management as a process of its own, and wait for its word that the cluster serves; returns what
    else it says.

    Where it does not, what it has started ends; but not query frontends that served before, on their own.
    """
    served = ProcessContainerManager(folder.path).serves()
    command = [
        sys.executable,
        "-P",
        "-m",
        "clipper_server",
        "management",
        "process",
        "--folder",
        str(folder.path),
    ]
    command += options
    with folder.management_log.open("ab") as log:
        began = log.tell()
        management = subprocess.Popen(
            command,
            cwd=folder.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert management.stdout is not None
    with selectors.DefaultSelector() as selector, management.stdout as pipe:
        selector.register(pipe, selectors.EVENT_READ)
        give_up = time.monotonic() + START_S
        said = selector.select(max(0.0, give_up - time.monotonic())) and pipe.readline()
    line = said.decode(errors="replace").strip() if said else ""
    word, _, more = line.partition(" ")
    if word == "serving":
        management.returncode = 0  # it lives on, and is nobody's child to wait for
        return more
    with folder.management_log.open("rb") as log_again:
        log_again.seek(began)
        words = log_again.read()[-2000:].decode(errors="replace").strip()
    if management.poll() is None:
        end([Identity.of(management.pid)], GRACE_S)
        management.wait()
    if not served:
        ProcessContainerManager(folder.path).stop_all()
    last = line or (words.splitlines()[-1] if words else "It said nothing.")
    raise ClusterError(f"The cluster did not start. {last} (The whole log is {folder.management_log}.)")
