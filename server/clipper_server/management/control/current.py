"""Which version of a model is current: back and forward."""

from __future__ import annotations

from clipper_container.errors import BadRequest

from .. import moves
from ..able import check_replicas
from ..state import Move, State, Version
from . import find
from .fit import check_fits
from .publisher import Publisher, by, subject
from .rollouts import Rollouts, check_no_rollout


def before(state: State, model: str) -> str | None:
    """The version that answers all after a roll-back: while a rollout runs, the one that it began from; None
    where there is nothing to go back to.
    """
    if (rollout := state.rollout_of(model)) is not None:
        return rollout.control
    return state.remember(
        f"before {model}", lambda: moves.before(state.history(model), _usable(state, model))
    )


def _usable(state: State, model: str) -> list[str]:
    return [v.version for v in state.versions() if v.model == model and v.state == "ready"]


class Current:
    """Moves the pointer of a model."""

    def __init__(self, state: State, publisher: Publisher, rollouts: Rollouts) -> None:
        self._state = state
        self._publisher = publisher
        self._rollouts = rollouts

    def history(self, model: str) -> list[Move]:
        """Every move of the model's pointer, and every rollout that moved nothing. Raises NotFound."""
        history = self._state.history(model)
        if not history:
            find.versions(self._state, model)
        return history

    async def set(self, model: str, version: str, who: str, message: str) -> Version:
        found = find.version(self._state, model, version)
        if found.state != "ready":
            raise BadRequest(f"{found} cannot answer: it is {found.state}.")
        check_replicas(found)
        check_fits(self._state, found)
        check_no_rollout(self._state, model, f"{found} cannot be made current")
        self._state.move(model, version, "set", who, message)
        await self._publisher.publish("current", f"{found} is current{by(who, message)}.", **subject(found))
        return found

    async def roll_back(self, model: str, who: str, message: str) -> Version:
        """Make the version before the current one the current one. A rollout that runs is aborted instead."""
        find.versions(self._state, model)
        if (rollout := self._state.rollout_of(model)) is not None:
            await self._rollouts.abort(model, who, message)
            return find.version(self._state, model, rollout.control)
        version = before(self._state, model)
        if version is None:
            usable = _usable(self._state, model)
            raise BadRequest(
                f"Model {model} has no version before this one to go back to. set_model_version makes any of "
                f"these current: {', '.join(usable) or 'none is ready'}."
            )
        found = find.version(self._state, model, version)
        check_replicas(found)
        check_fits(self._state, found)
        self._state.move(model, version, "rollback", who, message)
        await self._publisher.publish(
            "current", f"Rolled back to {found}{by(who, message)}.", **subject(found)
        )
        return found
