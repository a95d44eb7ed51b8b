"""Protocols with ports of their own, by name: what management and the query frontends both know of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from clipper_container.errors import BadRequest, NotFound

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
        raise NotFound(f"There is no protocol {name!r}. Those that can be started: {', '.join(KINDS)}.")


def ports_of(names: str) -> list[int]:
    """Those that clients of these protocols, names with commas, expect."""
    kinds = [KINDS[name] for name in filter(None, names.split(","))]
    return [port for kind in kinds for port in (kind.rest, kind.grpc) if port is not None]
