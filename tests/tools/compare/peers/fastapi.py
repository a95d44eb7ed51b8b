"""FastAPI, as its documentation deploys it: a worker for each core, and threads for what takes its time."""

from __future__ import annotations

from ..peer import SERVED, Peer
from ..served.settings import CORES
from .rows import one_row, output

PEER = Peer(
    name="FastAPI",
    environment=None,
    packages=["fastapi", "uvicorn"],
    settings=f"uvicorn with {CORES} workers, uvloop and httptools, no access log; it has no batching",
    command=lambda place: [
        place.programs / "python",
        *("-m", "uvicorn", f"{SERVED}.fastapi_app:app", "--host", "127.0.0.1", "--port", str(place.port)),
        *("--workers", str(CORES), "--loop", "uvloop", "--http", "httptools", "--no-access-log"),
    ],
    request=one_row,
    answer=output,
)
