"""What a room of learners needs of one machine: `python -m tests.tools.room`, for thirty, or `--learners 12`.

One learner has a Jupyter server and lesson 01 open, with everything that the lesson started, and reads. That
is measured for a while, and multiplied. `make notebooks` tells what a lesson takes while its cells run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

from tests.support.browser import jupyter
from tests.support.home import own_home
from tests.support.notebooks import LESSONS
from tests.support.usage import cpu_of, is_of, memory_of

KINDS = {
    "clipper_container": "replicas",
    "clipper_server": "the rest of the cluster",
    "ipykernel": "kernel",
    "jupyterlab": "Jupyter server",
}
SECONDS = 20.0
SPARE = 1.25  # for the cells of those who are ahead, and for the system


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=30)
    learners = parser.parse_args(arguments).learners
    with own_home() as home, tempfile.TemporaryDirectory() as folder:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        with jupyter(Path(folder)):
            mib, cores = _one_learner(str(home))
    total, busy = sum(mib.values()), sum(cores.values())
    for kind in sorted(mib, key=lambda kind: -mib[kind]):
        _say(f"{mib[kind]:6,.0f} MiB  {100 * cores[kind]:5.1f} % of a core  {kind}")
    _say(f"{total:6,.0f} MiB  {100 * busy:5.1f} % of a core  one learner who reads")
    _say(
        f"{learners} learners who read: {SPARE * learners * total / 1024:,.0f} GiB and "
        f"{SPARE * learners * busy:.1f} cores, with a quarter to spare"
    )


def _one_learner(home: str) -> tuple[dict[str, float], dict[str, float]]:
    """Memory in MiB and cores busy, by kind of process, with lesson 01 run up to its clean-up."""
    lesson = next(path for path in LESSONS if path.stem.startswith("01"))
    notebook = nbformat.read(lesson, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(lesson.parent)}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells[:-1]):
            client.execute_cell(cell, index)
        processes = [process for process in psutil.process_iter() if is_of(process, home)]
        before = {process: cpu_of(process) for process in processes}
        time.sleep(SECONDS)  # not for an event: this is the measurement
        mib: dict[str, float] = defaultdict(float)
        cores: dict[str, float] = defaultdict(float)
        for process in filter(psutil.Process.is_running, processes):
            mib[_kind(process)] += memory_of(process) / 2**20
            cores[_kind(process)] += (cpu_of(process) - before[process]) / SECONDS
        client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
    return mib, cores


def _kind(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    return next((kind for part, kind in KINDS.items() if part in command), "other")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
