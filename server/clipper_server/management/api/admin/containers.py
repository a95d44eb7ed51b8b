"""Clipper's calls about containers: the replicas."""

from __future__ import annotations

from typing_extensions import TypedDict

from .. import answers
from ..replicas import Replicas
from .clippers import ModelVersion, Nothing, Verbose


class ReplicaOf(ModelVersion):
    replica_id: int | str


class ClipperContainer(TypedDict):
    model_id: str
    model_name: str
    model_version: str
    model_replica_id: int | str
    input_type: str | None


class Containers:
    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def get_all_containers(self, wanted: Verbose) -> list[str] | list[ClipperContainer]:
        """All replicas as `model:version:replica`; with `verbose` what they are."""
        replicas = await self._counted()
        if wanted.verbose:
            return [_container(replica) for replica in replicas]
        return [f"{replica['model_id']}:{replica['model_replica_id']}" for replica in replicas]

    async def get_container(self, wanted: ReplicaOf) -> ClipperContainer | Nothing:
        """What a replica is; an empty object where there is none like that."""
        for replica in await self._counted():
            if (replica["model_name"], replica["model_version"], replica["model_replica_id"]) == (
                *(wanted.model_name, wanted.model_version, str(wanted.replica_id)),
            ):
                return _container(replica)
        return {}

    async def _counted(self) -> list[answers.Replica]:
        """Clipper's containers have no state, so those that are about to end are none."""
        return [replica for replica in await self._replicas.replicas() if replica["state"] != "stopping"]


def _container(replica: answers.Replica) -> ClipperContainer:
    name = replica["model_replica_id"]
    return {
        "model_id": replica["model_id"],
        "model_name": replica["model_name"],
        "model_version": replica["model_version"],
        "model_replica_id": int(name) if name.isdecimal() else name,
        "input_type": replica["input_type"],
    }
