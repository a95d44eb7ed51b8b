"""What a run prints, and on what machine it ran."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from .bench import Outcome, Target

PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec", "numpy", "scikit-learn", "clipperlab")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    found = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        found.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        found.add_row(*map(_cell, row))
    return found


def against_echo(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of `Bench.against_echo`."""
    return table(
        title,
        ["connections", "echo /s", "ours /s", "ratio", "echo p50", "ours p50", "ratio", "ours p99", "errors"],
        [
            [
                row["connections"],
                row["echo"]["rate"],
                row["ours"]["rate"],
                row["rate_ratio"],
                ms(row["echo"]["p50_ms"]),
                ms(row["ours"]["p50_ms"]),
                row["p50_ratio"],
                ms(row["ours"]["p99_ms"]),
                int(row["ours"]["unanswered"] + row["ours"]["refused"]),
            ]
            for row in rows
        ],
    )


def ms(value: float | None) -> str:
    """A latency; empty where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.2f} ms"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def show(console: Console, name: str, outcome: Outcome) -> None:
    console.print(f"\n[bold]{name}[/bold]: {outcome.title}")
    for found in outcome.tables:
        console.print(found)
    for note in outcome.notes:
        console.print(note)
    if outcome.targets:
        console.print(_targets(outcome.targets))


def _targets(targets: Sequence[Target]) -> Table:
    rows = [[t.what, t.wanted, t.measured, "yes" if t.met else "no"] for t in targets]
    return table("targets", ["what", "wanted", "measured", "met"], rows)


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": psutil.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": os.getloadavg()[0],  # of others, which had better be none
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "wrk": _first_line(["wrk", "--version"]),
        "commit": _first_line(["git", "describe", "--always", "--dirty"]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _first_line(command: list[str]) -> str | None:
    try:
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    except OSError:
        return None
    return lines[0].strip() if lines else None
