"""`clipperlab protocols`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from ..display.protocols import where
from .app import DEFAULT, AsJson, ClusterName, app, command, connect, console, print_json
from .lasting import hint, lasting
from .summary import table

protocols = typer.Typer(help="Protocols: how clients of other systems may ask, and where.")
app.add_typer(protocols, name="protocols")

Name = Annotated[str, typer.Argument(help="Such as open-inference-grpc.")]


@protocols.callback(invoke_without_command=True, epilog="Example: clipperlab protocols")
def listed(context: typer.Context, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """List the protocols that there are, and where those that are on are asked; or start and stop one."""
    if context.invoked_subcommand is not None:
        return
    conn = connect(cluster_name)
    found = lasting(conn.cm, conn.protocols(), "rest", "grpc")
    if as_json:
        print_json(found)
        return
    rows = table("protocol", "state", "REST", "gRPC")
    for each in found:
        state = f"[red]{each['state']}[/]" if each["state"] == "failed" else each["state"]
        rows.add_row(each["name"], state, each["rest"] or "", each["grpc"] or "")
    console().print(rows)
    for each in found:
        if each["trouble"]:
            console().print(f"[red]{each['name']}: {escape(each['trouble'])}[/]")
    hint(conn.cm)


@command("protocols start open-inference-grpc --grpc-port 8001", of=protocols)
def start(
    name: Name,
    port: Annotated[int | None, typer.Option(help="For REST; by default a free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="For gRPC; by default a free one.")] = None,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Let clients ask by a protocol, at ports of its own."""
    conn = connect(cluster_name)
    started = conn.start_protocol(name, port=port, grpc_port=grpc_port)
    (found,) = lasting(conn.cm, [started], "rest", "grpc")
    if as_json:
        print_json(found)
    else:
        console().print(f"[bold]{name}[/] is on, at {where(found)}.")
        hint(conn.cm)


@command("protocols stop open-inference-grpc", of=protocols)
def stop(name: Name, cluster_name: ClusterName = DEFAULT) -> None:
    """End a protocol. What is under way is answered."""
    connect(cluster_name).stop_protocol(name)
    console().print(f"[bold]{name}[/] is off.")
