"""A JupyterHub with learners who run lessons 01 and 06 at once: `python -m tests.tools.hub --learners 4`.

The hub is installed beside this environment, into a folder that goes with the run (`--parts FOLDER` keeps
it), and its proxy with npm. Each learner has a home, a copy of the lessons and a server of their own, as on
a machine that they share; every cell goes through that server. Told are the seconds and the memory of each,
and whether one was in another's way.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import nbformat
import websocket

from clipperlab.lessons.copies import copy_out
from tests.support.home import end_clusters
from tests.support.ports import free_port
from tests.support.usage import Taken, Watch
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
LESSONS = ("01_serve_a_model_in_five_minutes", "06_scale_out")
CELL_S = 300.0
COMES_UP_S = 180.0
# The environment of this script, behind the hub's own packages: a learner's server and kernels use both.
BEHIND = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
CONFIG = """
import os
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{node_proxy!r}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.cmd = ["{bin}/jupyterhub-singleuser"]
c.Spawner.args = {arguments!r}
c.Spawner.http_timeout = c.Spawner.start_timeout = {seconds}
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.environment = {{
    "CLIPPERLAB_HOME": lambda spawner: f"{folder}/{{spawner.user.name}}/c",
    "JUPYTER_PATH": {data!r},
    "JUPYTER_CONFIG_PATH": {settings!r},
}}
c.JupyterHub.services = [{{"name": "script", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "script", "services": ["script"], "scopes": ["admin:users", "admin:servers", "access:servers"]}}
]
"""


@dataclass
class Learner:
    """What one of them took, and what went wrong for them."""

    name: str
    home: Path
    seconds: dict[str, float] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)
    wrong: list[str] = field(default_factory=list)


class Kernel:
    """A kernel of a learner's server, asked over its websocket as JupyterLab does."""

    def __init__(self, server: str, headers: dict[str, str], folder: str) -> None:
        answer = httpx2.post(
            f"{server}/api/kernels",
            json={"name": "python3", "path": folder},
            headers=headers,
            timeout=COMES_UP_S,
            trust_env=False,
        )
        answer.raise_for_status()
        self._url, self._headers = f"{server}/api/kernels/{answer.json()['id']}", headers
        address = self._url.replace("http://", "ws://") + "/channels"
        self._socket = websocket.create_connection(
            address, timeout=CELL_S, header=headers, http_no_proxy=["127.0.0.1"]
        )

    def run(self, source: str) -> str:
        """Run a cell; "" or what it raised."""
        id, raised = uuid.uuid4().hex, ""
        header = {
            "msg_id": id,
            "msg_type": "execute_request",
            "session": id,
            "username": "",
            "version": "5.3",
        }
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        message = {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
        }
        self._socket.send(json.dumps(message))
        while True:
            told = json.loads(self._socket.recv())
            if told["parent_header"].get("msg_id") != id:
                continue
            if told["msg_type"] == "error":
                raised = f"{told['content']['ename']}: {told['content']['evalue'][:300]}"
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                return raised

    def end(self) -> None:
        self._socket.close()
        httpx2.delete(self._url, headers=self._headers, timeout=60, trust_env=False)


class Ports:
    """Looks every second at which clusters there are, and whether two of them have one port."""

    def __init__(self, learners: list[Learner]) -> None:
        self._learners = learners
        self._stop = Event()
        self.most = 0
        self.clashes: set[str] = set()
        self._thread = Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def _look_on(self) -> None:
        while not self._stop.wait(1.0):
            self.look()

    def look(self) -> None:
        ports: Counter[str] = Counter()
        for learner in self._learners:
            for path in learner.home.glob("c/*/cluster.json"):
                try:
                    record = json.loads(path.read_text())
                except (OSError, ValueError):  # on its way, or away
                    continue
                ports.update([record["query"], record["management"]])
        self.most = max(self.most, ports.total() // 2)
        self.clashes.update(port for port, count in ports.items() if count > 1)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=4)
    parser.add_argument("--parts", type=Path, default=None)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hub-", dir="/tmp") as name:
        folder = Path(name)
        parts = install((options.parts or folder / "parts").resolve())
        learners = [Learner(f"u{n}", folder / f"u{n}") for n in range(options.learners)]
        for learner in learners:
            (learner.home / "c").mkdir(parents=True)
            copy_out(learner.home)
        token = secrets.token_hex(16)
        try:
            with hub(folder, parts, token) as url, ThreadPoolExecutor(len(learners)) as pool:
                ports, began = Ports(learners), time.monotonic()
                list(pool.map(lambda learner: learn(url, token, learner), learners))
                took = time.monotonic() - began
                ports.end()
        finally:
            for learner in learners:
                end_clusters(learner.home / "c")
    for learner in learners:
        seconds = ", ".join(f"{what} {s:.0f} s" for what, s in learner.seconds.items())
        _say(
            f"{learner.name}: {learner.taken.mib:6,.0f} MiB {learner.taken.cpu_s:5.0f} s of a core  {seconds}"
        )
        for wrong in learner.wrong:
            _say(f"  {wrong}")
    total = sum(learner.taken.mib for learner in learners)
    _say(f"{len(learners)} learners at once: {took:.0f} s, {total:,.0f} MiB at their peaks together")
    _say(f"{ports.most} clusters at one time; ports that two of them had: {sorted(ports.clashes) or 'none'}")
    sys.exit(bool(ports.clashes or any(learner.wrong for learner in learners)))


