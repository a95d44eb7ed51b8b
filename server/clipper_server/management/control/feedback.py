"""Whether applications collect feedback, and how."""

from __future__ import annotations

import math
from collections.abc import Callable

from clipper_container.errors import BadRequest

from ...feedback import FeedbackSpec
from ...policies import CascadeSpec, in_words, learns
from ...snapshot import ApplicationSpec
from ..state import State
from . import find
from .policies import check_default_reward
from .publisher import Publisher, by
from .rollouts import check_no_feedback

MAX_WINDOW_S = 7 * 86400.0


class Feedback:
    """`collect` is called when an application collects it from now on."""

    def __init__(self, state: State, publisher: Publisher, collect: Callable[[], None]) -> None:
        self._state = state
        self._publisher = publisher
        self._collect = collect

    async def set(
        self, application: str, feedback: FeedbackSpec | None, who: str, message: str
    ) -> ApplicationSpec:
        """For the answers that are given from now on. With None none is collected. Raises NotFound."""
        found = find.application(self._state, application)
        if feedback is not None:
            _check(feedback)
            if isinstance(found.policy, CascadeSpec):
                raise BadRequest(
                    f"{application} is answered by {in_words(found.policy)}, and gives the harder inputs to "
                    "the later models: feedback could not compare them. Give it another policy first, with "
                    "set_policy."
                )
            check_default_reward(found.policy, feedback)
        elif learns(found.policy):
            raise BadRequest(
                f"{application} is answered by {in_words(found.policy)}, which needs feedback: give it "
                "another policy first, with set_policy."
            )
        else:
            check_no_feedback(self._state, found)
        self._state.set_feedback(application, feedback)
        if feedback is None:
            text = f"Application {application} collects no feedback"
        else:
            self._collect()
            text = f"Application {application} collects feedback for {feedback.window_s:g} s after an answer"
        text += f"{by(who, message)}."
        await self._publisher.publish("feedback", text, application=application)
        return find.application(self._state, application)


def _check(feedback: FeedbackSpec) -> None:
    if not 1 <= feedback.window_s <= MAX_WINDOW_S:
        raise BadRequest(
            f"window_s is for how many seconds after an answer its feedback is taken: from 1 to "
            f"{MAX_WINDOW_S:.0f}, which are 7 days, and not {feedback.window_s:g}."
        )
    if feedback.default_reward is not None and not 0 <= feedback.default_reward <= 1:
        raise BadRequest(f"default_reward is from 0 to 1, and not {feedback.default_reward:g}.")
    if not 0 <= feedback.sample <= 1:
        raise BadRequest(
            f"sample is which part of the decisions is kept, from 0 to 1: not {feedback.sample:g}."
        )
    if feedback.score == "equal":
        if feedback.tolerance:
            raise BadRequest(
                'A tolerance is for numbers, with the score "within" or "distance": leave it out here.'
            )
    elif not 0 < feedback.tolerance < math.inf:
        raise BadRequest(
            f'The score "{feedback.score}" needs a tolerance above 0: how far label and output may differ.'
        )
