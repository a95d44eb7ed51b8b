"""What management tells the query frontends (a snapshot with a revision), and what they report back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from clipper_container.errors import ClusterError

from .feedback import FeedbackSpec
from .policies import PolicySpec, arms_of
from .protocols import ProtocolSpec
from .rollouts import RolloutReport, RolloutSpec
from .shadows import ShadowSpec

FORMAT = 11
"""Of snapshots. It is raised when what they say changes: who knows another one cannot serve by them."""
MAX_DEPTH = 8  # of calls within calls
MAX_FRONTENDS = 64  # the number of each is the last six bits of its query ids
MAX_EXAMPLE = 4096
DEFAULT_HANG_AFTER_S = 10.0
DEFAULT_MAX_CACHED_INPUT = 16_384
LATENCIES_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05),
    *(0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""The upper bounds by which latencies are counted. What took longer is counted after them."""
CONFIDENCES = 0.5, 0.75, 0.999
"""Those by which the confidence of a vote's answers is counted. After them are those on which all agree."""


class ApplicationSpec(msgspec.Struct, frozen=True):
    """`on_overload` says whether a query for which there is no room gets the default output, or HTTP 429.

    Without a `policy` the first linked model answers. Without `feedback` none is collected.
    """

    name: str
    input_type: str
    default_output: Any
    latency_slo_micros: int
    linked_models: list[str]
    on_overload: Literal["default", "reject"] = "default"
    policy: PolicySpec | None = None
    feedback: FeedbackSpec | None = None

    def asks(self, model: str) -> bool:
        """Whether it asks for the model's current version."""
        if self.policy is None:
            return self.linked_models[:1] == [model]
        return model in arms_of(self.policy)


class BatchingSpec(msgspec.Struct, frozen=True):
    """How batches are formed. `size` is `fixed`'s; an incomplete batch waits `delay_micros` for more."""

    way: Literal["learned", "aimd", "fixed", "off"] = "learned"
    size: int = 1
    delay_micros: int = 0

    def __str__(self) -> str:
        return f"fixed({self.size})" if self.way == "fixed" else self.way


class VersionSpec(msgspec.Struct, frozen=True):
    """`credential` is the SHA-256 of the token with which this version's replicas say hello.

    `size` is a size function (`clipper_container.size`), `max_cached_input` in bytes. A batch that runs
    for longer than `hang_after_s`, and much longer than it should, means that its replica hangs. One that
    `wakes` has no replicas only until somebody asks for it, and the first one has not fallen. `columns` are
    those of the data frames that it takes, where they are known (`clipper_container.columns`), or the arrays
    of named inputs (`clipper_container.signature`). A replica works on `concurrency` batches at once. It may
    call the models that it `uses`; where `stages` are given, it calls these in that order.
    `example` is an input, as JSON has it, where one of MAX_EXAMPLE bytes at most was packaged with it.
    """

    model: str
    version: str
    input_type: str
    credential: str
    num_replicas: int
    batching: BatchingSpec = BatchingSpec()
    size: str | None = None
    hang_after_s: float = DEFAULT_HANG_AFTER_S
    max_cached_input: int = DEFAULT_MAX_CACHED_INPUT
    wakes: bool = False
    columns: dict[str, str] | None = None
    concurrency: int = 1
    uses: list[str] = []
    stages: list[list[str]] = []
    example: Any = None


class RequestSpec(msgspec.Struct, frozen=True):
    """What comes in at the query port: a request has `max_inputs` and `max_json` bytes of JSON at most.

    Web pages of `cors_origins` may ask; `*` are all.
    """

    max_inputs: int = 20_000
    max_json: int = 1 << 20
    cors_origins: list[str] = []


