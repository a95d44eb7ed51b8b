"""`clipperlab images build`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..images import PACKAGES, build
from .app import app, command, console

images = typer.Typer(help="Container images, for clusters on Docker.", no_args_is_help=True)
app.add_typer(images, name="images")


@command("images build sklearn", of=images, name="build")
def build_images(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; by default all for clusters on CPUs.")
    ] = None,
    base: Annotated[str, typer.Option(help="The image to build upon; by default Python's slim one.")] = "",
    registry: Annotated[str, typer.Option(help="Put before the tags.")] = "",
    push: Annotated[bool, typer.Option("--push", help="Push them to the registry.")] = False,
    pip_options: Annotated[str, typer.Option(help="Of pip's, such as an index with builds of torch.")] = "",
    artifact: Annotated[Path | None, typer.Option(help="The model that the image sagemaker has.")] = None,
) -> None:
    """Build the images of this version of Clipper Lab, for this version of Python."""
    terminal = console()
    usual = [name for name in PACKAGES if not name.endswith("-cuda") and name != "sagemaker"]
    for name in names or usual:
        with terminal.status(f"Building {name} ...") as status:
            (found,) = build(
                [name],
                base=base,
                registry=registry,
                push=push,
                pip_options=pip_options,
                artifact=artifact,
                say=lambda words, name=name: status.update(f"Building {name}: {words[:90]}"),  # type: ignore[misc]
            )
        terminal.print(found)
