"""Ray Serve, with what it has for throughput: direct calls, one event loop, and fewer writes of logs."""

from __future__ import annotations

from ..peer import SERVED, Peer
from ..served.settings import BATCHES_SAID, WORKERS_SAID
from .rows import one_row, output

PEER = Peer(
    name="Ray Serve",
    environment="ray",
    packages=["ray"],
    settings=f"optimised for throughput, replicas {WORKERS_SAID}; {BATCHES_SAID}",
    command=lambda place: [place.programs / "python", "-m", f"{SERVED}.ray_app", str(place.port)],
    request=one_row,
    answer=output,
    variables={
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps it on 127.0.0.1, but for replicas' gRPC
    },
)
