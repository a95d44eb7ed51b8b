"""How the workbench's objects show themselves: as live views where there are widgets, as text elsewhere."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Protocol

from clipper_container.errors import ClusterError


class Shown(Protocol):
    """What a notebook shows: the workbench's views, which are known here by this alone."""

    def _repr_mimebundle_(self) -> dict[str, Any]: ...


class Displayed:
    """Is a live view at the end of a cell; HTML or text where there are no widgets."""

    def _view(self) -> Shown:
        """A new view of it. Raises ClusterError where widgets are not installed."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """What it is at the moment, as a table."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if not in_notebook():
            return {}  # IPython asks for the text then
        try:
            view = self._view()
        except ClusterError:
            return {}
        return {**view._repr_mimebundle_(), "text/plain": repr(self)}


def workbench(module: str) -> ModuleType:
    """A module of the workbench. Raises ClusterError where its libraries are not installed."""
    try:
        return importlib.import_module(f"clipperlab.workbench.{module}")
    except ModuleNotFoundError as error:
        raise ClusterError(
            f'Views need {error.name}, which is not installed here: pip install "clipperlab[lab]"'
        ) from error


def in_notebook() -> bool:
    """Whether a kernel runs this, which speaks to a notebook."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
