"""Where management and the query frontends of a cluster listen."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from clipper_container.errors import BadRequest

HOST = "127.0.0.1"


def listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket on `port`, or on a free port where that one is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        if port == 0:
            raise
        return listen(0, host)
    return listener


class FreePorts:
    """Of a machine whose ports are everybody's. `serves` tells whether a query frontend runs: it has them."""

    def __init__(self, serves: Callable[[], bool]) -> None:
        self._serves = serves

    def give(self, documented: int, wish: int | None) -> int:
        if wish is None:
            return self._free(0)
        found = self._free(wish)
        if found != wish:
            raise BadRequest(
                f"The port {wish} is taken, or not yours to have. Without one a free one is used."
            )
        return found

    def again(self, port: int) -> int:
        return port if self._serves() else self._free(port)

    def published(self, port: int) -> str:
        return f"{HOST}:{port}"

    def _free(self, port: int) -> int:
        with listen(port) as listener:
            return int(listener.getsockname()[1])


class FixedPorts:
    """Published when the cluster starts: where each is found, by its number inside."""

    def __init__(self, published: Mapping[int, str]) -> None:
        self._published = published

    def give(self, documented: int, wish: int | None) -> int:
        found = self._published.get(documented)
        if found is None:
            raise BadRequest(
                "Here ports are published when the cluster starts, and this protocol's was not: name it in "
                "start_clipper(protocols=[...])."
            )
        if wish is not None and not found.endswith(f":{wish}"):
            raise BadRequest(f"The port was published at {found} when the cluster started: leave {wish} out.")
        return documented

    def again(self, port: int) -> int:
        return self.give(port, None)

    def published(self, port: int) -> str:
        return self._published[port]
