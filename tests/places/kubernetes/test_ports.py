"""Which ports protocols have in a cluster of pods."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from clipper_container.errors import BadRequest
from clipper_server.places.kubernetes.manifests import Manifest
from clipper_server.places.kubernetes.ports import ServicePorts


@pytest.fixture
def applied() -> list[Manifest]:
    return []


@pytest.fixture
def ports(applied: list[Manifest]) -> ServicePorts:
    async def apply(manifests: Sequence[Manifest]) -> None:
        applied[:] = manifests

    return ServicePorts("n", apply)


def test_they_are_the_documented_ones_unless_others_are_named(ports: ServicePorts) -> None:
    assert ports.give(8501, None) == ports.again(8501) == 8501
    assert ports.give(8501, 9000) == 9000
    assert ports.published(9000) == "query.n:9000"


@pytest.mark.parametrize("port", [0, 65536, 1337, 1338, 7000])
def test_those_of_the_cluster_s_own_are_refused(ports: ServicePorts, port: int) -> None:
    with pytest.raises(BadRequest, match=f"{port} cannot be a protocol's port.*none of 1338, 1337, 7000"):
        ports.give(8501, port)


def test_they_are_written_whole_each_time(ports: ServicePorts, applied: list[Manifest]) -> None:
    asyncio.run(ports.open({8500: "grpc", 8501: "http"}))
    service, policy = applied
    assert [(p["name"], p["port"]) for p in service["spec"]["ports"]] == [
        ("grpc-8500", 8500),
        ("http-8501", 8501),
    ]
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == [8500, 8501]
    asyncio.run(ports.open({}))
    service, policy = applied
    assert service["spec"]["ports"] == []
    assert "ingress" not in policy["spec"]
