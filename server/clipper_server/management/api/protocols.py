"""Protocols: how clients may ask, and where."""

from __future__ import annotations

from fastapi import APIRouter

from ...protocols import AT_QUERY_PORT, KINDS, ProtocolSpec
from ..control import Control
from ..specs import Specs
from . import answers, openapi
from .bodies import Body, Whole


class SigningKey(Body):
    """With what clients sign their requests."""

    name: str
    secret: str


class ProtocolPorts(Body):
    """Where it listens for REST and for gRPC; a free port where that is left out.

    Requests are signed with the `key`, where the protocol has signatures.
    """

    port: Whole | None = None
    grpc_port: Whole | None = None
    key: SigningKey | None = None


class Protocols:
    def __init__(self, control: Control, specs: Specs) -> None:
        self._protocols = control.protocols
        self._specs = specs

    def router(self) -> APIRouter:
        return openapi.router(
            ("GET", "/protocols", self.protocols, 200),
            ("PUT", "/protocols/{name}", self.start_protocol, 200),
            ("DELETE", "/protocols/{name}", self.stop_protocol, 204),
        )

    async def protocols(self) -> list[answers.SpokenProtocol]:
        """All protocols that there are, those that are off too."""
        query = self._specs.for_clients[1]
        on = {spec.name: spec for spec in self._protocols.all()}
        always: list[answers.SpokenProtocol] = [
            {"name": name, "state": "on", "rest": query, "grpc": None, "documented": {}, "trouble": None}
            for name in AT_QUERY_PORT
        ]
        return always + [self._described(name, on.get(name)) for name in KINDS]

    async def start_protocol(self, name: str, ports: ProtocolPorts) -> answers.SpokenProtocol:
        """Have it on. It is answered when every query frontend serves it."""
        key = None if ports.key is None else (ports.key.name, ports.key.secret)
        return self._described(name, await self._protocols.start(name, ports.port, ports.grpc_port, key))

    async def stop_protocol(self, name: str) -> None:
        """Have it off. What is under way is answered."""
        await self._protocols.stop(name)

    def _described(self, name: str, spec: ProtocolSpec | None) -> answers.SpokenProtocol:
        ports = (("rest", KINDS[name].rest), ("grpc", KINDS[name].grpc))
        found: answers.SpokenProtocol = {
            "name": name,
            "state": "off",
            "rest": None,
            "grpc": None,
            "documented": {way: port for way, port in ports if port is not None},
            "trouble": None,
        }
        if spec is None:
            return found
        trouble = self._protocols.trouble(name)
        return {
            **found,
            "state": "on" if trouble == "" else "starting" if trouble is None else "failed",
            "rest": self._protocols.published(spec.rest),
            "grpc": self._protocols.published(spec.grpc),
            "trouble": trouble or None,
        }
