"""Protocols with ports of their own, by name: what management and the query frontends both know of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

AT_QUERY_PORT = ("clipper", "open-inference")
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
    "sagemaker": Kind("sagemaker.rest", 8080, None, has_signatures=True),
    "azureml": Kind("azure_ml.rest", 5001, None),
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
