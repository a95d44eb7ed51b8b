"""What the desired state says of feedback: who collects it, and which arms learn of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...feedback import FeedbackSpec
from ...policies import BanditSpec, LearnerSpec, PolicySpec, VoteSpec, arms_of, features_of
from ...snapshot import ApplicationSpec
from ..learning import kinds


@dataclass(frozen=True)
class Plan:
    """Of one application. `arms` are its policy's, by name, each with the model:version that it is now."""

    feedback: FeedbackSpec
    policy: PolicySpec | None
    arms: dict[str, str]

    @property
    def eta(self) -> float:
        return kinds.eta_of(self.policy)

    @property
    def forget(self) -> float:
        return kinds.forget_of(self.policy)

    @property
    def notices(self) -> bool:
        """Whether sudden changes are looked for. With a default reward the last rewards are not like others:
        those that have been given come first, and those of the silent all together.
        """
        return kinds.notices(self.policy) and self.feedback.default_reward is None

    @cached_property
    def active(self) -> tuple[str, ...]:
        """The arms as model:version, each once."""
        return tuple(dict.fromkeys(self.arms.values()))

    @property
    def learning(self) -> BanditSpec | VoteSpec | None:
        """The policy, where it learns."""
        if isinstance(self.policy, LearnerSpec) or (
            isinstance(self.policy, VoteSpec) and self.policy.learned
        ):
            return self.policy
        return None

    @property
    def features(self) -> int:
        """How many numbers it learns by; 0: by none."""
        return features_of(self.policy)

    @property
    def votes(self) -> bool:
        """Whether each decision asks all of its arms."""
        return isinstance(self.policy, VoteSpec)


def of(applications: list[ApplicationSpec], current: dict[str, str]) -> dict[str, Plan]:
    """Of those that collect feedback, by name."""
    found = {}
    for application in applications:
        if application.feedback is not None:
            names = [] if application.policy is None else arms_of(application.policy)
            arms = {name: name if ":" in name else f"{name}:{current.get(name, '')}" for name in names}
            found[application.name] = Plan(application.feedback, application.policy, arms)
    return found
