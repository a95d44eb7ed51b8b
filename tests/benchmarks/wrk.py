"""A closed loop of HTTP clients: Debian's wrk, told what to send and asked for its numbers as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
function done(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write
              + summary.errors.status + summary.errors.timeout
  local rate = summary.requests / summary.duration * 1e6
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  io.stderr:write(string.format('{"rate": %%f, "p50_ms": %%f, "p99_ms": %%f, "errors": %%d}',
    rate, p50, p99, bad))
end
"""


@dataclass(frozen=True)
class Measured:
    """Answers a second, latencies in milliseconds, and requests that got no answer or another status."""

    rate: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(url: str, body: str, *, connections: int, seconds: int) -> Measured:
    """Send `body` over and over, on so many connections, each waiting for its answer, for that long."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmarks need wrk. On Debian and Ubuntu: apt install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % json.dumps(body))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    return Measured(**json.loads(done.stderr))


def write(path: Path, results: object) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n")
