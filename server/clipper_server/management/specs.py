"""What to start: the environment of a replica and of a query frontend in this cluster."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from .containers import Spec
from .state import Version


@dataclass(frozen=True)
class Specs:
    """Addresses are host:port. `sockets` is the folder where query frontends and replicas meet."""

    token: str
    management: str
    query: str
    sockets: Path

    def query_frontend(self, frontend: str) -> Spec:
        name = f"query-{frontend}"
        environment = {
            "CLIPPER_FRONTEND": frontend,
            "CLIPPER_ADDRESS": self.query,
            "CLIPPER_REPLICAS": str(self.sockets / f"{frontend}.sock"),
            "CLIPPER_MANAGEMENT": self.management,
            "CLIPPER_TOKEN": self.token,
            "CLIPPER_SNAPSHOT": str(self.sockets / f"{frontend}.snapshot"),
        }
        return Spec(name, "query", environment, {"frontend": frontend})

    def replica(self, version: Version, replica: int) -> Spec:
        name = f"{version.model}.{version.version}.{replica}"
        environment = {
            "CLIPPER_MODEL_NAME": version.model,
            "CLIPPER_MODEL_VERSION": version.version,
            "CLIPPER_REPLICA": str(replica),
            "CLIPPER_FRONTENDS": str(self.sockets / "*.sock"),
            "CLIPPER_ARTIFACT": f"http://{self.management}/api/v1/artifacts/{version.artifact}",
            "CLIPPER_TOKEN": self.replica_token(version.model, version.version),
        }
        labels = {"model": version.model, "version": version.version, "replica": str(replica)}
        return Spec(name, "replica", environment, labels)

    def replica_token(self, model: str, version: str) -> str:
        """The credential of this version's replicas: good for their hello and their own artifact."""
        return hmac.new(self.token.encode(), f"{model}:{version}".encode(), hashlib.sha256).hexdigest()
