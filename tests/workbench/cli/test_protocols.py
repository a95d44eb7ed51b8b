"""Protocols by the command line, of a cluster of processes."""

from __future__ import annotations

import json
import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from clipperlab import ClipperConnection
from tests.support.clusters import Attach
from tests.support.ports import free_port
from tests.workbench.cli.conftest import Run

pytestmark = pytest.mark.slow

NAME = "open-inference-grpc"


def listed(run: Run) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in json.loads(run("protocols", "--json").stdout)}


def lives(address: str) -> bool:
    """Whether gRPC's own service for health answers there."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_one_is_started_listed_and_stopped(cluster: ClipperConnection, run: Run) -> None:
    query = cluster.get_query_addr()
    before = listed(run)
    assert (before["clipper"]["state"], before["clipper"]["rest"]) == ("on", query)
    assert before[NAME]["state"] == "off"
    assert NAME not in run("status").stdout

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        why = str(run("protocols", "start", NAME, "--grpc-port", str(port), code=1).exception)
        assert f"The port {port} is taken" in why
    where = f"127.0.0.1:{port}"
    assert (
        run("protocols", "start", NAME, "--grpc-port", str(port)).stdout
        == f"{NAME} is on, at {where} (gRPC).\n"
    )
    assert lives(where)
    assert f"{NAME} at {where} (gRPC)" in run("status").stdout
    assert [NAME, "on", where] in [line.split() for line in run("protocols").stdout.splitlines()]
    assert listed(run) == {
        each["name"]: each for each in json.loads(run("status", "--json").stdout)["protocols"]
    }
    assert json.loads(run("protocols", "start", NAME, "--json").stdout)["grpc"] == where  # it is on already

    assert run("protocols", "stop", NAME).stdout == f"{NAME} is off.\n"
    assert listed(run)[NAME]["state"] == "off"
    assert "is not on" in str(run("protocols", "stop", NAME, code=1).exception)
    assert "There is no protocol 'corba'" in str(run("protocols", "start", "corba", code=1).exception)
    starts = ("start", "--cluster-name", "none", "--protocol", "corba")
    assert "There is no protocol 'corba'" in str(run(*starts, code=1).exception)


@pytest.mark.slow
def test_a_cluster_starts_with_what_is_named_and_has_it_again(attach: Attach, run: Run) -> None:
    conn = attach("spoken")
    of_it = ("--cluster-name", "spoken")
    try:
        run("start", *of_it, "--protocol", NAME)
        conn.connect()
        (found,) = [each for each in conn.protocols() if each["name"] == NAME]
        assert found["state"] == "on"
        assert lives(found["grpc"])
        run("stop", *of_it)
        run("start", *of_it)
        conn.connect()
        assert found in conn.protocols()
        assert lives(found["grpc"])
    finally:
        conn.stop_all(purge=True)
