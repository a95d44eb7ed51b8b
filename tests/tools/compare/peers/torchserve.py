"""TorchServe, with a worker of a model for each core, which is its own choice too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..peer import Peer, Place
from . import archives


def _command(place: Place) -> Sequence[str | Path]:
    metrics, inference, management = place.ports[2:5]
    lines = [
        f"metrics_address=http://127.0.0.1:{metrics}",
        f"grpc_inference_port={inference}",
        f"grpc_management_port={management}",
    ]
    options = archives.arrange(place, lines)
    config = place.folder / "config.properties"
    extras: list[str | Path] = ["--disable-token-auth", "--enable-model-api", "--ncs", "--ts-config", config]
    return [place.programs / "torchserve", *options, *extras]


PEER = Peer(
    name="TorchServe",
    environment="torchserve",
    packages=["torchserve", "torch"],
    settings=archives.SETTINGS,
    command=_command,
    request=archives.request,
    answer=float,
    needs=["java"],
    listens=2,
    prepare=archives.register,
)
