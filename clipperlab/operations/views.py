"""The live views of one connection."""

from __future__ import annotations

from typing import Any

from ..display import workbench
from .attached import Attached


class Views(Attached):
    """Keeps the connection's live views. It begins with the first one: widgets need not be installed."""

    __viewing: Any = None

    @property
    def _viewing(self) -> Any:
        """The `workbench.view.Viewing` of this connection. Raises ClusterError without widgets."""
        if self.__viewing is None:
            self.__viewing = workbench("view").Viewing(self.cm)
        return self.__viewing
