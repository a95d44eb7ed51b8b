"""Processes that a notebook forks, as a multiprocessing.Pool does; and a load's own, which it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVER = """
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"%d" % self.client_address[1]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
address = "127.0.0.1:%d" % server.server_port
"""

CONNECTIONS = (
    SERVER
    + """
from types import SimpleNamespace
from clipperlab.lessons import Bench

bench = Bench("01", exercise=False, cluster=False, conn=SimpleNamespace(get_query_addr=lambda: address))
ours = bench.http.get("/").json()
if not (pid := os.fork()):
    os._exit(bench.http.get("/").json() == ours)
assert os.waitpid(pid, 0)[1] == 0, "two processes on one connection"
assert bench.http.get("/").json() == ours
"""
)

WHILE_LOCKED = (
    SERVER
    + """
from clipperlab.management import Management
from clipperlab.places import ClusterRecord

management = Management(ClusterRecord("c", "", address, "token"))
ours = management._call("GET", "/")
held, go_on = threading.Event(), threading.Event()

def hold():
    with management._http._transport._pool._optional_thread_lock:
        held.set()
        go_on.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
if not (pid := os.fork()):
    management._call("GET", "/")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
"""
)

FORWARDING = """
import os, threading
from clipperlab import KubernetesContainerManager

manager = KubernetesContainerManager("c")
manager._forwards["query:1337"] = forward = object()
held, go_on = threading.Event(), threading.Event()

def hold():
    with manager._forwarding:  # as a watch does while a port-forward comes about
        held.set()
        go_on.wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
if not (pid := os.fork()):
    manager.left(["127.0.0.1:1337"])  # which would wait for the forward's own thread
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert manager._forwards == {"query:1337": forward}
go_on.set()
"""

HELD = """
import os

def fork_one_that_stays():
    told, tell = os.pipe()
    if not os.fork():
        os.close(tell)
        os.read(told, 1)  # until the parent ends
        os._exit(0)
"""

LOAD = (
    SERVER
    + HELD
    + """
from clipperlab.load import LoadRun

url = f"http://{address}/"
few = {"arrivals": "constant", "objective_ms": 100, "cache": True, "connections": 2}
run = LoadRun("a", url, [1.0], rate=1, seconds=3600, **few)
fork_one_that_stays()
run.stop()
assert run._over.wait(100), "it does not hear that it is stopped"
"""
)

INTERRUPTED = (
    SERVER
    + """
import signal
from clipperlab.load import LoadRun

url = f"http://{address}/"
few = {"arrivals": "constant", "objective_ms": 100, "cache": True, "connections": 2}
run = LoadRun("a", url, [1.0], rate=50, seconds=3600, **few)
goes_on = threading.Event()
run.listen(goes_on.set)
assert goes_on.wait(100)
signal.signal(signal.SIGINT, lambda *_: None)  # another cell's
os.killpg(0, signal.SIGINT)  # as Jupyter does
goes_on.clear()
assert goes_on.wait(100)
assert run.running, run._trouble
wait = run._over.wait

def interrupted(_):
    run._over.wait = wait
    raise KeyboardInterrupt

run._over.wait = interrupted
try:
    run.result()
except KeyboardInterrupt:
    pass
assert run.result(100)["sent"]  # whoever waits no more wants no more
"""
)

OTHERS = """
import os
from clipperlab import forked

class Owner:
    left = False

    def leave(self):
        self.left = True

class Broken(Owner):
    def leave(self):
        raise OSError("too many open files")

owners = [Owner(), Broken(), Owner(), Broken(), Owner()]
for owner in owners:
    forked.in_child(owner.leave)
gone = Owner()
forked.in_child(gone.leave)
del gone
if not (pid := os.fork()):
    os._exit(not all(owner.left for owner in owners if type(owner) is Owner))
assert os.waitpid(pid, 0)[1] == 0, "one that fails keeps the others from it"
assert not any(owner.left for owner in owners)
"""

LESSONS_SERVER = (
    HELD
    + """
from clipperlab.lessons.live.server import Server

class Sleeps(Server):
    def __init__(self):
        super().__init__()
        self.signal = "TERM"
        self._begin(["sleep", "3600"], lambda: True, OSError)

server = Sleeps()
fork_one_that_stays()
server.close()
assert server._guard.returncode == 0, "its guard does not hear that it is closed"
"""
)


@pytest.mark.parametrize(
    "program",
    [CONNECTIONS, WHILE_LOCKED, FORWARDING, OTHERS, LOAD, LESSONS_SERVER],
    ids=["connections", "while locked", "while forwarding", "others", "a load's pipe", "a server's pipe"],
)
def test_a_forked_process_has_no_part_in_it(program: str) -> None:
    _run(program)


def test_an_interrupt_of_another_cell_is_not_the_loads() -> None:
    _run(INTERRUPTED)


def _run(program: str) -> None:
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True)
    assert ended.returncode == 0, ended.stderr
    assert "Exception ignored" not in ended.stderr
