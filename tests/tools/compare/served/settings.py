"""The settings that all systems have in common, where a system's documentation gives no number of its own."""

from __future__ import annotations

import os

CORES = os.cpu_count() or 1
WORKERS = {"sums": CORES, "single": 1, "forest": CORES, "device": 1}
"""By model: there is one client of `single`, and one device."""
WORKERS_SAID = ", ".join(f"{number} for {model}" for model, number in WORKERS.items())
BATCH = 32
WAIT_MS = 5
"""How long a batch waits to be full."""
BATCHES_SAID = f"batches of {BATCH}, which wait {WAIT_MS} ms, but for single"
