"""LitServe, with a server process for each core."""

from __future__ import annotations

from ..peer import SERVED, Peer
from ..served.settings import BATCHES_SAID, CORES, WORKERS_SAID
from .rows import one_row, output

PEER = Peer(
    name="LitServe",
    environment="litserve",
    packages=["litserve", "uvicorn"],
    settings=f"{CORES} API servers, workers {WORKERS_SAID}; {BATCHES_SAID}; one model at a time, "
    "for workers that are idle take time",
    command=lambda place: [
        place.programs / "python",
        "-m",
        f"{SERVED}.litserve_app",
        str(place.port),
        *place.models,
    ],
    apart=True,
    request=one_row,
    answer=output,
)
