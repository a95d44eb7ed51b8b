"""One model, with what can be done to it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clipper_container.errors import ClipperException

from ..display import Displayed, Shown, workbench
from ..display.batching import BatchingView
from ..display.history import History
from ..display.rollout import Rollout
from ..display.shadow import Shadow
from ..display.table import table
from ..display.under_way import under_way
from ..operations import Deployed, Operations

if TYPE_CHECKING:
    from ..management import Version


class ModelHandle(Displayed):
    """A model: `conn.model("digits")`. Shows its versions as they are.

    `deployed` is what became of the deploy that returned it; None for others.

    >>> conn.model("digits").current_version
    '2'
    """

    def __init__(self, conn: Operations, name: str, deployed: Deployed | None = None) -> None:
        self._conn = conn
        self.name = name
        self.deployed = deployed

    @property
    def versions(self) -> list[Version]:
        """All about its versions, in the order in which they were deployed. Raises NotFound.

        >>> [version["state"] for version in conn.model("digits").versions]
        ['ready', 'ready']
        """
        return self._conn._versions_of([self.name])

    @property
    def current_version(self) -> str:
        """The version that answers. Raises NotFound, also where no version was ready yet.

        >>> conn.model("digits").current_version
        '2'
        """
        return self._conn.get_current_model_version(self.name)

    @property
    def history(self) -> History:
        """Who made which version current, when and why; the last move at the end. Raises NotFound.

        >>> conn.model("digits").history[0]["move"]
        'deploy'
        """
        return self._conn.get_model_history(self.name)

    def set_version(self, version: object, *, message: str = "") -> None:
        """Make a deployed version the current one. See `ClipperConnection.set_model_version`.

        >>> conn.model("digits").set_version(1, message="it was better")
        """
        self._conn.set_model_version(self.name, version, message=message)

    def rollback(self, *, message: str = "") -> str:
        """Make the version before the current one the current one; return which it is.

        See `ClipperConnection.rollback`.

        >>> conn.model("digits").rollback(message="worse on sevens")
        '1'
        """
        return self._conn.rollback(self.name, message=message)

    def start_rollout(self, version: object, **options: Any) -> Rollout:
        """Move it to another version step by step. See `ClipperConnection.start_rollout`.

        >>> rollout = conn.model("digits").start_rollout(1, steps=[0.1, 1])
        >>> rollout.state
        'running'
        """
        return self._conn.start_rollout(self.name, version, **options)

    @property
    def rollout(self) -> Rollout:
        """Its last one. Raises NotFound.

        >>> started = conn.model("digits").start_rollout(1, hold_s=600)
        >>> conn.model("digits").rollout.promote("good enough")
        """
        return self._conn.rollout(self.name)

    def start_shadow(self, version: object, *, fraction: float = 0.2, message: str = "") -> Shadow:
        """Ask that version too, and let it answer nobody. See `ClipperConnection.start_shadow`.

        >>> shadow = conn.model("digits").start_shadow(1, fraction=1)
        >>> shadow.state
        'running'
        """
        return self._conn.start_shadow(self.name, version, fraction=fraction, message=message)

    @property
    def shadow(self) -> Shadow:
        """Its last one. Raises NotFound.

        >>> started = conn.model("digits").start_shadow(1)
        >>> conn.model("digits").shadow.stop()
        """
        return self._conn.shadow(self.name)

    @property
    def under_way(self) -> list[str]:
        """A sentence for its rollout and for its shadow, where these run.

        >>> started = conn.model("digits").start_rollout(1, steps=[0.1, 1], hold_s=600)
        >>> conn.model("digits").under_way
        ['digits:1 has 10 % of the queries, digits:2 the others: a rollout, at step 1 of 2, running']
        """
        return under_way(*self._conn._management.last_changes(), [self.name])

    def scale(self, num_replicas: int, version: object = None) -> None:
        """Give a version this many replicas. See `ClipperConnection.set_num_replicas`.

        >>> conn.model("digits").scale(2)
        >>> conn.get_num_replicas("digits")
        2
        """
        self._conn.set_num_replicas(self.name, num_replicas, version)

    def batching(self, version: object = None) -> BatchingView:
        """How a version's batches are formed, and what they took. See `ClipperConnection.batching`.

        >>> conn.model("digits").batching().way
        'learned'
        """
        return self._conn.batching(self.name, version)

    def _view(self) -> Shown:
        view: Shown = self._conn._viewing.begin(workbench("views").ModelView(self._conn, self.name))
        return view

    def __repr__(self) -> str:
        try:
            rows, changes = [self._HEAD, *self._rows()], self.under_way
        except ClipperException as error:
            return f"model {self.name}: {error}"
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([f"model {self.name}", *lines, *changes])

    def _repr_html_(self) -> str:
        try:
            rows, changes = self._rows(), self.under_way
        except ClipperException as error:
            return f"<p>model {html.escape(self.name)}: {html.escape(str(error))}</p>"
        said = "".join(f"<p>{html.escape(line)}</p>" for line in changes)
        return f"<p>model {html.escape(self.name)}</p>{table(self._HEAD, rows)}{said}"

    _HEAD = ("version", "state", "replicas", "batching", "deployed by")

    def _rows(self) -> list[Sequence[str]]:
        return [
            (
                v["model_version"] + (" (current)" if v["is_current_version"] else ""),
                v["state"],
                f"{v['ready_replicas']} of {v['num_replicas']} ready",
                v["batching"],
                v["deployed_by"] + (f": {v['message']}" if v["message"] else ""),
            )
            for v in self.versions
        ]
