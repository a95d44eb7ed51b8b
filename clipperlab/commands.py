"""What the `clipperlab` script can do. Errors leave as exceptions; `cli` turns them into sentences."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from clipper_container.errors import ClusterError

from .management import Management
from .managers import ProcessContainerManager
from .summary import summarise

app = typer.Typer(
    help="Clipper Lab: model serving where models are made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ClusterName = Annotated[str, typer.Option(help="Which cluster.")]


@app.command()
def start(cluster_name: ClusterName = "default-cluster") -> None:
    """Start a cluster, or find it running."""
    manager = ProcessContainerManager(cluster_name)
    console = _console()
    with console.status(f"Starting {cluster_name} ..."):
        started = manager.up(fresh=False)
    record = manager.record()
    if record is None:
        raise ClusterError(f"Cluster {cluster_name!r} was stopped as soon as it had started.")
    verb = "runs" if started else "is already running"
    console.print(
        f"[bold]{cluster_name}[/] {verb}: queries at {record.query}, management at {record.management}."
    )
    manager_code = "" if cluster_name == "default-cluster" else f'ProcessContainerManager("{cluster_name}")'
    console.print(f"In Python: conn = ClipperConnection({manager_code}); conn.connect()", soft_wrap=True)


@app.command()
def stop(
    cluster_name: ClusterName = "default-cluster",
    purge: Annotated[bool, typer.Option("--purge", help="Remove its applications and models too.")] = False,
) -> None:
    """Stop a cluster. The next start finds its applications and models again, unless they are purged."""
    stopped = ProcessContainerManager(cluster_name).down(purge=purge)
    ended = f"{stopped} process{'' if stopped == 1 else 'es'} ended" if stopped else "it was not running"
    removed = ", and nothing of it is left" if purge else ""
    _console().print(f"[bold]{cluster_name}[/] is stopped: {ended}{removed}.")


@app.command()
def status(cluster_name: ClusterName = "default-cluster") -> None:
    """Say what runs in a cluster. Exit code 1 where it does not run."""
    # Only looks: unlike connect(), it does not bring dead management back.
    record = ProcessContainerManager(cluster_name).record()
    if record is None:
        raise ClusterError(
            f"Cluster {cluster_name!r} is not running. `clipperlab start --cluster-name {cluster_name}` "
            "starts it."
        )
    _console().print(summarise(Management(record)))


@app.command()
def demo() -> None:
    """Serve a model of handwritten digits: deploy, roll forward, roll back, scale out. Under a minute."""
    from .demo import run

    raise typer.Exit(run(_console()))


def _console() -> Console:
    """Made for each command, as the terminal may change between them."""
    return Console(highlight=False, soft_wrap=True)
