"""What to start: the environment of a replica and of a query frontend in this cluster."""

from __future__ import annotations

import glob
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from clipper_container.errors import BadRequest

from ..snapshot import BatchingSpec
from .containers import Spec
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
    return {"fixed": batching.size, "off": 1}.get(batching.policy, MAX_FIXED)


@dataclass(frozen=True)
class Specs:
    """Addresses are host:port. `sockets` is the folder where query frontends and replicas meet, unless
    `wire` is the name and port of all query frontends.

    `management` and `query` are where the cluster's own parts find each other; `published` has what its
    clients use for both where that is another. `private` is where query frontends answer management alone:
    the host to listen at, and its name.
    """

    cluster_name: str
    token: str = field(repr=False)
    management: str
    query: str
    sockets: Path
    published: tuple[str, str] | None = None
    private: tuple[str, str] = ("127.0.0.1", "127.0.0.1")
    snapshots: Path | None = None  # by default beside the sockets
    wire: str = ""

    @property
    def frontends(self) -> str:
        """Where replicas dial."""
        return self.wire or str(Path(glob.escape(str(self.sockets))) / "*.sock")

    @property
    def for_clients(self) -> tuple[str, str]:
        """Where clients find management, and where they send queries."""
        return self.published or (self.management, self.query)

    def query_frontend(self, frontend: str) -> Spec:
        name = f"query-{frontend}"
        environment = {
            "CLIPPER_FRONTEND": frontend,
            "CLIPPER_ADDRESS": self.query,
            "CLIPPER_REPLICAS": str(self.sockets / f"{frontend}.sock"),
            "CLIPPER_MANAGEMENT": self.management,
            "CLIPPER_TOKEN": self.token,
            "CLIPPER_PRIVATE": self.private[0],
            "CLIPPER_PRIVATE_NAME": self.private[1],
            "CLIPPER_SNAPSHOT": str((self.snapshots or self.sockets) / f"{frontend}.snapshot"),
        }
        return Spec(name, "query", environment, {"frontend": frontend})

    def replica(self, version: Version, replica: int) -> Spec:
        name = f"{version.model}.{version.version}.{replica}"
        environment = {
            "CLIPPER_MODEL_NAME": version.model,
            "CLIPPER_MODEL_VERSION": version.version,
            "CLIPPER_REPLICA": str(replica),
            "CLIPPER_FRONTENDS": self.frontends,
            "CLIPPER_ARTIFACT": f"http://{self.management}/api/v1/artifacts/{version.artifact}",
            "CLIPPER_TOKEN": self.replica_token(version.model, version.version),
            "CLIPPER_MAX_BATCH": str(max_warm_up(version.batching)),
        }
        labels = {"model": version.model, "version": version.version, "replica": str(replica)}
        return Spec(name, "replica", environment, labels, version.resources, version.runtime)

    def outside(self, model: str, version: str) -> dict[str, str]:
        """What a replica needs that somebody else starts on this machine: where to dial, and who it is."""
        return {
            "model": model,
            "version": version,
            "frontends": self.frontends,
            "token": self.replica_token(model, version),
        }

    def replica_token(self, model: str, version: str) -> str:
        """The credential of this version's replicas: good for their hello and their own artifact."""
        return hmac.new(self.token.encode(), f"{model}:{version}".encode(), hashlib.sha256).hexdigest()
