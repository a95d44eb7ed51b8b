"""Processes of the project that still run after the checks: `python -m tests.tools.left_overs SINCE`.

Names those that began after SINCE, in seconds of the epoch, and exits with 1 where there is one. Those of
another checkout's environment are somebody else's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

OURS = ("clipper_server", "clipper_container")


def left_overs(since: float) -> Iterator[str]:
    for process in psutil.process_iter(["pid", "cmdline", "create_time"]):
        program, *arguments = process.info["cmdline"] or [""]
        command = " ".join([program, *arguments])
        elsewhere = Path(program).is_absolute() and not Path(program).is_relative_to(sys.prefix)
        if process.info["create_time"] >= since and not elsewhere and any(name in command for name in OURS):
            yield f"{process.pid}  {command}"


def main() -> int:
    left = list(left_overs(float(sys.argv[1])))
    if left:
        sys.stderr.write("\n  ".join(["The checks left these processes behind:", *left]) + "\n")
        return 1
    sys.stdout.write("No process of the project is left behind.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
