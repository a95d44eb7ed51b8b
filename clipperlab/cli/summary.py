"""What runs in a cluster, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..display.protocols import beside
from ..display.under_way import under_way
from ..handles import ModelHandle
from ..management import Application, Management, Replica, Version
from ..policies import answered_by
from .app import said, told

EVENTS = 8
WIDEST = 10_000


def summarise(
    management: Management, cluster: Mapping[str, Any], protocols: Sequence[Mapping[str, Any]]
) -> RenderableType:
    """Everything that a person looks for first, as management tells it now."""
    head = Text.from_markup(
        f"[bold]{escape(cluster['cluster_name'])}[/]  queries [cyan]{cluster['query']}[/]  "
        f"management [cyan]{cluster['management']}[/]\n{escape(_frontends(cluster['frontends']))}"
        + "".join(f"\n{escape(protocol)}" for protocol in beside(cluster["query"], protocols))
        + "".join(f"\n[red]{escape(warning)}[/]" for warning in cluster["warnings"])
    )
    return Group(
        head,
        applications(management.applications()),
        _models(management.models(), management.replicas()),
        _changes(under_way(*management.last_changes())),
        _events(cluster["events"][-EVENTS:]),
    )


def _frontends(frontends: list[dict[str, Any]]) -> str:
    """How many there are, and how they are: "1 query frontend, serving (pid 4711)"."""
    count = f"{len(frontends)} query frontend{'' if len(frontends) == 1 else 's'}"
    states = dict.fromkeys(f["state"] for f in frontends)
    told = []
    for state in states:
        pids = ", ".join(str(f["pid"]) for f in frontends if f["state"] == state)
        told.append(f"{state} (pid{'s' if ',' in pids else ''} {pids})")
    return ", ".join([count, *told])


def versions_of(model: ModelHandle) -> RenderableType:
    """A model's versions, and its history."""
    rows = table("version", "state", "replicas", "batching", "deployed by")
    for version in model.versions:
        current = " [green](current)[/]" if version["is_current_version"] else ""
        if version["version_labels"]:
            current += f" [cyan]({', '.join(version['version_labels'])})[/]"
        why = f": {version['message']}" if version["message"] else ""
        rows.add_row(
            version["model_version"] + current,
            f"[red]{version['state']}[/]" if version["state"] in ("failed", "crashing") else version["state"],
            f"{version['ready_replicas']} of {version['num_replicas']} ready",
            version["batching"],
            escape(version["deployed_by"] + why),
        )
    return Group(rows, _changes(model.under_way), Text(f"\n{model.history!r}", style="dim"))


def applications(found: list[Application]) -> RenderableType:
    if not found:
        return Text(f"No applications yet: `{said('register')}` makes one.")
    rows = table("application", "input type", "objective", "default output", "linked models")
    for app in found:
        rows.add_row(
            app["name"],
            app["input_type"],
            f"{app['latency_slo_micros'] / 1000:g} ms",
            escape(repr(app["default_output"])),
            answered_by(app["linked_models"], app["policy"]) or "none",
        )
    return rows


def _models(versions: list[Version], replicas: list[Replica]) -> RenderableType:
    if not versions:
        return Text(f"No models yet: `{said('deploy')}` deploys one.")
    rows = table("model", "version", "state", "replicas", "predictions")
    for version in versions:
        model_id = f"{version['model_name']}:{version['model_version']}"
        answered = sum(r["num_predictions"] for r in replicas if r["model_id"] == model_id)
        current = " [green](current)[/]" if version["is_current_version"] else ""
        rows.add_row(
            version["model_name"],
            version["model_version"] + current,
            f"[red]{version['state']}[/]" if version["state"] == "failed" else version["state"],
            f"{version['ready_replicas']} of {version['num_replicas']} ready",
            f"{answered:,}",
        )
    wrong = [f"{v['model_name']}:{v['model_version']}: {_wrong(v)}" for v in versions if _wrong(v)]
    return Group(rows, Text("\n" + "\n".join(wrong), style="red")) if wrong else rows


def _wrong(version: Version) -> str:
    """The line that says what is wrong with it; "" where it is well."""
    if version["state"] == "ready":
        return ""
    told = [*filter(None, [version["error"]]), *version["warnings"]]
    return told[0].strip().splitlines()[-1] if told else ""


def _changes(lines: list[str]) -> RenderableType:
    return Group(*(Text(f"\n{line}", style="cyan") for line in lines))


def _events(events: list[dict[str, object]]) -> RenderableType:
    lines = [
        f"{datetime.fromtimestamp(float(str(e['at']))):%H:%M:%S}  {told(str(e['text']).splitlines()[0])}"
        for e in events
    ]
    return Text("\n" + "\n".join(lines), style="dim")


class Rows(Table):
    """A table; where its words do not fit beside one another, each row is lines of its own."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least = self.__rich_measure__(console, options.update(width=WIDEST)).minimum
        if least <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        heads = [str(column.header) for column in self.columns]
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            yield Text()
            for head, cell in zip(heads, cells, strict=True):
                yield Text.from_markup(f"[bold]{head}[/] {cell}")


def table(*columns: str) -> Table:
    """An empty table, which stands off from what is above it."""
    found = Rows(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for column in columns:
        found.add_column(column)
    found.title = ""
    return found
