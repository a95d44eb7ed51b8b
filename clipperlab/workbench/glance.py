"""What a cluster looks like at a glance, as HTML: applications, models, versions and replicas."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ..management import GPU, Application, Replica, Version
from .watch import Seen

_COLOURS = {"ready": "#2fa37c", "starting": "#e08a2e", "failed": "#d1584f", "crashing": "#d1584f"}
NOTHING = "-"


def trouble(seen: Seen) -> str:
    """The sentence that says what is wrong; "" where nothing is."""
    if not seen.trouble:
        return ""
    return (
        '<div role="alert" style="border-left:4px solid #d1584f;padding:4px 8px;margin:2px 0">'
        f"{html.escape(seen.trouble)}<br><small>It is looked for again every second.</small></div>"
    )


def head(seen: Seen) -> str:
    if seen.overview is None:
        return ""
    cluster = seen.overview["cluster"]
    frontends = ", ".join(f"{f['id']} {f['state']}" for f in cluster["frontends"]) or "none"
    return (
        f"<b>{html.escape(cluster['cluster_name'])}</b> &nbsp; queries at <code>{cluster['query']}</code>, "
        f"management at <code>{cluster['management']}</code>, query frontends: {html.escape(frontends)}"
        + "".join(
            f'<div role="status">{_dot("failed", "")}{html.escape(w)}</div>' for w in cluster["warnings"]
        )
    )


def applications(seen: Seen, chosen: Iterable[Application] | None = None) -> str:
    rows = []
    for application in seen.applications if chosen is None else chosen:
        name = application["name"]
        point = seen.points[-1]["applications"].get(name) if seen.points else None
        rate = sum(point["answers"].values()) if point else None
        model = point["answers"].get("model", 0.0) if point else 0.0
        rows.append(
            [
                f"<b>{html.escape(name)}</b>",
                f"<code>/{html.escape(name)}/predict</code>",
                application["input_type"],
                f"{application['latency_slo_micros'] / 1000:g} ms",
                f"<code>{html.escape(repr(application['default_output']))}</code>",
                html.escape(", ".join(application["linked_models"])) or "none: only default outputs",
                NOTHING if rate is None else f"{rate:,.0f}",
                NOTHING if not rate else f"{100 * (1 - model / rate):.0f} %",
                NOTHING if point is None or point["p99_ms"] is None else f"{point['p99_ms']:.1f} ms",
            ]
        )
    if not rows:
        return "<p>No applications yet: register_application() makes one.</p>"
    names = ("application", "asked at", "input type", "objective", "default output", "linked models")
    return _table((*names, "answers /s", "defaults", "p99"), rows)


def versions(seen: Seen, chosen: Iterable[Version] | None = None) -> str:
    rows = []
    for version in seen.versions if chosen is None else chosen:
        name = f"{version['model_name']}:{version['model_version']}"
        point = seen.points[-1]["versions"].get(name) if seen.points else None
        bounds, cpu = version["autoscaling"], version["cpu_percent"]
        current = " <b>(current)</b>" if version["is_current_version"] else ""
        rows.append(
            [
                f"{html.escape(name)}{current}",
                state(version),
                f"{version['ready_replicas']} of {version['num_replicas']} ready"
                + (f", scaled from {bounds[0]} to {bounds[1]}" if bounds else "")
                + (f" at {cpu} % CPU" if cpu else ""),
                html.escape(version["batching"]),
                NOTHING if point is None else f"{point['asked']:,.0f}",
                NOTHING if point is None else f"{point['waiting']:,}",
                NOTHING if point is None or point["utilisation"] is None else f"{point['utilisation']:.0%}",
            ]
        )
    if not rows:
        return "<p>No models yet: a deployer deploys one.</p>"
    head = ("version", "state", "replicas", "batching", "inputs /s", "waiting", "busy")
    return _table(head, rows)


def state(version: Version) -> str:
    """Its state as a word with a colour; the last line of what is wrong, with all of it to unfold."""
    found = _dot(version["state"])
    told = "\n".join(filter(None, [version["error"], *version["warnings"]]))
    if told:
        last = html.escape(told.strip().splitlines()[-1][:200])
        found += f"<details><summary>{last}</summary><pre>{html.escape(told)}</pre></details>"
    return found


def replicas(seen: Seen, chosen: Iterable[Replica]) -> str:
    chosen = list(chosen)
    head = ["replica", "state", "process", "predictions"]
    rows = [
        [
            html.escape(f"{replica['model_id']}:{replica['model_replica_id']}"),
            _dot(replica["state"]),
            NOTHING if replica["pid"] is None else str(replica["pid"]),
            f"{replica['num_predictions']:,}",
        ]
        for replica in chosen
    ]
    if any(replica["gpu"] for replica in chosen):
        head.append("GPU")
        rows = [[*row, _gpu(replica["gpu"])] for row, replica in zip(rows, chosen, strict=True)]
    return _table(head, rows) if rows else "<p>No replica.</p>"


def _gpu(gpu: GPU | None) -> str:
    if gpu is None:
        return NOTHING
    used, memory = gpu["memory_used"] / 2**30, gpu["memory"] / 2**30
    return f"{100 * gpu['utilisation']:.0f} %, {used:.1f} of {memory:.0f} GiB"


def _dot(word: str, said: str | None = None) -> str:
    colour = _COLOURS.get(word, "#8a8f98")
    dot = f'<span aria-hidden="true" style="color:{colour}">&#9679;</span>'
    return f"{dot} {html.escape(word if said is None else said)}"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col" style="text-align:left;padding:1px 10px 1px 0">{n}</th>' for n in names)
    cells = "".join(
        "<tr>" + "".join(f'<td style="padding:1px 10px 1px 0">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f'<table style="line-height:1.5"><thead><tr>{top}</tr></thead><tbody>{cells}</tbody></table>'
