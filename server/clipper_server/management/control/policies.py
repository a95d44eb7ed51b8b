"""How an application chooses among its models, checked against what is linked and deployed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import msgspec

from clipper_container.errors import BadRequest
from clipper_container.near import meant

from ...features import MAX_FEATURES, MAX_WEIGHED
from ...feedback import FeedbackSpec
from ...policies import (
    CascadeSpec,
    Exp3Spec,
    LearnerSpec,
    LinTSSpec,
    PolicySpec,
    SplitSpec,
    UCBSpec,
    VoteSpec,
    arms_of,
    in_words,
    learns,
    model_of,
)
from ...snapshot import ApplicationSpec
from ..state import PolicyMove, State, Version
from . import find, fit
from .publisher import Publisher, by
from .shadows import check_no_shadow

HASH = 1
"""Of units and arms (`query/policies/sticky.py`). Another way to hash has another number, so another salt."""
_EXACT = 1e-6  # of weights that people type


class Policies:
    """One an application has, or none. `collect` is called when one collects feedback from now on."""

    def __init__(self, state: State, publisher: Publisher, collect: Callable[[], None]) -> None:
        self._state = state
        self._publisher = publisher
        self._collect = collect

    def history(self, application: str) -> list[PolicyMove]:
        """Every policy that it has had, the last one at the end. Raises NotFound."""
        find.application(self._state, application)
        return self._state.policies(application)

    async def set(
        self, application: str, policy: PolicySpec | None, who: str, message: str
    ) -> ApplicationSpec:
        """For the queries that come from now on. With None the first linked model answers."""
        found = find.application(self._state, application)
        if isinstance(policy, LearnerSpec | VoteSpec) and not policy.arms:
            policy = msgspec.structs.replace(policy, arms=found.linked_models)
        if policy is not None:
            self._check_arms(found, arms_of(policy))
        if isinstance(policy, SplitSpec):
            _check_split(policy)
            policy = msgspec.structs.replace(policy, salt=f"{application}#{HASH}" if policy.sticky else "")
        elif isinstance(policy, VoteSpec):
            _check_vote(policy)
        elif isinstance(policy, CascadeSpec):
            _check_cascade(policy, found)
        elif isinstance(policy, LearnerSpec):
            _check_learner(policy)
        if isinstance(policy, LinTSSpec):
            check_default_reward(policy, found.feedback)
        collects = learns(policy) and found.feedback is None
        if collects:
            self._state.set_feedback(application, FeedbackSpec())
            self._collect()
        self._state.set_policy(application, policy, who, message)
        text = f"Application {application} is answered by {in_words(policy)}{by(who, message)}."
        if collects:
            text += " It collects feedback from now on."
        await self._publisher.publish("policy", text, application=application)
        return find.application(self._state, application)

    def _check_arms(self, application: ApplicationSpec, arms: list[str]) -> None:
        if len(arms) < 2:
            raise BadRequest(
                "A policy chooses among two arms or more: linked models, or versions of them as "
                "model:version. With one there is nothing to choose."
            )
        if len(set(arms)) < len(arms):
            twice = next(arm for arm in arms if arms.count(arm) > 1)
            raise BadRequest(f"{twice} is an arm twice. Give it more weight, if it is to count for more.")
        for arm in arms:
            model, named, version = arm.partition(":")
            if model not in application.linked_models:
                linked = ", ".join(application.linked_models) or "none"
                raise BadRequest(
                    f"{model} is not linked to {application.name}, and can be no arm of its policy."
                    f"{meant(model, application.linked_models)} Linked: {linked}. link_model_to_app links it."
                )
            if named:
                found = find.version(self._state, model, version)
                if found.state != "ready":
                    raise BadRequest(f"{found} cannot answer: it is {found.state}.")
                check_no_shadow(self._state, model, version, f"{found} cannot answer")
                if found.input_type != application.input_type:
                    raise BadRequest(
                        f"{found} takes {found.input_type}, and application {application.name} "
                        f"{application.input_type}: their input types must be the same."
                    )
            else:
                fit.deciding(self._state, model)


def check_default_reward(policy: PolicySpec | None, feedback: FeedbackSpec | None) -> None:
    """Raises BadRequest where there is one, of which the policy could not learn."""
    if isinstance(policy, LinTSSpec) and feedback is not None and feedback.default_reward is not None:
        raise BadRequest(
            "Nobody knows any more which numbers a query had when it gets a default reward, and lints learns "
            "by these: collect_feedback without default_reward, or set another policy."
        )


def check_unlink(application: ApplicationSpec, models: Iterable[str]) -> None:
    """Raises BadRequest where one of the models is an arm of the application's policy."""
    arms = [] if application.policy is None else arms_of(application.policy)
    for model in models:
        if model in map(model_of, arms):
            raise BadRequest(
                f"{model} is an arm of the policy of {application.name}: give that another policy first, "
                "with set_policy."
            )


