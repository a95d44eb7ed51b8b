"""multi-model-server, with a worker of a model for each core, which is its own choice too."""

from __future__ import annotations

from ..peer import Peer
from . import archives

PEER = Peer(
    name="multi-model-server",
    environment="multi-model-server",
    packages=["multi-model-server"],
    settings=archives.SETTINGS,
    command=lambda place: [
        place.programs / "multi-model-server",
        *archives.arrange(place),
        *("--mms-config", place.folder / "config.properties"),
    ],
    request=archives.request,
    answer=float,
    needs=["java"],
    listens=2,
    prepare=archives.register,
)
