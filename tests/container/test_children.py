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


CONNECTED = """
import os, socket

from clipper_container import wire
from clipper_container.links import Links

frontend = socket.create_server(("127.0.0.1", 0))
port = frontend.getsockname()[1]
links = Links(f"localhost:{port}", wire.Hello(wire.WIRE_VERSION, "token", "m", "1", "0", 1))
try:
    links._addresses.dial(f"127.0.0.1:{port}")
except BlockingIOError:
    pass
connection, _ = frontend.accept()
while not links._addresses._open:  # connected, and not taken yet
    os.sched_yield()
told, tell = os.pipe()
if not os.fork():
    os.close(tell)
    connection.close()
    os.read(told, 1)  # until the parent ends
    os._exit(0)
links._addresses.close()
connection.settimeout(10)
assert connection.recv(1) == b"", "who is on the other side sees its end"
"""


@pytest.mark.parametrize(
    "program",
    [SIGNALLED_AT_ONCE, WHILE_LOCKED, CONNECTED],
    ids=["signalled at once", "while locked", "connected"],
)
def test_a_forked_process_is_as_in_a_script(program: str) -> None:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
