"""The command line's application, and what its commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..management import Management
from ..places import ContainerManager
from ..places.docker import DockerContainerManager
from ..places.kubernetes import KubernetesContainerManager
from ..places.process import ProcessContainerManager
from .words import MAGIC, PROGRAM, translated, typed

app = typer.Typer(
    help="Clipper Lab: model serving where models are made.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ClusterName = Annotated[str, typer.Option(help="Which cluster.", envvar="CLIPPERLAB_CLUSTER")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")]
InputType = Annotated[str, typer.Option(help="Such as doubles, strings or json.")]
DEFAULT = "default-cluster"


def _names(of: Callable[[Management], list[str]]) -> Callable[[typer.Context, str], list[str]]:
    """Completes the names that a cluster has; where it does not answer there are none to complete."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        try:
            record = manager(context.params.get("cluster_name") or DEFAULT).record()
            found = [] if record is None else of(Management(record))
        except Exception:
            return []
        return sorted({name for name in found if name.startswith(incomplete)})

    return complete


Application = Annotated[
    str,
    typer.Argument(
        help="Its name.", autocompletion=_names(lambda m: [each["name"] for each in m.applications()])
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        help="Its name.", autocompletion=_names(lambda m: [each["model_name"] for each in m.models()])
    ),
]

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
_program = PROGRAM


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clipperlab {version('clipperlab')}")
        raise typer.Exit


@app.callback(epilog="Begin with `clipperlab start`, or see everything at work: `clipperlab demo`.")
def common(
    context: typer.Context,
    on: On = "process",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    global _on, _program
    _on, _program = on, MAGIC if context.info_name == MAGIC else PROGRAM


Function = TypeVar("Function", bound=Callable[..., None])


def command(
    example: str, *, of: typer.Typer = app, name: str | None = None
) -> Callable[[Function], Function]:
    """Adds a function to the commands, with an example in its help."""
    return of.command(name, epilog=f"Example: clipperlab {example}")


def manager(cluster_name: str) -> ContainerManager:
    return _MANAGERS[_on](cluster_name)


def on() -> str:
    """What the cluster runs on, as the command line has it."""
    return _on


def said(*words: str) -> str:
    """A command as somebody types it here, on what this one runs."""
    return typed(*words, on=_on, program=_program)


def told(sentence: str) -> str:
    """It in the words of the command line, or of its magic, where it names calls of Python."""
    return translated(sentence, _on, _program)


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