def install(parts: Path) -> Path:
    """JupyterHub and its proxy, where they are not there yet."""
    if not (parts / "env/bin/jupyterhub").exists():
        subprocess.run([sys.executable, "-m", "venv", parts / "env"], check=True)
        pip = [str(parts / "env/bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), "jupyterhub"], check=True)
    if not (parts / "node_modules/.bin/configurable-http-proxy").exists():
        npm = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(parts), "configurable-http-proxy"]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)
    (site,) = (parts / "env/lib").glob("python*/site-packages")
    (site / "behind.pth").write_text(BEHIND)
    return parts


@contextmanager
def hub(folder: Path, parts: Path, token: str) -> Iterator[str]:
    """Its public address. With the block it ends, and all that it started but clusters."""
    public = free_port()
    own = free_port([public])
    proxy = free_port([public, own])
    config = folder / "jupyterhub_config.py"
    config.write_text(
        CONFIG.format(
            public=public,
            hub=own,
            proxy=proxy,
            node_proxy=str(parts / "node_modules/.bin/configurable-http-proxy"),
            folder=folder,
            bin=parts / "env/bin",
            arguments=["--allow-root"] if os.geteuid() == 0 else [],
            seconds=int(COMES_UP_S),
            data=f"{sys.prefix}/share/jupyter",
            settings=f"{sys.prefix}/etc/jupyter",
            token=token,
        )
    )
    log = folder / "hub.log"
    url = f"http://127.0.0.1:{public}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PATH"] = f"{parts / 'env/bin'}{os.pathsep}{environment['PATH']}"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [parts / "env/bin/jupyterhub", "--config", config],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )

    def answers() -> bool:
        assert running.poll() is None, log.read_text()
        try:
            return httpx2.get(f"{url}/hub/api/", trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    try:
        wait_for("the hub to answer", answers, COMES_UP_S)
        yield url
    except BaseException:
        _say(log.read_text()[-4000:])
        raise
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)


def learn(url: str, token: str, learner: Learner) -> None:
    """One learner's hour: a server, the lessons one after the other, and the server's end."""
    headers = {"Authorization": f"token {token}"}
    api = f"{url}/hub/api/users/{learner.name}"
    watch = Watch(str(learner.home / "c"))
    with httpx2.Client(headers=headers, timeout=COMES_UP_S, trust_env=False) as client:
        began = time.monotonic()
        client.post(api).raise_for_status()
        client.post(f"{api}/server").raise_for_status()

        def is_ready() -> bool:
            found: dict[str, Any] = client.get(api).json()
            return bool(found["servers"].get("", {}).get("ready"))

        wait_for(f"{learner.name}'s server", is_ready, COMES_UP_S)
        learner.seconds["server"] = time.monotonic() - began
        for lesson in LESSONS:
            began = time.monotonic()
            learner.wrong += _lesson(f"{url}/user/{learner.name}", headers, learner.home, lesson)
            learner.seconds[lesson[:2]] = time.monotonic() - began
        learner.taken = watch.end()
        client.delete(f"{api}/server")


def _lesson(server: str, headers: dict[str, str], home: Path, lesson: str) -> list[str]:
    """Run it from top to bottom; the first cell that failed, and why."""
    notebook = nbformat.read(home / "notebooks" / f"{lesson}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    kernel = Kernel(server, headers, f"notebooks/{lesson}.ipynb")
    wrong: list[str] = []
    try:
        for cell in notebook.cells:
            # After a failure only the last one, which ends the cluster.
            if cell.cell_type == "code" and (not wrong or cell is notebook.cells[-1]):
                raised = kernel.run(cell.source)
                wrong += [f"{lesson}, cell {cell.id}: {raised}"] if raised else []
    finally:
        kernel.end()
    return wrong


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
