"""The parts of a cluster on an engine: their names and labels, where what is in them lies, and their end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

CLUSTER, KIND, NAME, LABELS, PORTS = (
    f"org.clipperlab.{word}" for word in ("cluster", "kind", "name", "labels", "ports")
)
MANAGEMENT, HOLDER = "management", "query"
STATE, SOCKETS, SNAPSHOTS = (Path(f"/clipper/{name}") for name in ("state", "sockets", "snapshots"))
MANAGEMENT_PORT, QUERY_PORT = 1338, 1337
LOG_LIMIT = "4m"
GONE_S = 30  # for somebody else's removal of a container


def full_name(cluster: str, part: str) -> str:
    """The name on the engine of a part of a cluster: a container, network or volume."""
    return f"clipper-{cluster}-{part}"


def remove(container: Any) -> None:
    """End it and take it away; or wait until it is gone, where somebody else is about to."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:
            raise
        with suppress(APIError, OSError):
            container.wait(condition="removed", timeout=GONE_S)


def mount(volume: str, place: Path, *, read_only: bool = False) -> Mount:
    return Mount(target=str(place), source=volume, type="volume", read_only=read_only)


def confined() -> dict[str, Any]:
    """How the engine is to run any part: without rights that it needs not, and with a bounded log."""
    return {
        "init": True,
        "log_config": LogConfig(type="json-file", config={"max-size": LOG_LIMIT, "max-file": "1"}),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "read_only": True,
    }
