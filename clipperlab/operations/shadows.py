"""Shadows: a version that is asked beside the current one, and answers nobody."""

from __future__ import annotations

from clipper_container.errors import NotFound

from ..display.shadow import Shadow
from .attached import Attached


class Shadows(Attached):
    """Operations on shadows."""

    def start_shadow(
        self,
        name: str,
        version: object,
        *,
        fraction: float = 0.2,
        tolerance: float = 0.0,
        message: str = "",
    ) -> Shadow:
        """Ask a version for what the current one answers too, for a `fraction` of the inputs, up to 1.

        It is asked after the answer has gone, and only while the query frontend has time to spare; nobody
        gets its answers. Both agree where they say the same, with numbers that differ by `tolerance` at most.
        `diff()` of what is returned sets both side by side. Raises NotFound, BadRequest, or AlreadyExists
        where the model has a shadow that runs.

        >>> shadow = conn.start_shadow("digits", 1, fraction=1)
        >>> shadow.state
        'running'
        """
        fields = {
            "version": str(version),
            "fraction": fraction,
            "tolerance": tolerance,
            "message": message,
        }
        self._management.start_shadow(name, fields)
        return self.shadow(name)

    def shadow(self, name: str) -> Shadow:
        """The model's last shadow, which may have ended. Raises NotFound where there was none.

        >>> started = conn.start_shadow("digits", 1)
        >>> conn.shadow("digits").stop("seen enough")
        """
        shadow = Shadow(self._management, name)
        if not shadow.all:
            raise NotFound(f"Model {name} has had no shadow: start_shadow begins one.")
        return shadow
