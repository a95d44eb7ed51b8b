"""Where this process finds what management names, and how often that is looked for."""

from __future__ import annotations

from typing import Any

from clipperlab.places import ClusterRecord
from clipperlab.places.addresses import Addresses
from tests.support.fake_management import FakeManager

CLUSTER = {"cluster_name": "c", "query": "inside:1337", "management": "inside:1338"}


def protocol(name: str, rest: str | None = None, grpc: str | None = None) -> dict[str, Any]:
    return {"name": name, "rest": rest, "grpc": grpc}


def test_addresses_are_those_at_which_this_process_finds_them() -> None:
    manager = FakeManager("here:1338")
    addresses = Addresses(manager, ClusterRecord("c", "here:1337", "here:1338", "token"))
    assert addresses.cluster(CLUSTER) == {**CLUSTER, "query": "here:1337", "management": "here:1338"}
    on = [protocol("clipper", "inside:1337"), protocol("tf", "inside:8501", "inside:8500"), protocol("off")]
    for _ in range(2):
        assert addresses.protocols(CLUSTER, on) == [
            protocol("clipper", "here:1337"),
            protocol("tf", "outside:8501", "outside:8500"),
            protocol("off"),
        ]
    assert addresses.protocols(CLUSTER, on[:1]) == [protocol("clipper", "here:1337")]
    addresses.protocols(CLUSTER, on)
    both = "reached inside:8500 inside:8501"
    assert manager.calls == [both, "reached ", both], "it is asked where others have ports"
