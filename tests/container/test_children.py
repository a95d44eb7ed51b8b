"""Processes that a model forks, while the replica's other threads are at work."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIGNALLED_AT_ONCE = """
import os, signal, sys

told, tell = os.pipe()
os.register_at_fork(after_in_child=lambda: os.read(told, 1))  # the child has begun, and got no further

from clipper_container import children

children.watch()
children.handle(signal.SIGTERM, lambda *_: None)
if not (pid := os.fork()):
    os._exit(7)
os.kill(pid, signal.SIGTERM)
os.write(tell, b"!")
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), "it is as it was"
os.kill(os.getpid(), signal.SIGTERM)  # which the replica takes as ever
"""

WHILE_LOCKED = """
import os, threading

from clipper_container import log, metrics

log.keep()
metrics.add_metric("seen", "Counter", "")
held, go_on = threading.Event(), threading.Event()

def hold():
    with metrics.ours._lock:
        held.set()
        go_on.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
if not (pid := os.fork()):
    metrics.report_metric("seen", 1)
    log.say("from the child")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
"""


@pytest.mark.parametrize(
    "program", [SIGNALLED_AT_ONCE, WHILE_LOCKED], ids=["signalled at once", "while locked"]
)
def test_a_forked_process_ends_as_in_a_script(program: str) -> None:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
