"""Tries binder/ in a bare container of 2 GB: installation, and some lessons. `python -m tests.tools.binder`.

It does what repo2docker does with these files, on another base: the Debian packages as root, all else as a
user without rights. Takes about ten minutes, and network for packages.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = "python:3.11-slim"
LESSONS = ("00", "01", "02", "09")
MEMORY = "2g"
LONGEST_S = 1800
HOME = "/home/jovyan"
AS_ROOT = """
set -e
apt-get update -qq
# Debian's python, as some bases have, comes without venv. repo2docker's base has a compiler and the like.
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends \
  $(cat repo/binder/apt.txt) >/dev/null
useradd --create-home --home-dir $PWD jovyan 2>/dev/null
chown -R jovyan: .
"""
INSTALL = "set -e; python -m venv --copies ../env; cd ../repo; binder/postBuild; binder/start true"
# The runner is not part of what Binder has.
RUNNER = "python -m pip install --quiet --no-cache-dir nbval pytest pytest-timeout"
RUN = """
binder/start python -m pytest -q -p tests.support.home -p tests.support.lesson_runs -p no:cacheprovider \
  --nbval-lax --nbval-current-env --nbval-cell-timeout=120 {lessons}
"""
# Node has certificates of its own; this lets it trust what the container's system trusts.
CERTIFICATES = "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"
PEAK = "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null"


class Container:
    """A bare one, which ends with the block."""

    def __init__(self) -> None:
        command = ["docker", "run", "--detach", "--rm", "--init", "--workdir", HOME, IMAGE]
        done = subprocess.run(
            [*command, "sleep", str(LONGEST_S)], check=True, stdout=subprocess.PIPE, text=True
        )
        self.id = done.stdout.strip()

    def run(self, script: str, *, user: str = "root", folder: str = HOME) -> str:
        """What the script prints, which is also shown. Raises CalledProcessError where it fails."""
        path = f"PATH={HOME}/env/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        options = [o for setting in (f"HOME={HOME}", path, CERTIFICATES) for o in ("--env", setting)]
        command = ["docker", "exec", *options, "--user", user, "--workdir", folder, self.id]
        said = []
        with subprocess.Popen(
            [*command, "bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                said.append(line)
                sys.stdout.write(line)
                sys.stdout.flush()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, script, "".join(said))
        return "".join(said)

    def put(self, archive: bytes, folder: str) -> None:
        subprocess.run(["docker", "cp", "-", f"{self.id}:{folder}"], input=archive, check=True)

    def limit(self, memory: str) -> None:
        limits = ["--memory", memory, "--memory-swap", memory]
        subprocess.run(["docker", "update", *limits, self.id], check=True, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        subprocess.run(["docker", "rm", "--force", self.id], check=False, stdout=subprocess.DEVNULL)


def repository() -> bytes:
    """What git would give to someone who clones it, as it is at the moment."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in listed.stdout.splitlines():
            if (ROOT / name).exists():
                archive.add(ROOT / name, f"repo/{name}")
    return content.getvalue()


def try_it(lessons: Sequence[str] = LESSONS) -> str:
    """What the lessons' run printed. Raises CalledProcessError where a step fails."""
    repo = f"{HOME}/repo"
    paths = [path.relative_to(ROOT) for n in lessons for path in (ROOT / "notebooks").glob(f"{n}_*.ipynb")]
    container = Container()
    try:
        container.put(repository(), HOME)
        container.run(AS_ROOT)
        container.run(INSTALL, user="jovyan", folder=repo)
        container.run(RUNNER, user="jovyan", folder=repo)
        container.run(
            "du -sh ../env; find . -name labextension; jupyter labextension list", user="jovyan", folder=repo
        )
        container.limit(MEMORY)
        said = container.run(RUN.format(lessons=" ".join(map(str, paths))), user="jovyan", folder=repo)
        peak = max(map(int, container.run(PEAK + " || true").split()), default=0)
        said += (
            f"The container took {peak / 2**20:,.0f} MiB at most, with building and with its file cache.\n"
        )
        return said
    finally:
        container.end()


if __name__ == "__main__":
    sys.stdout.write(try_it(sys.argv[1:] or LESSONS).splitlines()[-1] + "\n")
