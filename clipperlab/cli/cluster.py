"""`clipperlab start`, `stop`, `status` and `manifests`."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from clipper_container.errors import ClusterError
from clipper_container.near import meant

from ..management import Management
from ..names import check_origins
from ..operations.cluster import MAX_FRONTENDS
from ..places.addresses import Addresses
from ..places.kubernetes import KubernetesContainerManager
from .app import DEFAULT, AsJson, ClusterName, command, console, manager, on, print_json
from .clusters import running
from .lasting import hint, lasting
from .summary import summarise

CacheSize = Annotated[int | None, typer.Option(min=0, help="Of the prediction cache, in bytes.")]
NumFrontends = Annotated[
    int | None, typer.Option(min=1, max=MAX_FRONTENDS, help="Query frontends that share the port.")
]
MaxInputs = Annotated[int | None, typer.Option(min=1, help="Of one request.")]
MaxJson = Annotated[int | None, typer.Option(min=1, help="Bytes of JSON, of one request.")]
CorsOrigin = Annotated[list[str] | None, typer.Option(help="Of web pages that may ask; * are all.")]
Protocol = Annotated[
    list[str] | None,
    typer.Option(help="To be on, at ports of its own: azureml, or tensorflow-serving:8501:8500. Repeatable."),
]


def _given(
    cache_size: int | None,
    num_frontends: int | None,
    max_inputs: int | None,
    max_json: int | None,
    cors_origins: list[str] | None,
    protocols: list[str] | None,
) -> dict[str, int | str]:
    """The settings that were given: the others stay as they were."""
    numbers = {"cache_size": cache_size, "num_frontends": num_frontends}
    numbers |= {"max_inputs": max_inputs, "max_json": max_json}
    given: dict[str, int | str] = {name: value for name, value in numbers.items() if value is not None}
    if cors_origins:
        given["cors_origins"] = ",".join(check_origins(cors_origins))
    if protocols:
        given["protocols"] = ",".join(protocols)
    return given


@command("start --num-frontends 2")
def start(
    cluster_name: ClusterName = DEFAULT,
    cache_size: CacheSize = None,
    num_frontends: NumFrontends = None,
    max_inputs: MaxInputs = None,
    max_json: MaxJson = None,
    cors_origin: CorsOrigin = None,
    protocol: Protocol = None,
) -> None:
    """Start a cluster, or find it running."""
    place = manager(cluster_name)
    terminal = console()
    given = _given(cache_size, num_frontends, max_inputs, max_json, cors_origin, protocol)
    with terminal.status(f"Starting {cluster_name} ..."), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        started = place.up(fresh=False, settings=given)
    for warning in said:
        terminal.print(f"[bold]Mind:[/] {warning.message}", soft_wrap=True)
    record = place.record()
    if record is None:
        raise ClusterError(f"Cluster {cluster_name!r} was stopped as soon as it had started.")
    verb = "runs" if started else "is already running"
    where = f"queries at {record.query}, management at {record.management}"
    if isinstance(place, KubernetesContainerManager) and place.forwards:
        where = f"`{place.port_forward}` leads to its queries"
    terminal.print(f"[bold]{cluster_name}[/] {verb}: {where}.", soft_wrap=True)
    plain = cluster_name == DEFAULT and on() == "process"
    manager_code = "" if plain else f'{type(place).__name__}("{cluster_name}")'
    terminal.print(f"In Python: conn = ClipperConnection({manager_code}); conn.connect()", soft_wrap=True)


@command("stop --purge")
def stop(
    cluster_name: ClusterName = DEFAULT,
    purge: Annotated[bool, typer.Option("--purge", help="Remove its applications and models too.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Kill, and lose what is under way.")] = False,
) -> None:
    """Stop a cluster. The next start finds its applications and models again, unless they are purged."""
    stopped = manager(cluster_name).down(purge=purge, graceful=not now)
    ended = f"{stopped} process{'' if stopped == 1 else 'es'} ended" if stopped else "it was not running"
    removed = ", and nothing of it is left" if purge else ""
    console().print(f"[bold]{cluster_name}[/] is stopped: {ended}{removed}.")


@command("status")
def status(cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Say what runs in a cluster. Exit code 1 where it does not run."""
    # Only looks: unlike connect(), it does not bring dead management back.
    place = manager(cluster_name)
    record = place.record()
    if record is None:
        others = running() if on() == "process" else []
        near = meant(cluster_name, others)
        known = f" Clusters that run: {', '.join(others)}." if others else ""
        raise ClusterError(
            f"Cluster {cluster_name!r} is not running.{near} `clipperlab start "
            f"--cluster-name {cluster_name}` starts it.{known}"
        )
    management, addresses = Management(record), Addresses(place, record)
    cluster = management.cluster()
    protocols = lasting(place, addresses.protocols(cluster, management.protocols()), "rest", "grpc")
    (cluster,) = lasting(place, [addresses.cluster(cluster)], "query", "management")
    if as_json:
        rollouts, shadows = management.last_changes()
        print_json(
            {
                **cluster,
                "protocols": protocols,
                "applications": management.applications(),
                "models": management.models(),
                "replicas": management.replicas(),
                "rollouts": rollouts,
                "shadows": shadows,
            }
        )
    else:
        console().print(summarise(management, cluster, protocols))
        hint(place)


@command("manifests --namespace shop > shop.yaml")
def manifests(
    cluster_name: ClusterName = DEFAULT,
    namespace: Annotated[str, typer.Option(help="By default clipper-<cluster name>.")] = "",
    registry: Annotated[str, typer.Option(help="Where the images are.")] = "",
    cache_size: CacheSize = None,
    num_frontends: NumFrontends = None,
    max_inputs: MaxInputs = None,
    max_json: MaxJson = None,
    cors_origin: CorsOrigin = None,
    protocol: Protocol = None,
) -> None:
    """Print a cluster on Kubernetes as YAML, for `kubectl apply` and GitOps: as it runs, or as it would."""
    place = KubernetesContainerManager(cluster_name, namespace=namespace or None, registry=registry)
    given = _given(cache_size, num_frontends, max_inputs, max_json, cors_origin, protocol)
    text, running = place.manifests(given)
    said = "As it runs" if running else "As it would be, for it does not run"
    typer.echo(f"# {cluster_name}. {said}. Management makes its secrets.\n{text}", nl=False)
