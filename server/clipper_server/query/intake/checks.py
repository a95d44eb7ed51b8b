"""Whether feedback can be believed, and what rewards it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ...feedback import FeedbackSpec, Item, Rewarded
from ..feedback import Feedback, answered
from ..feedback.answered import Answered, Raw
from ..feedback.scores import Unfit, score
from .bodies import NOTHING, Entry


class Refusal(NamedTuple):
    """A short code, and a sentence that says what to do."""

    code: str
    message: str


FORGED = Refusal(
    "forged",
    "The token is none that this cluster gave, or it is not whole, or its key is too old. Send the "
    "feedback_token as it stands in the answer.",
)
NO_DECISION = Refusal(
    "no_decision",
    "This query frontend knows no decision of that number: it is another one's, or too long ago, or the "
    "answer was a default output, or of a version that the request named. Where the answer has a "
    "feedback_token, send its feedback_token.",
)
NO_OUTPUT = Refusal(
    "no_output",
    'What the models said is too large for the token: send "input" beside the label, the input of the query.',
)
LABEL_NEEDED = Refusal(
    "label_needed",
    "Several models made this answer, and a reward does not tell which of them was right. Send a label.",
)
FULL = Refusal(
    "full",
    "Management is behind, and this query frontend has no room for more feedback. Send it again later.",
)
UNKNOWN = Refusal(
    "unknown_application", "The application is gone from the cluster, or collects no more feedback."
)


def expired(spec: FeedbackSpec) -> Refusal:
    message = (
        f"Feedback is taken for {spec.window_s:g} s after the answer; collect_feedback takes a window_s."
    )
    return Refusal("expired", message)


def collects_none(application: str) -> Refusal:
    message = f"{application} collects no feedback. collect_feedback({application!r}) starts it."
    return Refusal("collects_none", message)


def known(
    entry: Entry, application: str, spec: FeedbackSpec, feedback: Feedback, now: float
) -> Answered | Refusal:
    """The decision that the entry is about."""
    if entry.feedback_token is not None:
        text = feedback.tokens.check(entry.feedback_token)
        if text is None:
            return FORGED
        try:
            made = answered.decode(text)
        except msgspec.MsgspecError:  # of another version of ours
            return FORGED
    else:
        assert entry.query_id is not None
        found = feedback.decisions.find(entry.query_id)
        if found is None:
            return NO_DECISION
        made = found
    if made.application != application:
        message = f"The answer is of {made.application}: send it to /{made.application}/feedback."
        return Refusal("other_application", message)
    if now - made.at > spec.window_s:
        return expired(spec)
    if entry.reward is not None and not 0 <= entry.reward <= 1:
        return Refusal("out_of_range", f"A reward is from 0 to 1, and this one is {entry.reward:g}.")
    return made


def item(made: Answered, rewards: list[Rewarded]) -> Item:
    decided = made.query_id, made.application, made.context, made.epoch, made.at
    return Item(*decided, rewards, made.features)


def judged(entry: Entry, made: Answered, spec: FeedbackSpec) -> Item | Refusal | None:
    """Feedback as rewards; None where the models have to be asked again."""
    if entry.reward is not None:
        if made.combined:
            return LABEL_NEEDED
        return item(made, [Rewarded(made.arms[0], made.propensity, entry.reward, made.dealt_to(0))])
    if made.outputs is None:
        return NO_OUTPUT if entry.input is NOTHING else None
    return labelled(entry.label, made, made.outputs, spec)


def labelled(
    label: Any, made: Answered, outputs: tuple[bytes | Raw | None, ...], spec: FeedbackSpec
) -> Item | Refusal:
    """A reward for each arm by what it said. One that said nothing has none, one that said something of
    another type 0; the label must be of the type of one of them.
    """
    rewards = []
    unfit = ""
    fits = 0
    for place, (arm, output) in enumerate(zip(made.arms, outputs, strict=True)):
        if output is None:
            continue
        try:
            reward = score(spec, label, output)
            fits += 1
        except Unfit as error:
            reward, unfit = 0.0, f"The label does not fit what {arm} said: {error}."
        rewards.append(Rewarded(arm, made.propensity, reward, made.dealt_to(place)))
    if not fits:
        return Refusal("bad_label", f"{unfit} Send a label such as the model's outputs are.")
    return item(made, rewards)
