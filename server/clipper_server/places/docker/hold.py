"""Holds a network and its port for the query frontends, and does nothing: run with `python -m`.

So the port stays open while frontends come and go. With `--group-of PATH` it prints a file's group instead.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["--group-of"]:
        print(os.stat(sys.argv[2]).st_gid)  # noqa: T201, PTH116 - that is its answer
    else:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