class Snapshot(msgspec.Struct, frozen=True, tag_field="format", tag=FORMAT):
    """All that a query frontend needs. `current` maps a model to the version that answers for it.

    `cache_size` is the prediction cache's, in bytes, in each frontend. Tokens for feedback are signed with
    the last but one of the `feedback_keys`, in hexadecimal digits, and taken with any of them: the last one
    signs when all frontends know it. `labels` name versions, by model.
    """

    revision: int
    applications: list[ApplicationSpec]
    versions: list[VersionSpec]
    current: dict[str, str]
    cache_size: int = 0
    requests: RequestSpec = RequestSpec()
    rollouts: list[RolloutSpec] = []
    shadows: list[ShadowSpec] = []
    feedback_keys: list[str] = []
    protocols: list[ProtocolSpec] = []
    labels: dict[str, dict[str, str]] = {}

    @classmethod
    def decode(cls, text: bytes) -> Snapshot:
        """The snapshot that is written like this. Raises ClusterError for one of another format."""
        try:
            found = msgspec.json.decode(text, type=_Versioned).format
            if found != FORMAT:
                raise ClusterError(
                    f"The snapshot has the format {found}, and this query frontend knows {FORMAT}: use the "
                    "same version of clipperlab for all parts of the cluster."
                )
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClusterError(f"The snapshot cannot be read: {error}. Management has a newer one.") from None


class _Versioned(msgspec.Struct):
    format: int = 1  # which did not say so


class GPU(msgspec.Struct, frozen=True):
    """What a replica's GPUs do: memory in bytes, over all of them; their mean utilisation, from 0 to 1."""

    memory_used: float
    memory: float
    utilisation: float


class ReplicaReport(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A replica as one frontend sees it. `answered` counts the inputs it has answered there.

    `hangs` says what it has been doing for too long, where it is given up; `warnings` what it said of its
    model when it was ready. `gpu` is None where it has none, or tells nobody.
    """

    model: str
    version: str
    replica: str
    ready: bool
    answered: int
    hangs: str | None = None
    warnings: list[str] = []
    gpu: GPU | None = None


class VersionReport(msgspec.Struct, frozen=True):
    """How much a version is asked at one frontend, and how much one of its replicas can answer.

    `asked` counts inputs since the frontend started, `batches` what was sent of them in how many, and
    `compute_s` the models' own time for those. `waiting` are the inputs that wait now. `capacity` is in
    inputs a second, within the objective; None where it was not measured yet. `waking` is true where no
    replica is ready, and the first one is on its way as somebody asked for it.
    """

    model: str
    version: str
    asked: int
    waiting: int
    capacity: float | None
    batches: int = 0
    sent: int = 0
    compute_s: float = 0.0
    waking: bool = False


class ArmReport(msgspec.Struct, frozen=True):
    """What became of the inputs for which an application's choice fell on one arm.

    Of the `chosen`, `used` have an output of the arm, which took as long as `latencies` count by LATENCIES_S,
    where the cache did not know it.
    """

    name: str
    chosen: int
    used: int
    errors: int
    late: int
    latencies: list[int]


class ApplicationReport(msgspec.Struct, frozen=True):
    """Queries answered by one application at one frontend, and its default answers by reason.

    `rejected` counts those refused for overload, `latencies` the answers by LATENCIES_S, and `confidence`
    those of a vote by CONFIDENCES.
    """

    name: str
    answered: int
    defaults: dict[str, int]
    rejected: int = 0
    latencies: list[int] = []
    arms: list[ArmReport] = []
    confidence: list[int] = []


class Complaint(msgspec.Struct, frozen=True):
    """What a frontend has to tell of a replica that is its own no more; or of itself, without a model.

    A "notice" is what a replica itself has to tell. The kind is that of the event.
    """

    model: str
    version: str
    replica: str
    text: str
    kind: str = "refused"


class Report(msgspec.Struct, frozen=True):
    """A frontend's word on itself, at least twice a second. `revision` acknowledges that snapshot.

    `began` is on its machine's monotonic clock: it tells a frontend from the one before it.
    `serving` is true once its HTTP port is open. `private` is its own address, host:port, beside the one
    that it shares with the other frontends. `complaints` are said once. Of the `protocols` with ports of
    their own it says "" where they serve, and of others why they do not.
    """

    frontend: str
    pid: int
    serving: bool
    revision: int
    private: str
    replicas: list[ReplicaReport]
    applications: list[ApplicationReport]
    versions: list[VersionReport] = []
    began: float = 0.0
    complaints: list[Complaint] = []
    rollouts: list[RolloutReport] = []
    protocols: dict[str, str] = {}
