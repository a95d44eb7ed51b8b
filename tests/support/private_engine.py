"""A Docker engine of a test's own, that may be stopped and filled up without harm to anybody else's.

It has namespaces of its own for mounts and for the network, with its socket where engines have theirs, and a
disk of its own, which is a small one in memory. There is no way out to the internet: images come from the
machine's engine. What asks its containers has to be `inside`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker

from tests.support import parts
from tests.support.own_network import enter
from tests.support.waiting import wait_for

MIB = 1 << 20
_SCRIPT = """
ip link set lo up && mount --make-rprivate / && mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o size={size} data {data}
while :; do
  dockerd --data-root {data} -H unix:///run/docker.sock -H unix://{socket} \
    >>{folder}/dockerd.log 2>&1 &
  echo $! >{folder}/pid
  wait
  rm -f /run/docker.pid {folder}/pid
  read -r next <&3 || break  # until it is to start again
done
"""


class PrivateEngine:
    """`size` is that of its disk, in bytes; `images` are copied into it."""

    def __init__(self, folder: Path, images: list[str], *, size: int) -> None:
        able = os.geteuid() == 0 and all(map(shutil.which, ("docker", "dockerd", "unshare")))
        parts.need("docker", bool(able), "An engine of one's own needs root, docker, dockerd and unshare.")
        self._folder = folder
        data = folder / "data"
        data.mkdir()
        self.host = f"unix://{folder}/docker.sock"
        again, self._again = os.pipe()
        script = _SCRIPT.format(size=size, data=data, socket=folder / "docker.sock", folder=folder)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--net", "bash", "-c", script],
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.dup2(again, 3),
            pass_fds=[3],
        )
        os.close(again)
        self._wait()
        self.client = docker.DockerClient(base_url=self.host, timeout=300)
        # All at once: what they share travels once.
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            load = ["docker", "-H", self.host, "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, check=True, stdout=subprocess.DEVNULL)

    def _wait(self) -> None:
        def answers() -> bool:
            with socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
                engine.connect(str(self._folder / "docker.sock"))
                return True
            return False

        wait_for("the engine to answer", answers)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and the threads and processes that it starts, are in the engine's network."""
        with Path("/proc/thread-self/ns/net").open() as before:
            with Path(f"/proc/{self._process.pid}/ns/net").open() as within:
                enter(within.fileno())
            try:
                yield
            finally:
                enter(before.fileno())

    def stop(self) -> None:
        """As `systemctl stop docker` does."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGTERM)
        wait_for("the engine to end", lambda: not (self._folder / "pid").exists())

    def start(self) -> None:
        os.write(self._again, b"start\n")
        self._wait()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Its disk is full in the block."""
        volume = self.client.volumes.create()
        program = (
            "import os\nf = open('/fill/it', 'wb', buffering=0)\n"
            "for size in (1 << 20, 1 << 10, 1):\n"
            "    try:\n        while True: f.write(b'x' * size)\n"
            "    except OSError: pass\n"
        )
        self.client.containers.run(
            "python:3.11-slim",
            ["python3", "-c", program],
            remove=True,
            network_mode="none",
            volumes={volume.name: {"bind": "/fill", "mode": "rw"}},
        )
        try:
            yield
        finally:
            volume.remove()

    def close(self) -> None:
        self.client.close()
        if (self._folder / "pid").exists():
            self.stop()
        os.close(self._again)
        self._process.wait(30)
