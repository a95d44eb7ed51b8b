"""Policies: how an application chooses among its models, and makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from ..task import Outcome, Output, Task


class Arm(NamedTuple):
    """What a policy chooses: a model (its current version, where `version` is None), or one version of it."""

    name: str
    model: str
    version: str | None

    @classmethod
    def of(cls, name: str) -> Arm:
        model, _, version = name.partition(":")
        return cls(name, model, version or None)


class Between(NamedTuple):
    """Between which versions of a model a rollout chose, and which `share` of the queries the canary has."""

    model: str
    control: str
    canary: str
    share: float


class Counts(Protocol):
    """`epoch` is the one of the table of shares by which it was dealt to."""

    @property
    def epoch(self) -> int: ...
    @property
    def between(self) -> Between: ...

    def add(self, task: Task, outcome: Outcome) -> None:
        """Count what became of one input."""


class Decision(NamedTuple):
    """Which arms a request asks, and with which probability it was these; 0 where the request named the
    version, and nobody chose.

    `skipped` are those that have no replica that could answer: others were asked in their place. `sides` has
    for each arm that is a side of a rollout what counts for it; it is empty where none is.
    """

    arms: Sequence[Arm]
    propensity: float = 1.0
    skipped: Sequence[Arm] = ()
    sides: Sequence[Counts | None] = ()
    context: str = ""
    epoch: int = 0
    features: bytes = b""

    def only(self, there: Sequence[bool]) -> Decision:
        """Of those arms that are there."""
        arms = [arm for arm, is_there in zip(self.arms, there, strict=True) if is_there]
        sides = [side for side, is_there in zip(self.sides, there, strict=False) if is_there]
        return self._replace(arms=arms, sides=sides)


class Combined(NamedTuple):
    """One outcome of the arms', the confidence that there is in it, and of how many it is.

    `place` is whose it is among the decision's arms; None where several were combined. It is `partial` where
    another one was wanted, which had none.
    """

    outcome: Outcome
    confidence: float | None = None
    used: int = 1
    place: int | None = None
    partial: bool = False


class Able(Protocol):
    @property
    def turn(self) -> int:
        """Another one where the answer for any arm may be another."""

    def __call__(self, arm: Arm) -> bool:
        """Whether there is a replica that could answer, or one that comes where it is asked for."""


class Policy(Protocol):
    """`name` is what people call it. `arms` are all that it may choose. Answers tell what was chosen where
    there is a `choice`.

    `sticky`: it wants to know for which unit a request is. `early`: `certain` is worth asking. `steps`: a
    decision's arms are asked one after the other, while what came is not `enough`.
    """

    @property
    def name(self) -> str: ...
    @property
    def arms(self) -> Sequence[Arm]: ...
    @property
    def choice(self) -> bool: ...
    @property
    def sticky(self) -> bool: ...
    @property
    def early(self) -> bool: ...
    @property
    def steps(self) -> bool: ...

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        """Which arms a request asks; none: the default output. `context` is what may tell one request from
        another, and empty where nothing does; `features` are its numbers, where the policy weighs any.
        """

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        """One outcome for one input, of those of the arms that it was asked of, in their order: of all, or
        of the first ones where the policy `steps`.

        Called when all have come, or at the deadline, with a fault for each that is missing.
        """

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        """Whether what has not come yet, None, could not change the answer."""


@runtime_checkable
class Stepping(Policy, Protocol):
    """One that `steps`."""

    def enough(self, version: str, output: Output) -> bool:
        """Whether no other arm needs to be asked, as that version has said this."""
