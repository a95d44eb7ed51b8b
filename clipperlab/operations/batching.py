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

        >>> conn.set_batching("digits", "fixed(32)", batch_delay_micros=2000)
        >>> conn.get_model_info("digits", 2)["batching"]
        'fixed(32)'
        """
        version = self.get_current_model_version(name) if version is None else version
        self._management.set_batching(name, version, batching, batch_delay_micros)

    def batching(self, name: str, version: object = None) -> BatchingView:
        """How batches of a version, by default the current one, are formed, and what they took.

        Sizes against latency as they are known now, and how it was in the last five minutes. Raises
        NotFound.

        >>> conn.batching("digits").way
        'learned'
        """
        version = self.get_current_model_version(name) if version is None else version
        return BatchingView(f"{name}:{version}", self._management.batching(name, version))
