"""The addresses of a cluster as this process finds them, in place of those by which management names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from . import ClusterRecord, ContainerManager

Protocol = TypeVar("Protocol", bound=Mapping[str, Any])
WAYS = ("rest", "grpc")  # in which a protocol is asked


class Addresses:
    """Of the cluster of a container manager, which is asked each time: a port may lead elsewhere by then."""

    def __init__(self, manager: ContainerManager, record: ClusterRecord) -> None:
        self._manager = manager
        self._record = record

    def cluster(self, cluster: Mapping[str, Any]) -> dict[str, Any]:
        return {**cluster, "query": self._record.query, "management": self._record.management}

    def protocols(self, cluster: Mapping[str, Any], protocols: Collection[Protocol]) -> list[Protocol]:
        """`cluster` is as management has it. Raises ClusterError."""
        known = {cluster["query"]: self._record.query}
        return renamed(protocols, known | self._manager.reached(names(protocols) - known.keys()))


def names(protocols: Collection[Mapping[str, Any]]) -> set[str]:
    """Where they are asked."""
    return {each[way] for each in protocols for way in WAYS if each[way]}


def renamed(protocols: Collection[Protocol], found: Mapping[str, str]) -> list[Protocol]:
    """With what is found for each of their names."""
    return [_with(each, {way: found.get(each[way]) for way in WAYS}) for each in protocols]


def _with(protocol: Protocol, addresses: Mapping[str, str | None]) -> Any:
    return {**protocol, **addresses}
