"""All systems that are compared, ours first."""

from __future__ import annotations

from collections.abc import Mapping

from ..peer import Peer
from . import bentoml, fastapi, litserve, mlserver, multi_model_server, ours, ray, torchserve

_MODULES = (ours, fastapi, litserve, bentoml, mlserver, ray, torchserve, multi_model_server)
PEERS: Mapping[str, Peer] = {module.__name__.rpartition(".")[2]: module.PEER for module in _MODULES}
"""By the names that `python -m tests.tools.compare` takes."""
