"""MLServer, with as many parallel workers as there are cores, which its tuning guide advises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..peer import SERVED, Peer, Place
from ..served.models import MODELS
from ..served.settings import BATCH, BATCHES_SAID, CORES, WAIT_MS


def _command(place: Place) -> Sequence[str | Path]:
    for name in MODELS:
        batching = () if name == "single" else (BATCH, WAIT_MS)
        write(place, name, f"{SERVED}.mlserver_models.Served", *batching)
    return command(place)


def write(place: Place, name: str, implementation: str, batch: int = 0, wait_ms: int = 0) -> None:
    """Write what it finds of a model; `implementation` is the path of a class."""
    model = {"name": name, "implementation": implementation, "max_batch_size": batch}
    (place.folder / name).mkdir()
    settings = json.dumps({**model, "max_batch_time": wait_ms / 1e3})
    (place.folder / name / "model-settings.json").write_text(settings)


def command(place: Place) -> Sequence[str | Path]:
    """What is to run, for the models that are written."""
    ports = dict(zip(["http_port", "grpc_port", "metrics_port"], place.ports, strict=False))
    settings = {"host": "127.0.0.1", "parallel_workers": CORES, "debug": False, **ports}
    (place.folder / "settings.json").write_text(json.dumps(settings))
    return [place.programs / "mlserver", "start", place.folder]


PEER = Peer(
    name="MLServer",
    environment="mlserver",
    packages=["mlserver", "uvicorn"],
    settings=f"{CORES} parallel workers; {BATCHES_SAID}",
    command=_command,
    request=lambda model, row: (
        f"/v2/models/{model}/infer",
        {"inputs": [{"name": "row", "shape": [1, len(row)], "datatype": "FP64", "data": row}]},
    ),
    answer=lambda said: float(said["outputs"][0]["data"][0]),
)
