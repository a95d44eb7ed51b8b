"""How the batches of a version are formed."""

from __future__ import annotations

from ..display.batching import BatchingView
from .models import Models


class Batching(Models):
    """Operations on the way of batching."""

    def set_batching(
        self, name: str, batching: str, batch_delay_micros: int = 0, version: object = None
    ) -> None:
        """Form the batches of a version, by default the current one, in another way; its replicas run on.

        See `DeployOptions` for the ways. Raises NotFound or BadRequest.
        """
        version = self.get_current_model_version(name) if version is None else version
        self._management.set_batching(name, version, batching, batch_delay_micros)

    def batching(self, name: str, version: object = None) -> BatchingView:
        """How batches of a version, by default the current one, are formed, and what they took.

        Sizes against latency as they are known now, and how it was in the last five minutes. Raises
        NotFound.
        """
        version = self.get_current_model_version(name) if version is None else version
        return BatchingView(f"{name}:{version}", self._management.batching(name, version))
