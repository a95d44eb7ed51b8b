"""BentoML: a worker for each core, and its adaptive batching, which chooses how long a batch waits."""

from __future__ import annotations

from ..peer import SERVED, Peer
from ..served.settings import BATCH, CORES

PEER = Peer(
    name="BentoML",
    environment="bentoml",
    packages=["bentoml", "uvicorn"],
    settings=f"{CORES} workers; adaptive batches of {BATCH}, within 1 s",
    command=lambda place: [
        place.programs / "bentoml",
        *("serve", f"{SERVED}.bentoml_app:Served", "--host", "127.0.0.1", "--port", str(place.port)),
    ],
    request=lambda model, row: (f"/{model}", {"input": [row]}),
    answer=lambda said: float(said[0]),
    variables={"BENTOML_DO_NOT_TRACK": "True"},
)
