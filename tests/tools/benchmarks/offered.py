"""Offers a load in an open loop, from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from clipperlab.load import open_loop
from clipperlab.load.schedule import Phase

CONNECTIONS = 512  # more than are ever in flight while a server answers in time
GRACE_S = 30  # the generator ends by itself; this is for the day when it does not


def offer(
    url: str, inputs: Sequence[object], phases: Sequence[Phase], *, objective_ms: float
) -> dict[str, Any]:
    """Send the inputs in turn, in these phases, and return what `open_loop` printed."""
    command = [sys.executable, "-m", open_loop.__name__, url, *map(str, phases)]
    command += ["--objective-ms", str(objective_ms), "--connections", str(CONNECTIONS)]
    done = subprocess.run(
        command,
        input="\n".join(json.dumps({"input": value}) for value in inputs),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=sum(phase.seconds for phase in phases) + GRACE_S,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
