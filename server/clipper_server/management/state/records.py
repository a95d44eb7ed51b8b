"""What is kept, as values."""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from clipper_container.resources import Resources

from ...places import Runtime
from ...policies import PolicySpec
from ...snapshot import DEFAULT_HANG_AFTER_S, DEFAULT_MAX_CACHED_INPUT, BatchingSpec

VersionState = Literal["starting", "ready", "failed"]
MoveKind = Literal["deploy", "set", "rollback", "rollout", "failed", "aborted"]
ENDS: tuple[MoveKind, ...] = ("failed", "aborted")
"""Of a rollout to the version, which never became the current one."""
RolloutState = Literal["running", "paused", "passed", "failed", "aborted"]
ShadowState = Literal["running", "stopped", "promoted"]
LIVE: tuple[RolloutState, ...] = ("running", "paused")


class Autoscaling(msgspec.Struct, frozen=True):
    """Bounds between which the number of replicas follows the load.

    With a `cpu_percent`, of what each asks for, the container manager's engine sees to it.
    """

    min_replicas: int
    max_replicas: int
    cpu_percent: int | None = None


class Version(msgspec.Struct, frozen=True):
    """One version of one model. `error` says why a version failed.

    One without an artifact runs elsewhere, and dials in. `env` is added to its replicas' environment, and may
    hold secrets. `columns` are those of data frames, in the model's order, with what each holds.
    Each replica works on `concurrency` batches at once, and may call the models that it `uses`, in the
    order of the `stages` where it has any. `make_current` holds until it has come up. `nonce` tells it from
    others of its name, before it and after.
    """

    model: str
    version: str
    input_type: str
    artifact: str | None
    labels: list[str]
    num_replicas: int
    batching: BatchingSpec = BatchingSpec()
    size: str | None = None
    hang_after_s: float = DEFAULT_HANG_AFTER_S
    max_cached_input: int = DEFAULT_MAX_CACHED_INPUT
    resources: Resources = Resources()
    runtime: Runtime = Runtime()
    env: dict[str, str] = {}
    autoscaling: Autoscaling | None = None
    columns: dict[str, str] | None = None
    concurrency: int = 1
    uses: list[str] = []
    stages: list[list[str]] = []
    deployed_by: str = ""
    message: str = ""
    make_current: bool = True
    state: VersionState = "starting"
    error: str | None = None
    nonce: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))

    @property
    def wakes(self) -> bool:
        """It has no replicas only until somebody asks for it."""
        return self.autoscaling is not None

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"

    def __repr__(self) -> str:
        return f"<version {self}>"  # without the values in `env`


class Move(msgspec.Struct, frozen=True):
    """A version became the current one, or was about to: see ENDS. `at` is in seconds since 1970."""

    version: str
    at: float
    move: MoveKind
    who: str
    message: str


class PolicyMove(msgspec.Struct, frozen=True):
    """An application got another policy, `at` seconds since 1970; None: the first linked model answers."""

    policy: PolicySpec | None
    at: float
    who: str
    message: str


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a canary may not do more often than the control, or not more than `tolerance` times as often.

    `latency_p95`: answers that take more than `tolerance` times the control's 95th percentile. `reward`: its
    mean may be lower by `by` at most.
    """

    kind: Literal["errors", "late", "defaults", "latency_p95", "reward"]
    tolerance: float = 1.0
    by: float | None = None


class Rollout(msgspec.Struct, frozen=True):
    """A model's way from one version, the control, to another, the canary, by shares of its queries.

    `step` is the place in `steps` of the share that holds. `verdict` is why it ended, or what is missing.
    With `observe` guardrails only tell. `at` and `ended_at` are in seconds since 1970.
    """

    id: int
    model: str
    control: str
    canary: str
    steps: list[float]
    hold_s: float
    guardrails: list[Guardrail]
    observe: bool
    sticky: bool
    state: RolloutState
    step: int
    verdict: str
    who: str
    message: str
    at: float
    ended_at: float | None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def share(self) -> float:
        """The canary's, as it is to be now: 1 where it has passed."""
        return self.steps[self.step] if self.live else float(self.state == "passed")

    @property
    def compares_rewards(self) -> bool:
        return any(rail.kind == "reward" for rail in self.guardrails)

    def __str__(self) -> str:
        return f"rollout of {self.model}:{self.canary}"


class Shadow(msgspec.Struct, frozen=True):
    """A version that is asked beside the current one, for a fraction of its inputs.

    `at` and `ended_at` are in seconds since 1970.
    """

    id: int
    model: str
    version: str
    fraction: float
    state: ShadowState
    who: str
    message: str
    at: float
    ended_at: float | None
    tolerance: float

    def __str__(self) -> str:
        return f"shadow {self.model}:{self.version}"


class Event(msgspec.Struct, frozen=True):
    """Something that happened, at `at` seconds since 1970.

    `subject` names what it is about: an application, model, version, replica or frontend, or several.
    """

    id: int
    at: float
    kind: str
    subject: dict[str, str]
    text: str
