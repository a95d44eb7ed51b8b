"""Where this process finds what management names."""

from __future__ import annotations

from collections.abc import Collection
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
    assert addresses.protocols(CLUSTER, on) == [
        protocol("clipper", "here:1337"),
        protocol("tf", "outside:8501", "outside:8500"),
        protocol("off"),
    ]
    assert addresses.protocols(CLUSTER, on[:1]) == [protocol("clipper", "here:1337")]


def test_a_port_that_was_left_leads_elsewhere_when_it_is_there_again() -> None:
    ways = iter(["outside:1", "outside:2"])

    class Manager(FakeManager):
        def reached(self, addresses: Collection[str]) -> dict[str, str]:
            return {address: next(ways) for address in addresses}

    addresses = Addresses(Manager("here:1338"), ClusterRecord("c", "here:1337", "here:1338", "token"))
    on = [protocol("tf", grpc="inside:8500")]
    assert addresses.protocols(CLUSTER, on) == [protocol("tf", grpc="outside:1")]
    assert addresses.protocols(CLUSTER, on) == [protocol("tf", grpc="outside:2")]
