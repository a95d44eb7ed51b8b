"""A made-up framework: all that one more deployer takes."""

from __future__ import annotations

from dataclasses import dataclass

from clipper_container.errors import BadRequest
from clipperlab.deployers.arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from clipperlab.deployers.calls import called_with
from clipperlab.deployers.packaging import deploy_endpoint, pack_and_deploy
from clipperlab.handles import ApplicationHandle, ModelHandle


@dataclass(frozen=True)
class Abacus(Model):
    """An abacus.

    abacus_model
        How many beads its rods have.
    """

    loader = "abacus"
    abacus_model: list[int]

    def parts(self) -> dict[str, bytes]:
        if not isinstance(self.abacus_model, list):
            raise BadRequest("abacus_model must be a list.")
        return {"beads": bytes(self.abacus_model)}


@dataclass(frozen=True)
class _Deployment(Deployment, Abacus, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Abacus, EndpointHead): ...


@called_with(_Deployment)
def deploy_abacus_model(call: _Deployment) -> ModelHandle:
    """Deploy an abacus."""
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy an abacus and link them."""
    return deploy_endpoint(call)
