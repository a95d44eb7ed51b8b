"""The arguments of a call that deploys, as the fields of a record: those that all frameworks share, once.

A call has Clipper's order: the head, then what the framework's model takes, then the rest. Its record names
them from the last to the first, for that is how dataclasses inherit:

    class _Deployment(Deployment, Estimator, DeploymentHead)
    class _Endpoint(Endpoint, Estimator, EndpointHead)

where `Estimator` is the framework's `Model`. A class tells of arguments in its docstring, after the first
paragraph; `help()` of the call shows them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from ..objectives import objective
from ..operations import Operations
from ..options import DeployOptions

DEFAULT_SLO_MICROS = 3_000_000


@dataclass(frozen=True)
class Model:
    """What a framework adds: its own arguments as fields, its loader, and how its model is packed."""

    loader: ClassVar[str]

    def parts(self) -> dict[str, bytes]:
        """The artifact's parts. Raises BadRequest for what is no such model, and ArtifactError."""
        raise NotImplementedError

    def check(self, input_type: str) -> None:
        """Raises BadRequest where it could answer no inputs of that type."""

    def packages(self) -> list[str]:
        """What pip shall install for it, where its owner does not say so."""
        return []

    def names(self) -> Sequence[str] | Mapping[str, str] | None:
        """Those of the columns that the model takes, in its order, where it knows them.

        With what each holds where it knows that, too; then also those of named arrays.
        """
        return None


@dataclass(frozen=True)
class _Shared(Model):
    """What all calls share.

    clipper_conn
        The connection to the cluster.
    name
        The model's name: lower-case letters, digits and hyphens.
    version
        Of the model: any string or number, or "next" for the number after the largest. A version is never
        overwritten; one that is deployed again from the very same model stays as it is.
    input_type
        What an input is, such as "doubles", "strings", "json" or "ndarray"; "dataframe" for a model that
        takes columns by name, and "named" for one that takes several arrays.
    base_image
        The image that its replicas run in, where the cluster runs containers; by default the
        framework's.
    labels
        Words that are kept with the version.
    registry
        Clipper's, and refused: a deployer pushes no image.
    num_replicas
        How many replicas answer.
    batch_size
        Clipper's way to say `batching`: -1 is "learned", 1 is "off", and n is "fixed(n)".
    pkgs_to_install
        The packages that pip installs for its replicas, a list.
    requirements
        More of them: a list, or the path of a file as pip has it.
    example_input
        One input, with which each replica warms up before it is ready. Of data frames it tells the columns,
        and what each holds: X.head(1). Of named arrays it tells the names, types and dimensions:
        {"ids": np.array([3, 7])}.
    size
        What an input costs, as an expression of the input `x`, such as "len(x)"; by default each
        counts as one.
    """

    _: KW_ONLY
    requirements: Sequence[str] | str | Path | None = None
    example_input: object | None = None
    size: str | None = None


@dataclass(frozen=True)
class _Options(_Shared):
    __doc__ = DeployOptions.__doc__

    _: KW_ONLY
    batching: str | None = None
    batch_delay_micros: int | None = None
    hang_after_s: float | None = None
    max_cached_input: int | None = None
    concurrency: int | None = None
    uses: Sequence[str] | None = None
    stages: Sequence[str | Sequence[str]] | None = None
    make_current: bool | None = None
    rollout: Sequence[float] | None = None
    applications: Literal["all"] | None = None
    message: str | None = None
    resources: Mapping[str, Any] | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)  # it may hold secrets
    python: str | None = None
    wait: bool | None = None
    timeout_s: float | None = None

    def options(self) -> DeployOptions:
        """Those that are given."""
        values = {name: getattr(self, name) for name in DeployOptions.__annotations__}
        return cast(DeployOptions, {name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class DeploymentHead:
    """How a call that deploys a version begins."""

    clipper_conn: Operations
    name: str
    version: object
    input_type: str


@dataclass(frozen=True)
class Deployment(_Options, DeploymentHead):
    """How a call that deploys a version ends."""

    base_image: str = "default"
    labels: Sequence[str] | None = None
    registry: str | None = None
    num_replicas: int = 1
    batch_size: int = -1
    pkgs_to_install: Sequence[str] | None = None


@dataclass(frozen=True)
class EndpointHead:
    """How a call that makes an endpoint begins."""

    clipper_conn: Operations
    name: str
    input_type: str


@dataclass(frozen=True)
class Endpoint(_Options, EndpointHead):
    """How a call that makes an endpoint ends.

    name
        Of the application and of the model: lower-case letters, digits and hyphens.
    default_output
        What the application answers where the model does not, or not in time. Where none is given it is the
        text "None", as it was in Clipper: give one that clients can tell from an output.
    slo_micros
        The application's latency objective, in microseconds.
    slo_ms
        The same in milliseconds, in its place.
    """

    default_output: object = "None"
    version: object = 1
    slo_micros: int = DEFAULT_SLO_MICROS
    labels: Sequence[str] | None = None
    registry: str | None = None
    base_image: str = "default"
    num_replicas: int = 1
    batch_size: int = -1
    pkgs_to_install: Sequence[str] | None = None
    _: KW_ONLY
    slo_ms: float | None = None

    @property
    def objective(self) -> int:
        """In microseconds. Raises BadRequest."""
        left_out = self.slo_ms is not None and self.slo_micros == DEFAULT_SLO_MICROS
        return objective(None if left_out else self.slo_micros, self.slo_ms)


class Options(DeployOptions, total=False):
    """Those of all deployers: how it is warmed up, what its replicas are, and what they run in."""

    base_image: str
    example_input: object
    labels: Sequence[str]
    num_replicas: int
    pkgs_to_install: Sequence[str]
    requirements: Sequence[str] | str | Path
    size: str
