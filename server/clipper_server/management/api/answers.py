"""What the management API answers, as its OpenAPI describes it.

TypedDicts, so that the type checker holds the routes to them too. From typing_extensions, because pydantic
cannot read Python 3.11's own.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from ..shadows import Tally
from .points import Point, RegretPoint


class Error(TypedDict):
    """`error` is the name of a class in clipper_container/errors.py, `message` a sentence for people."""

    error: str
    message: str


class Health(TypedDict):
    """`failing` names management's loops that do not get on: the cluster's `warnings` say why."""

    status: Literal["ok"]
    failing: list[str]


class Event(TypedDict):
    """`at` is in seconds since 1970. `subject` names what it is about: a model, a version, a frontend."""

    id: int
    at: float
    kind: str
    subject: dict[str, str]
    text: str


class Frontend(TypedDict):
    """`metrics` is its private address, host:port; None, as is `revision`, until it reports."""

    id: str
    pid: int
    state: Literal["serving", "starting"]
    revision: int | None
    metrics: str | None


class Cluster(TypedDict):
    """Addresses are host:port. `applications`, `models` and `replicas` are counts.

    `warnings` are sentences about what is wrong with the cluster itself; those of a version are with it.
    """

    cluster_name: str
    revision: int
    query: str
    management: str
    frontends: list[Frontend]
    applications: int
    models: int
    replicas: int
    warnings: list[str]
    events: list[Event]


class SpokenProtocol(TypedDict):
    """A way in which clients ask. `rest` and `grpc` are host:port, None where it has none, or is off.

    `documented` are the ports that its clients expect, by these words; {} of those at the port for queries.
    `trouble` says why it does not serve, where it is on and a query frontend cannot.
    """

    name: str
    state: Literal["on", "off", "starting", "failed"]
    rest: str | None
    grpc: str | None
    documented: dict[str, int]
    trouble: str | None


class Log(TypedDict):
    """A part of a log, and the position, in bytes, to go on from."""

    text: str
    position: int


class Number(TypedDict):
    """From 0 to 63."""

    number: int


class Wires(TypedDict):
    """Each is host:port."""

    addresses: list[str]


class Artifact(TypedDict):
    """`size` is in bytes."""

    digest: str
    size: int


class Application(TypedDict):
    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    linked_models: list[str]
    on_overload: Literal["default", "reject"]
    policy: dict[str, Any] | None
    feedback: dict[str, Any] | None


class Feedback(TypedDict):
    """None where the application collects none."""

    feedback: dict[str, Any] | None


class LearnedArm(TypedDict):
    """`version` is model:version, which is what is learned of. `times` it was chosen; `mean` is that of its
    rewards; `weight` is its probability now, or its weight in a vote, and None where nothing is learned yet.
    Where a query's numbers are learned by, `weight` is its part of the last rewards, and `coefficients` are
    what its reward is taken for: a constant, and of each number what one of it adds.
    """

    arm: str
    version: str
    times: int | None
    rewards: int
    mean: float | None
    weight: float | None
    coefficients: list[float] | None


class LearnedContext(TypedDict):
    context: str
    arms: list[LearnedArm]


class Learned(TypedDict):
    """The `contexts` that were used last, 1,000 at most. The others count queries; `forgotten` contexts.
    `regret` is None where feedback tells nothing of a choice.
    """

    epoch: int
    contexts: list[LearnedContext]
    decided: int
    joined: int
    duplicates: int
    expired: int
    forgotten: int
    regret: RegretPoint | None


class PolicyMove(TypedDict):
    """`at` is in seconds since 1970."""

    policy: dict[str, Any] | None
    at: float
    who: str
    message: str


class Policy(TypedDict):
    """`policy` is None where the first linked model answers; `text` says in words who does."""

    policy: dict[str, Any] | None
    text: str
    history: list[PolicyMove]


class Shadow(TypedDict):
    """`fraction` is that of the inputs, up to 1. Outputs of which the numbers differ by `tolerance` at most
    are the same. `seen` is of the pairs that the query log has had."""

    id: int
    model: str
    version: str
    fraction: float
    state: Literal["running", "stopped", "promoted"]
    who: str
    message: str
    at: float
    ended_at: float | None
    tolerance: float
    seen: Tally


class Rollout(TypedDict):
    """`share` is the canary's, from 0 to 1. `evidence` has what both sides did and, for each guardrail, how
    far it is on its way to taking the canary back; `sample_ratio` is how near it is to an alarm, from 0 to 1,
    that requests are not dealt by the shares. Where it ended before management was started, there is nothing.
    """

    id: int
    model: str
    control: str
    canary: str
    steps: list[float]
    hold_s: float
    guardrails: list[dict[str, Any]]
    observe: bool
    sticky: bool
    state: Literal["running", "paused", "passed", "failed", "aborted"]
    step: int
    verdict: str
    who: str
    message: str
    at: float
    ended_at: float | None
    share: float
    evidence: dict[str, Any]


class Resources(TypedDict):
    """Limits of each replica. `memory` is in bytes; what is None is not limited."""

    cpus: float | None
    memory: int | None
    devices: dict[str, int]
    shared_memory: int | None
    node_selector: dict[str, str]
    tolerations: list[dict[str, str | int]]


class Version(TypedDict):
    """`artifact` is None for a model that runs elsewhere. `columns` are those of data frames, with what each
    holds. `autoscaling` holds the two bounds,
    and `cpu_percent` the CPU load at which Kubernetes keeps it where that scales it.

    `used_by` are the versions that call it, as model:version; it `is_used` where one of them answers, or is
    about to.
    `state` is starting, ready, crashing or failed; `error` says why for the last two.
    """

    model_name: str
    model_version: str
    input_type: str
    labels: list[str]
    version_labels: list[str]
    artifact: str | None
    batching: str
    batch_delay_micros: int
    size: str | None
    columns: dict[str, str] | None
    hang_after_s: float
    max_cached_input: int
    concurrency: int
    uses: list[str]
    stages: list[list[str]]
    used_by: list[str]
    is_used: bool
    num_replicas: int
    ready_replicas: int
    autoscaling: list[int] | None
    cpu_percent: int | None
    resources: Resources
    python: str
    image: str
    env: list[str]
    requirements: list[str]
    deployed_by: str
    message: str
    state: str
    preparing: str
    warnings: list[str]
    error: str | None
    is_current_version: bool
    is_rolled_back_to: bool


class Example(TypedDict):
    """In the JSON form of the model's input type."""

    input: Any


class Move(TypedDict):
    """A version became the current one, `at` seconds since 1970; or a rollout to it failed or was aborted."""

    version: str
    at: float
    move: Literal["deploy", "set", "rollback", "rollout", "failed", "aborted"]
    who: str
    message: str


class GPU(TypedDict):
    """Memory in bytes, over all GPUs of a replica; their mean utilisation, from 0 to 1."""

    memory_used: float
    memory: float
    utilisation: float


class Replica(TypedDict):
    """`pid` is None where it runs elsewhere, `gpu` where it has none or does not tell of it."""

    model_id: str
    model_name: str
    model_version: str
    model_replica_id: str
    input_type: str | None
    state: str
    pid: int | None
    num_predictions: int
    gpu: GPU | None


class Overview(TypedDict):
    """Everything that a view shows: what there is, what happened, and one point a second.

    `rollouts` and `shadows` are each model's last one.
    """

    cluster: Cluster
    applications: list[Application]
    models: list[Version]
    replicas: list[Replica]
    rollouts: list[Rollout]
    shadows: list[Shadow]
    protocols: list[SpokenProtocol]
    events: list[Event]
    points: list[Point]
