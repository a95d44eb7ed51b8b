"""Protocols: how clients of other systems may ask, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..display.protocols import Protocols as Table
from ..places.addresses import names, renamed
from .attached import Attached


class Protocols(Attached):
    """Operations on the protocols of a cluster."""

    def protocols(self) -> Table:
        """All that there are, with where those that are on are asked. docs/protocols.md tells them apart.

        >>> [each["name"] for each in conn.protocols() if each["state"] == "on"]
        ['clipper', 'open-inference', 'kserve-v1']
        """
        return Table(self._reached(self._management.protocols()))

    def start_protocol(
        self,
        name: str,
        *,
        port: int | None = None,
        grpc_port: int | None = None,
        key: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """Let clients of another system ask, at ports of their own; return when every query frontend does it.

        `port` is for REST and `grpc_port` for gRPC, where the protocol has such; free ones by default. The
        dictionary has `rest` and `grpc`, "host:port" or None. It is on again when the cluster starts anew.
        `key` is a name and a secret, with which clients of "sagemaker" sign; without one their signatures
        are not looked at where this machine alone reaches the port, and elsewhere they are all refused.
        Raises NotFound for a protocol that there is not; BadRequest where it is on at other ports, where a
        port is taken, and on Docker, where ports are published when the cluster starts; ClusterError where a
        query frontend cannot serve it.

        >>> conn.start_protocol("tensorflow-serving")["rest"]
        '127.0.0.1:...'
        >>> conn.stop_protocol("tensorflow-serving")
        """
        (started,) = self._reached([self._management.start_protocol(name, port, grpc_port, key)])
        return started

    def stop_protocol(self, name: str) -> None:
        """End it. What is under way is answered. Raises NotFound where it is not on.

        >>> started = conn.start_protocol("torchserve")
        >>> conn.stop_protocol("torchserve")
        """
        ports = names([each for each in self._management.protocols() if each["name"] == name])
        self._management.stop_protocol(name)
        self.cm.left(ports)

    def _reached(self, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """With the addresses at which this process finds them."""
        return [{**each} for each in renamed(found, self.cm.reached(names(found)))]
