"""The command line's application, and what its commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..places import ContainerManager
from ..places.docker import DockerContainerManager
from ..places.kubernetes import KubernetesContainerManager
from ..places.process import ProcessContainerManager

app = typer.Typer(
    help="Clipper Lab: model serving where models are made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ClusterName = Annotated[str, typer.Option(help="Which cluster.", envvar="CLIPPERLAB_CLUSTER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")]
DEFAULT = "default-cluster"


On = Annotated[
    Literal["process", "docker", "kubernetes"],
    typer.Option("--on", help="What the cluster runs on.", envvar="CLIPPERLAB_ON"),
]
_MANAGERS: dict[str, Callable[[str], ContainerManager]] = {
    "process": ProcessContainerManager,
    "docker": DockerContainerManager,
    "kubernetes": KubernetesContainerManager,
}
_on = "process"


@app.callback()
def common(on: On = "process") -> None:
    global _on
    _on = on


def manager(cluster_name: str) -> ContainerManager:
    return _MANAGERS[_on](cluster_name)


def on() -> str:
    """What the cluster runs on, as the command line has it."""
    return _on


def said(*words: str) -> str:
    """A command as somebody types it here, on what this one runs."""
    on = [] if _on == "process" else ["--on", _on]
    return " ".join(["clipperlab", *on, *words])


def connect(cluster_name: str) -> ClipperConnection:
    conn = ClipperConnection(manager(cluster_name))
    conn.connect()
    return conn


def parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(
            f"{text[:100]!r} is no JSON: {error}. Quote it for the shell: '[1.0, 2.0]' or '\"text\"'."
        ) from None


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value))


def console() -> Console:
    """Made for each command, as the terminal may change between them."""
    return Console(highlight=False, soft_wrap=True)
