"""Shadows: begun and ended, and what would contradict one that runs."""

from __future__ import annotations

import math

from clipper_container.errors import AlreadyExists, BadRequest, NotFound

from ...policies import arms_of
from ...snapshot import ApplicationSpec
from ..able import check_able
from ..frontends import Frontends
from ..state import Shadow, State, Version
from . import find, uses
from .fit import check_fits
from .publisher import Publisher, by

END = "stop it first: `conn.shadow(model).stop()`"


class Shadows:
    """One a model has at most. A version that becomes current is no shadow any more: `State.move`."""

    def __init__(self, state: State, frontends: Frontends, publisher: Publisher) -> None:
        self._state = state
        self._frontends = frontends
        self._publisher = publisher

    def of(self, model: str) -> list[Shadow]:
        """All of the model, the last one at the end. Raises NotFound."""
        found = self._state.shadows(model)
        if not found:
            find.versions(self._state, model)
        return found

    def last(self) -> list[Shadow]:
        """Each model's last one."""
        return self._state.last_shadows()

    async def start(
        self, model: str, version: str, fraction: float, tolerance: float, who: str, message: str
    ) -> Shadow:
        """Ask the version beside the current one, for that fraction of the inputs."""
        found = find.version(self._state, model, version)
        current = self._state.current().get(model)
        if current is None:
            raise BadRequest(f"Model {model} has no current version beside which to ask {found}.")
        if current == version:
            raise BadRequest(f"{found} is current: a shadow is asked beside the current version.")
        if found.state != "ready":
            raise BadRequest(f"{found} cannot answer: it is {found.state}.")
        check_able(found, self._frontends)
        check_fits(self._state, found)
        if not 0 < fraction <= 1:
            raise BadRequest(f"The fraction of the inputs is above 0 and at most 1, and not {fraction:g}.")
        if not 0 <= tolerance < math.inf:
            raise BadRequest(
                "The tolerance is by how much numbers may differ and still agree, from 0 on, and not "
                f"{tolerance:g}."
            )
        if (runs := self._state.shadow_of(model)) is not None:
            raise AlreadyExists(f"A model has one shadow at a time, and the {runs} runs already: {END}.")
        if (rollout := self._state.rollout_of(model)) is not None and version == rollout.canary:
            raise BadRequest(f"{found} answers already: the {rollout} runs.")
        if (asking := _asking(self._state, found)) is not None:
            raise BadRequest(f"{found} answers already: it is an arm of the policy of {asking.name}.")
        asked = any(application.asks(model) for application in self._state.applications())
        if not asked and (users := uses.users_of(self._state, model)):
            raise BadRequest(
                f"No application asks {model}: {', '.join(users)} calls it, and calls are not shadowed. "
                f"Link {model} to an application of its own, or roll {found} out."
            )
        if not asked:
            raise BadRequest(
                f"No application asks for the current version of {model}, so there is nothing to ask {found} "
                "beside it: link it to one."
            )
        started = self._state.add_shadow(model, version, fraction, tolerance, who, message)
        text = (
            f"{found} is asked beside {model}:{current}, for {fraction:.0%} of the inputs{by(who, message)}."
        )
        await self._publisher.publish("shadow", text, model=model, version=version)
        return started

    async def stop(self, model: str, who: str, message: str) -> Shadow:
        """Ask it no more. What was seen stays."""
        shadow = self.live(model)
        self._state.end_shadow(shadow, "stopped")
        text = f"The {shadow} is asked no more{by(who, message)}."
        await self._publisher.publish("shadow", text, model=model, version=shadow.version)
        return self._state.shadows(model)[-1]

    def live(self, model: str) -> Shadow:
        """The one that runs. Raises NotFound."""
        found = self._state.shadow_of(model)
        if found is None:
            find.versions(self._state, model)
            raise NotFound(
                f"Model {model} has no shadow that runs. start_shadow begins one, and set_model_version "
                "makes a version current."
            )
        return found


def check_no_shadow(state: State, model: str, version: str, what: str) -> None:
    """Raises BadRequest where `what` would let a shadow answer, or take it away."""
    shadow = state.shadow_of(model)
    if shadow is not None and shadow.version == version:
        raise BadRequest(f"{what}, while it is a shadow: {END}.")


def check_remove(state: State, version: Version, what: str = "be removed") -> None:
    """Raises BadRequest where it is a shadow."""
    check_no_shadow(state, version.model, version.version, f"{version} cannot {what}")


def _asking(state: State, version: Version) -> ApplicationSpec | None:
    """An application whose policy has the version itself as an arm."""
    for application in state.applications():
        if application.policy is not None and str(version) in arms_of(application.policy):
            return application
    return None
