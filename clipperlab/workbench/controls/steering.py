"""What can be done to a rollout that runs."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from clipper_container.errors import BadRequest

from ...management import Rollout
from ...operations import Operations
from ..actions import Action, Do, Worker
from ..layout import LABEL, WIDE
from ..watch import Seen


class Steering(widgets.VBox):
    """What can be done to the rollout that `model` has."""

    def __init__(self, conn: Operations, worker: Worker, model: Callable[[], str]) -> None:
        self._conn = conn
        self._seen = Seen()
        self._model = model
        self.message = widgets.Text(
            description="Reason", placeholder="why, for the history", layout=WIDE, style=LABEL
        )
        self.pause = self._action("Pause", worker, "Pausing", lacks=self._runs)
        self.resume = self._action("Resume", worker, "Resuming", lacks=self._is_paused)
        self.promote = self._action("Promote", worker, "Promoting", [self.message], lacks=self._live)
        self.abort = self._action("Abort", worker, "Aborting", lacks=self._live, style="danger")
        self._actions = [self.pause, self.resume, self.promote, self.abort]
        self.message.observe(lambda _: self.abort.renew(), "value")
        super().__init__(self._actions)

    def show(self, seen: Seen) -> None:
        self._seen = seen
        for action in self._actions:
            action.renew()

    def _action(
        self,
        name: str,
        worker: Worker,
        what: str,
        controls: list[widgets.Widget] | None = None,
        *,
        lacks: Callable[[], Rollout],
        style: str = "",
    ) -> Action:
        call = name.lower()
        has_reason = call in ("promote", "abort")

        def line() -> str:
            lacks()
            reason = repr(self.message.value) if has_reason and self.message.value else ""
            return f"conn.rollout({self._model()!r}).{call}({reason})"

        def do() -> Do:
            rollout, message = self._conn.rollout(self._model()), self.message.value
            if not has_reason:
                return getattr(rollout, call)  # type: ignore[no-any-return]
            self.message.value = ""  # it was the reason of this alone
            return lambda: getattr(rollout, call)(message)

        return Action(
            name,
            controls or [],
            worker=worker,
            line=line,
            what=lambda: f"{what} the rollout of {self._model()}",
            do=do,
            style=style,
        )

    def _live(self) -> Rollout:
        rollout = self._seen.rollout(self._model())
        if rollout is None or rollout["ended_at"] is not None:
            raise BadRequest("no rollout runs")
        return rollout

    def _runs(self) -> Rollout:
        rollout = self._live()
        if rollout["state"] != "running":
            raise BadRequest("it is paused")
        return rollout

    def _is_paused(self) -> Rollout:
        rollout = self._live()
        if rollout["state"] != "paused":
            raise BadRequest("it is not paused")
        return rollout
