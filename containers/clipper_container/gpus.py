"""What a replica's GPUs are doing: their memory and their utilisation, as gauges of the replica's own.

nvidia-smi measures; it runs once, and says a line a GPU every two seconds. A container manager gives a GPU to
one replica only, so what the GPU does is what the replica does.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterable

from .metrics import Metrics, ours

EVERY_S = 2
USED, TOTAL, BUSY = "gpu_memory_used_bytes", "gpu_memory_bytes", "gpu_utilisation"
_QUERY = "index,memory.used,memory.total,utilization.gpu"
_MIB = 1 << 20


def watch(visible: str) -> None:
    """Measure these GPUs, as CUDA_VISIBLE_DEVICES has them, until this process ends.

    Does nothing where there is no nvidia-smi.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return
    command = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", f"--loop={EVERY_S}"]
    if visible != "all":
        command += ["--id", visible]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    thread = threading.Thread(target=follow, args=(process.stdout, ours), name="gpus", daemon=True)
    thread.start()


def follow(lines: Iterable[str], metrics: Metrics) -> None:
    """Set the gauges by nvidia-smi's lines: memory summed over the GPUs, utilisation (0 to 1) their mean."""
    metrics.add(USED, "Gauge", "Memory of the replica's GPUs that is in use, in bytes")
    metrics.add(TOTAL, "Gauge", "Memory of the replica's GPUs, in bytes")
    metrics.add(BUSY, "Gauge", "The part of the time in which the replica's GPUs computed, from 0 to 1")
    seen: dict[str, tuple[float, float, float]] = {}
    for line in lines:
        gpu, *figures = [part.strip() for part in line.split(",")]
        try:
            used, total, busy = map(float, figures)
        except ValueError:
            continue  # "[N/A]", where the driver does not know
        seen[gpu] = used, total, busy
        metrics.report(USED, _MIB * sum(each[0] for each in seen.values()))
        metrics.report(TOTAL, _MIB * sum(each[1] for each in seen.values()))
        metrics.report(BUSY, sum(each[2] for each in seen.values()) / len(seen) / 100)
