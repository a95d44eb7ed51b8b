"""Ours, with what it does without being told, but for the replicas."""

from __future__ import annotations

from ..peer import SERVED, Peer
from ..served.settings import WORKERS_SAID
from .rows import output

PEER = Peer(
    name="Clipper Lab",
    environment=None,
    packages=["clipperlab", "uvicorn"],
    settings=f"one query frontend, replicas {WORKERS_SAID}, batching as it comes: learned",
    command=lambda place: [place.programs / "python", "-m", f"{SERVED}.ours", str(place.port)],
    request=lambda model, row: (f"/{model}/predict", {"input": row}),
    answer=output,
)
