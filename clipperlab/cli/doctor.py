"""`clipperlab doctor`."""

from __future__ import annotations

import typer

from ..doctor import examine
from ..places.process import ProcessContainerManager
from .app import DEFAULT, ClusterName, command, console


@command("doctor")
def doctor(cluster_name: ClusterName = DEFAULT) -> None:
    """Say what is wrong with this machine, and what to do about it. Exit code 1 where something is."""
    marks = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}
    findings = examine(ProcessContainerManager(cluster_name))
    for finding in findings:
        console().print(f"{marks[finding.state]}  {finding.what}", markup=True)
    raise typer.Exit(any(finding.state == "bad" for finding in findings))
