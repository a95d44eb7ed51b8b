"""docs/explanation/compared.md, of what was found: no sentence says more than the figures do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.tools.simulation.table import table

from .asking import CLIENTS
from .served.models import PASS_S
from .served.settings import BATCH, WAIT_MS
from .winners import winners
from .workloads import TREES, WORKLOADS, Workload

TEMPLATE = Path(__file__).with_suffix(".md")
BUSY = 0.25
"""The load of a core from which on the machine had other work."""

Peers = Mapping[str, Mapping[str, Any]]


def page(results: Mapping[str, Any]) -> str:
    """The page, in Markdown. `results` is what build/compare/results.json holds."""
    there = {key: peer for key, peer in results["peers"].items() if "left_out" not in peer}
    tables = [f"### {load.name}\n\n{_table(there, load)}" for load in WORKLOADS]
    return TEMPLATE.read_text().format(
        **{
            **results,
            "winners": _winners(there, results["rounds"]),
            "trees": TREES,
            "pass_ms": PASS_S * 1e3,
            "tables": "\n\n".join(tables),
            "clients": CLIENTS,
            "batch": BATCH,
            "wait_ms": WAIT_MS,
            "cores": results["machine"]["cores"],
            "systems": table(["system", "versions", "settings"], _systems(there)),
            "left_out": _left_out(results["peers"]),
            "machine": _machine(results["machine"]),
        }
    )


def _winners(there: Peers, rounds: int) -> str:
    if rounds < 2:
        return "This was one round. It shows that all of it runs, and not who wins: that takes several."
    if len(there) < 2:
        return "Fewer than two systems ran: there is nobody to compare with."
    ours = there["ours"]["name"] if "ours" in there else None
    return "\n".join(f"- **{load.name}**: {winners(_figures(there, load), ours)}" for load in WORKLOADS)


def _figures(there: Peers, load: Workload) -> list[tuple[str, Mapping[str, Any]]]:
    return [(peer["name"], peer["workloads"][load.name]) for peer in there.values()]


def _table(there: Peers, load: Workload) -> str:
    rows = [
        [name, f"{seen['rate']:,.0f}", _spread(seen["rounds"]), _ms(seen["p50_ms"]), _ms(seen["p99_ms"])]
        + [f"{seen['errors']:,.0f}"]
        for name, seen in sorted(_figures(there, load), key=lambda one: -one[1]["rate"])
    ]
    return table(["system", "answers a second", "spread", "p50 ms", "p99 ms", "errors"], rows)


def _spread(rounds: Sequence[Mapping[str, float]]) -> str:
    rates = [one["rate"] for one in rounds]
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _systems(there: Peers) -> list[list[str]]:
    return [
        [peer["name"], ", ".join(f"{name} {of}" for name, of in peer["versions"].items()), peer["settings"]]
        for peer in there.values()
    ]


def _left_out(peers: Peers) -> str:
    said = [f"- {peer['name']}: {peer['left_out']}" for peer in peers.values() if "left_out" in peer]
    return "\n".join(["Left out:", "", *said]) if said else "None was left out."


def _short(version: str) -> str:
    """wrk's, without what it was built with and by whom."""
    return version.partition(" [")[0]


def _machine(machine: Mapping[str, Any]) -> str:
    said = (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:g} GiB, "
        f"{machine['system']}, {_short(machine['wrk'])}. Clipper Lab is of commit {machine['commit']}."
    )
    load = machine["load_before"]
    if load > BUSY * machine["cores"]:
        said += f" It had other work, a load of {load:.1f} before the run began: quiet, it has other figures."
    return said
