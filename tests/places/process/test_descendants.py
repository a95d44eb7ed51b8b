"""What a replica has started ends with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from clipper_server.identity import Identity
from clipper_server.places.process import manager as process_module
from clipper_server.places.process.descendants import end_left_by
from clipper_server.places.process.manager import ProcessContainerManager
from tests.places.process.test_manager import LOST
from tests.support.clusters import lives
from tests.support.waiting import wait_for

pytestmark = pytest.mark.anyio

PARENT = """
import os, signal, subprocess, sys, time
from pathlib import Path

ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
waits = [sys.executable, "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
stdin = os.pipe()[0]
plain = subprocess.Popen(waits, stdin=stdin, stdout=subprocess.DEVNULL)
stubborn = subprocess.Popen(waits, stdin=stdin, stdout=subprocess.DEVNULL, preexec_fn=ignore)
escaped = subprocess.Popen(waits, stdin=stdin, stdout=subprocess.PIPE, start_new_session=True)
escaped.stdout.read(1)  # only now Linux surely shows its environment, by which it is known
forked = os.fork()
if not forked:
    signal.pause()
pids = [plain.pid, stubborn.pid, escaped.pid, forked]
Path(sys.argv[1]).with_suffix(".new").write_text(" ".join(map(str, pids)))
Path(sys.argv[1]).with_suffix(".new").rename(sys.argv[1])
signal.pause()
"""


def family(folder: Path, mark: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A process that leads a session, and all that it has started."""
    children = folder / "children"
    children.unlink(missing_ok=True)
    command = [sys.executable, "-S", "-c", PARENT, str(children)]
    environment = {**os.environ, "CLIPPER_LAST_WORDS": mark}
    parent = subprocess.Popen(command, start_new_session=True, env=environment)
    wait_for("its children", children.exists)
    return parent, [psutil.Process(int(pid)) for pid in children.read_text().split()]


def test_what_is_left_is_asked_and_then_killed(tmp_path: Path) -> None:
    mark = str(tmp_path / "words")
    parent, children = family(tmp_path, mark)
    identity = Identity.of(parent.pid)
    assert end_left_by([identity], lambda _: False)
    assert all(lives(child) for child in children)  # it still runs, so nothing is left of it
    parent.kill()
    parent.wait()
    stranger = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
    assert end_left_by([identity], mark.__eq__)
    assert not any(lives(child) for child in children)
    assert lives(psutil.Process(stranger.pid))
    stranger.kill()
    stranger.wait()


def test_a_process_that_has_the_number_of_one_that_ended_is_left_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; signal.pause()"], start_new_session=True
    ) as other:
        now = Identity.of(other.pid)
        before = [Identity(now.pid, "long ago", now.boot), Identity(now.pid, now.started, "another boot")]
        assert end_left_by(before, lambda _: False)
        assert lives(psutil.Process(other.pid))
        other.kill()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[psutil.Process]]:
    """Replicas are a family each here. What the last one has started."""
    children = tmp_path / "children"
    module = tmp_path / "family_of_processes.py"
    module.write_text(f"import sys\nsys.argv[1:] = [{str(children)!r}]\n{PARENT}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(process_module._MODULES, "replica", module.stem)

    def look() -> list[psutil.Process]:
        wait_for("its children", children.exists)
        return [psutil.Process(int(pid)) for pid in children.read_text().split()]

    return look


@pytest.mark.parametrize("how", ["stopped", "killed", "after another management", "all"])
async def test_a_replica_and_all_it_started_are_one(
    how: str, started: Callable[[], list[psutil.Process]], tmp_path: Path
) -> None:
    manager = ProcessContainerManager(tmp_path)
    await manager.start(LOST)
    children = started()
    (status,) = await manager.poll()
    child = manager._children[LOST.name]
    work = tmp_path / "work" / LOST.name
    assert psutil.Process(status.pid).cwd() == str(work)
    if how == "stopped":
        await manager.stop(LOST.name)
    elif how == "all":
        assert manager.stop_all(5.0) == 1
    else:
        os.kill(status.pid, signal.SIGKILL)
        if how == "after another management":
            child.wait()
            manager = ProcessContainerManager(tmp_path)

        async def ended() -> bool:
            (status,) = await manager.poll()
            return status.exit_code is not None

        while not await ended():
            pass
    if how != "all":
        await manager.forget(LOST.name)
    assert not any(lives(each) for each in children)
    assert not work.exists()
    child.wait()
