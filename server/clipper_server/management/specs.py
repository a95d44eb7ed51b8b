"""What to start: the environment of a replica and of a query frontend in this cluster."""

from __future__ import annotations

import glob
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from clipper_container.errors import BadRequest

from ..places import Addresses, Spec
from ..snapshot import BatchingSpec
from .state import Version

MAX_DELAY_MICROS = 60_000_000
MAX_FIXED = 4096
_FIXED = re.compile(r"fixed\(([0-9]{1,9})\)")


def parse_batching(text: str, delay_micros: int) -> BatchingSpec:
    """The way of batching that is written like this. Raises BadRequest."""
    if not 0 <= delay_micros <= MAX_DELAY_MICROS:
        raise BadRequest(f"batch_delay_micros must be from 0 to {MAX_DELAY_MICROS}, not {delay_micros}.")
    if text == "off" and delay_micros:
        raise BadRequest("Without batching there is nothing to delay: leave out batch_delay_micros.")
    if fixed := _FIXED.fullmatch(text):
        if not 1 <= int(fixed[1]) <= MAX_FIXED:
            raise BadRequest(f"The size of fixed batches must be from 1 to {MAX_FIXED}, not {fixed[1]}.")
        return BatchingSpec("fixed", int(fixed[1]), delay_micros)
    if text == "learned":
        return BatchingSpec("learned", delay_micros=delay_micros)
    if text == "aimd":
        return BatchingSpec("aimd", delay_micros=delay_micros)
    if text == "off":
        return BatchingSpec("off")
    raise BadRequest(f"There is no batching {text!r}. Choose one of: learned, aimd, fixed(32), off.")


def max_warm_up(batching: BatchingSpec) -> int:
    """The largest batch that a replica's warm-up may try: none that its model would not get later."""
    return {"fixed": batching.size, "off": 1}.get(batching.way, MAX_FIXED)


@dataclass(frozen=True)
class Specs:
    """Of the cluster with this name and token, whose parts are at these addresses."""

    cluster_name: str
    token: str = field(repr=False)
    addresses: Addresses

    @property
    def frontends(self) -> str:
        """Where replicas dial."""
        sockets = Path(glob.escape(str(self.addresses.sockets)))
        return self.addresses.wire or str(sockets / "*.sock")

    @property
    def for_clients(self) -> tuple[str, str]:
        """Where clients find management, and where they send queries."""
        return self.addresses.published or (self.addresses.management, self.addresses.query)

    def query_frontend(self, frontend: str) -> Spec:
        name, at = f"query-{frontend}", self.addresses
        environment = {
            "CLIPPER_FRONTEND": frontend,
            "CLIPPER_ADDRESS": at.query,
            "CLIPPER_REPLICAS": str(at.sockets / f"{frontend}.sock"),
            "CLIPPER_MANAGEMENT": at.management,
            "CLIPPER_TOKEN": self.token,
            "CLIPPER_PRIVATE": at.private[0],
            "CLIPPER_PRIVATE_NAME": at.private[1],
            "CLIPPER_SNAPSHOT": str((at.snapshots or at.sockets) / f"{frontend}.snapshot"),
        }
        return Spec(name, "query", environment, {"frontend": frontend})

    def replica(self, version: Version, replica: int) -> Spec:
        name = f"{version.model}.{version.version}.{replica}"
        environment = {
            **version.env,
            "CLIPPER_MODEL_NAME": version.model,
            "CLIPPER_MODEL_VERSION": version.version,
            "CLIPPER_REPLICA": str(replica),
            "CLIPPER_FRONTENDS": self.frontends,
            "CLIPPER_ARTIFACT": f"http://{self.addresses.management}/api/v1/artifacts/{version.artifact}",
            "CLIPPER_TOKEN": self.replica_token(version),
            "CLIPPER_MAX_BATCH": str(max_warm_up(version.batching)),
            "CLIPPER_CONCURRENCY": str(version.concurrency),
        }
        labels = {"model": version.model, "version": version.version, "replica": str(replica)}
        return Spec(name, "replica", environment, labels, version.resources, version.runtime)

    def outside(self, version: Version) -> dict[str, str]:
        """What a replica needs that somebody else starts on this machine: where to dial, and who it is."""
        return {
            "model": version.model,
            "version": version.version,
            "frontends": self.frontends,
            "token": self.replica_token(version),
        }

    def replica_token(self, version: Version) -> str:
        """The credential of this version's replicas: good for their hello and their own artifact, for as long
        as the version is there. One of its name that comes after it has another.
        """
        whose = f"{version.model}:{version.version}:{version.nonce}"
        return hmac.new(self.token.encode(), whose.encode(), hashlib.sha256).hexdigest()
