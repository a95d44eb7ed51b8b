"""What management loads to ask its API server."""

from __future__ import annotations

import subprocess
import sys


def test_none_of_the_clients_models_are_loaded() -> None:
    """They take two seconds of every start of management, in which it does nothing else."""
    code = """
import asyncio, sys
sys.modules["kubernetes_validate"] = None  # the tests' own, which the client loads where it is there
from kubernetes.aio import config
config.load_incluster_config = lambda client_configuration: None
from clipper_container.errors import ClusterError
from clipper_server.places.kubernetes.api_server import APIServer
from clipper_server.places.kubernetes.manager import KubernetesContainerManager

async def main():
    server = APIServer("n")
    server._client.configuration.host = "http://127.0.0.1:1"
    try:
        await server.read_log("p")
        await server.apply({"kind": "Deployment", "metadata": {"name": "d"}})
    except ClusterError:
        pass
    await server.close()

asyncio.run(main())
loaded = [name for name in sys.modules if ".client.models." in name or ".client.api." in name]
assert not loaded, loaded[:5]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
