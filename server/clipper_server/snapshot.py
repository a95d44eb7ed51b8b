"""What management tells the query frontends (a snapshot with a revision), and what they report back."""

from __future__ import annotations

from typing import Any

import msgspec


class ApplicationSpec(msgspec.Struct, frozen=True):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    linked_models: list[str]


class VersionSpec(msgspec.Struct, frozen=True):
    """`credential` is the SHA-256 of the token with which this version's replicas say hello."""

    model: str
    version: str
    input_type: str
    credential: str
    num_replicas: int
    batch_size: int


class Snapshot(msgspec.Struct, frozen=True):
    """All that a query frontend needs. `current` maps a model to the version that answers for it."""

    revision: int
    applications: list[ApplicationSpec]
    versions: list[VersionSpec]
    current: dict[str, str]


class ReplicaReport(msgspec.Struct, frozen=True):
    """A replica as one frontend sees it. `answered` counts the inputs it has answered there."""

    model: str
    version: str
    replica: str
    ready: bool
    answered: int


class ApplicationReport(msgspec.Struct, frozen=True):
    """Queries answered by one application at one frontend, and its default answers by reason."""

    name: str
    answered: int
    defaults: dict[str, int]


class Report(msgspec.Struct, frozen=True):
    """A frontend's word on itself, at least twice a second. `revision` acknowledges that snapshot.

    `serving` is true once its HTTP port is open.
    """

    frontend: str
    pid: int
    serving: bool
    revision: int
    replicas: list[ReplicaReport]
    applications: list[ApplicationReport]
