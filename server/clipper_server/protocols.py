"""Protocols with ports of their own, by name: what management and the query frontends both know of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from clipper_container.errors import BadRequest, NotFound
from clipper_container.near import unknown

AT_QUERY_PORT = ("clipper", "open-inference", "kserve-v1")
"""Those that are always on, at the port for queries."""


class Kind(NamedTuple):
    """A protocol that can be started. The ports are those that its clients expect; None where it has none.

    `module` is in `clipper_server.query.protocols`, and is imported where the protocol is on.
    """

    module: str
    rest: int | None
    grpc: int | None
    has_signatures: bool = False


KINDS = {
    "open-inference-grpc": Kind("open_inference.rpc", None, 8001),
    "tensorflow-serving": Kind("tensorflow_serving.rpc", 8501, 8500),
    "sagemaker": Kind("sagemaker.rest", 8080, None, has_signatures=True),
    "azureml": Kind("azure_ml.rest", 5001, None),
    "torchserve": Kind("torchserve.rest", 8081, None),
}


class ProtocolSpec(msgspec.Struct, frozen=True):
    """A protocol that is on, and its ports where query frontends listen; 0 where it has none.

    Requests are signed with `secret`, under the name `key`, where it was given such.
    """

    name: str
    rest: int = 0
    grpc: int = 0
    key: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        return f"<{self.name} at {self.rest} and {self.grpc}>"  # without the secret


def check(name: str) -> None:
    """Raises BadRequest or NotFound where it is none that can be started."""
    if name in AT_QUERY_PORT:
        raise BadRequest(f"{name} is always on, at the port for queries.")
    if name not in KINDS:
        raise NotFound(unknown("protocol", name, "Those that can be started", KINDS))


class Wish(NamedTuple):
    """A protocol that is to be on, at these ports; None is any."""

    name: str
    rest: int | None = None
    grpc: int | None = None


def check_ports(wish: Wish) -> None:
    """Raises BadRequest or NotFound where there is no such protocol, or none with such ports."""
    check(wish.name)
    kind = KINDS[wish.name]
    ways = ("REST", "port", kind.rest, wish.rest), ("gRPC", "grpc_port", kind.grpc, wish.grpc)
    for what, word, documented, port in ways:
        if documented is None and port is not None:
            raise BadRequest(f"{wish.name} has no {what}: leave out {word}.")
        if port is not None and not 0 < port < 1 << 16:
            raise BadRequest(f"A port is from 1 to 65535, and not {port}.")


def wishes_of(text: str) -> list[Wish]:
    """Those that are written with commas, each perhaps with its ports after colons: that for REST and that
    for gRPC, or the one that it has. Raises BadRequest or NotFound.
    """
    wishes = []
    for each in filter(None, text.split(",")):
        name, *ports = each.split(":")
        check(name)
        if KINDS[name].rest is None and len(ports) == 1:
            ports = ["", *ports]
        if len(ports) > 2 or not all(port == "" or (port.isascii() and port.isdigit()) for port in ports):
            raise BadRequest(f"{each!r} is no protocol with its ports, as tensorflow-serving:8501:8500 is.")
        wish = Wish(name, *(int(port) if port else None for port in ports))
        check_ports(wish)
        wishes.append(wish)
    named = [port for wish in wishes for port in wish[1:] if port is not None]
    if twice := {port for port in named if named.count(port) > 1}:
        raise BadRequest(f"The port {min(twice)} is named twice.")
    return wishes


def ports_of(text: str) -> dict[int, int]:
    """By the port that clients expect of each of these wishes the one that is wished for, or 0."""
    return {
        documented: port or 0
        for wish in wishes_of(text)
        for documented, port in zip((KINDS[wish.name].rest, KINDS[wish.name].grpc), wish[1:], strict=True)
        if documented is not None
    }
