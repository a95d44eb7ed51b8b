"""Protocols with ports of their own, by name: what management and the query frontends both know of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

AT_QUERY_PORT = ("clipper", "open-inference", "kserve-v1")
"""Those that are always on, at the port for queries."""


class Kind(NamedTuple):
    """A protocol that can be started. The ports are those that its clients expect; None where it has none.

    `module` is in `clipper_server.query.protocols`, and is imported where the protocol is on.
    """

    module: str
    rest: int | None
    grpc: int | None


KINDS = {
    "open-inference-grpc": Kind("open_inference.rpc", None, 8001),
}


class ProtocolSpec(msgspec.Struct, frozen=True):
    """A protocol that is on, and its ports where query frontends listen; 0 where it has none."""

    name: str
    rest: int = 0
    grpc: int = 0