def check_remove(state: State, version: Version, *, is_last: bool) -> None:
    """Raises BadRequest where the version itself is an arm of a policy, or its model is, which `is_last` says
    it alone answers for.
    """
    for application in state.applications():
        arms = [] if application.policy is None else arms_of(application.policy)
        if str(version) in arms or (is_last and version.model in arms):
            alone = "" if str(version) in arms else f"alone answers for {version.model}, and that "
            raise BadRequest(
                f"{version} {alone}is an arm of the policy of {application.name}: give that another policy "
                "first, with set_policy."
            )


def _check_split(policy: SplitSpec) -> None:
    _check_weights(policy.weights)
    whole = sum(policy.weights.values())
    if abs(whole - 1) > _EXACT:
        raise BadRequest(f"The weights of a split are shares, which sum up to 1; these make {whole:g}.")


def _check_learner(policy: LearnerSpec) -> None:
    if not 0 < policy.explore < 1:
        raise BadRequest(
            f"explore is the part of the queries that goes to all arms alike, above 0 and below 1, and is "
            f"{policy.explore:g}. Without any, an arm that was bad once would never be tried again."
        )
    _check_forget(policy.forget)
    if isinstance(policy, UCBSpec) and not 0 < policy.c < math.inf:
        raise BadRequest(f"c says how much an uncertain arm is preferred, above 0, and is {policy.c:g}.")
    if isinstance(policy, Exp3Spec) and not 0 < policy.eta <= 1:
        raise BadRequest(f"eta is the rate of learning, above 0 and 1 at most, and is {policy.eta:g}.")

    if isinstance(policy, LinTSSpec):
        _check_features(policy.features, len(policy.arms))


def _check_features(features: int, arms: int) -> None:
    if not 1 <= features <= MAX_FEATURES:
        raise BadRequest(
            f"features is how many numbers a query says of itself, from 1 to {MAX_FEATURES}: not {features}."
        )
    if features * arms > MAX_WEIGHED:
        raise BadRequest(
            f"{arms} arms with features={features} have {features * arms:,} weights, and {MAX_WEIGHED:,} are "
            f"the most: {MAX_WEIGHED // arms} numbers a query, or fewer arms."
        )


def _check_forget(forget: float) -> None:
    if not 0 <= forget < 0.5:
        raise BadRequest(
            f"forget is the part of what is known that each reward makes forgotten, from 0 to below 0.5, and "
            f"is {forget:g}. With 0.002 it is the last 500 rewards that count."
        )


def _check_vote(policy: VoteSpec) -> None:
    _check_weights(policy.weights)
    if policy.learned and policy.weights:
        raise BadRequest("The weights of a vote are given, or learned of feedback: leave one of both out.")
    _check_forget(policy.forget)
    if not policy.learned and policy.forget != VoteSpec([]).forget:
        raise BadRequest("Only weights that are learned can be forgotten: set learned, or leave forget out.")
    unknown = [arm for arm in policy.weights if arm not in policy.arms]
    if unknown:
        raise BadRequest(
            f"There is a weight for {unknown[0]}, which is no arm of the vote: {', '.join(policy.arms)}."
        )
    weights = [policy.weights.get(arm, 1.0) for arm in policy.arms]
    if policy.weights and len(set(weights)) == 1:
        raise BadRequest("All weights are the same, as they are without any: leave them out.")
    least, lowest = policy.min_confidence, min(weights) / sum(weights)
    if not 0 <= least <= 1:
        raise BadRequest(f"min_confidence is a share from 0 to 1, and not {least:g}.")
    if 0 < least <= lowest + 1e-9:
        raise BadRequest(
            f"min_confidence is {least:g}, and one arm alone has {lowest:.3g} of the weight: it would never "
            "matter. Raise it, or leave it out."
        )


def _check_cascade(policy: CascadeSpec, application: ApplicationSpec) -> None:
    if not 0 < policy.below <= 1:
        raise BadRequest(
            f"below is the confidence below which the next model is asked, above 0 and 1 at most, and is "
            f"{policy.below:g}."
        )
    if application.feedback is not None:
        raise BadRequest(
            f"{application.name} collects feedback, by which models are compared, and a cascade gives "
            "the harder inputs to the later ones. End it first, with stop_feedback."
        )


def _check_weights(weights: dict[str, float]) -> None:
    for arm, weight in weights.items():
        if not 0 < weight < math.inf:
            raise BadRequest(
                f"The weight of {arm} must be above 0, and is {weight:g}. Leave the arm out instead."
            )
