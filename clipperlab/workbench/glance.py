"""What a cluster looks like at a glance, as HTML: applications, models, versions and replicas."""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import zip_longest

from ..display.protocols import beside
from ..display.under_way import changes
from ..management import GPU, Application, Replica, Version
from ..policies import answered_by
from .watch import Seen

_COLOURS = {"ready": "#2fa37c", "starting": "#e08a2e", "failed": "#d1584f", "crashing": "#d1584f"}
_NUMBERS = {
    *("answers /s", "defaults", "p99", "inputs /s", "waiting", "busy", "process", "predictions"),
    *("wanted", "got", "errors", "late", "p50", "p95", "rewards", "mean reward", "share now"),
}
NOTHING = "-"
OLD = ' style="opacity:0.5"'
LONGEST = 60  # characters of a default output


def trouble(seen: Seen) -> str:
    """The sentence that says what is wrong; "" where nothing is."""
    if not seen.trouble:
        return ""
    return (
        f'<div role="alert" class="clipper-failed">{html.escape(seen.trouble)}<br>'
        "<small>It is looked for again every second.</small></div>"
    )


def head(seen: Seen) -> str:
    if seen.overview is None:
        return ""
    cluster = seen.overview["cluster"]
    states = Counter(str(frontend["state"]) for frontend in cluster["frontends"])
    frontends = ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
    plural = "" if states.total() == 1 else "s"
    return (
        f'<div class="clipper-head"{OLD if seen.trouble else ""}>'
        f"<b>{html.escape(cluster['cluster_name'])}</b> &nbsp; queries at <code>{cluster['query']}</code>, "
        f"management at <code>{cluster['management']}</code>, "
        f"query frontend{plural}: {html.escape(frontends)}"
        + "".join(f"<br>{html.escape(said)}" for said in beside(cluster["query"], seen.protocols))
        + "".join(
            f'<div role="status">{_dot("failed", "")}{html.escape(w)}</div>' for w in cluster["warnings"]
        )
        + "</div>"
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
                f"<code>{html.escape(_shortened(repr(application['default_output'])))}</code>",
                html.escape(answered_by(application["linked_models"], application["policy"]))
                or "none: only default outputs",
                NOTHING if rate is None else f"{rate:,.0f}",
                NOTHING if not rate else f"{100 * (1 - model / rate):.0f} %",
                NOTHING if point is None or point["p99_ms"] is None else f"{point['p99_ms']:.1f} ms",
            ]
        )
    if not rows:
        return "<p>No applications yet: register_application() makes one.</p>"
    names = ("application", "asked at", "input type", "objective", "default output", "linked models")
    return table(seen, (*names, "answers /s", "defaults", "p99"), rows)


def versions(seen: Seen, chosen: Iterable[Version] | None = None) -> str:
    rows, below = [], []
    tried = changes(seen.rollouts, seen.shadows)
    for version in seen.versions if chosen is None else chosen:
        whose = version["model_name"], version["model_version"]
        name = ":".join(whose)
        point = seen.points[-1]["versions"].get(name) if seen.points else None
        bounds, cpu = version["autoscaling"], version["cpu_percent"]
        current = " <b>(current)</b>" if version["is_current_version"] else ""
        rows.append(
            [
                f"{html.escape(name)}{current}",
                _dot(version["state"]),
                f"{version['ready_replicas']} of {version['num_replicas']} ready"
                + (f", scaled from {bounds[0]} to {bounds[1]}" if bounds else "")
                + (f" at {cpu} % CPU" if cpu else ""),
                html.escape(version["batching"]),
                NOTHING if point is None else f"{point['asked']:,.0f}",
                NOTHING if point is None else f"{point['waiting']:,}",
                NOTHING if point is None or point["utilisation"] is None else f"{point['utilisation']:.0%}",
            ]
        )
        mine = [html.escape(change.line) for change in tried if (change.model, change.version) == whose]
        below.append("<br>".join([*mine, *filter(None, [_told(version)])]))
    if not rows:
        return "<p>No models yet: a deployer deploys one.</p>"
    head = ("version", "state", "replicas", "batching", "inputs /s", "waiting", "busy")
    return table(seen, head, rows, below)


def _told(version: Version) -> str:
    """What is wrong with it: the last line, with all of it to unfold; "" where nothing is."""
    told = "\n".join(filter(None, [version["error"], *version["warnings"]])).strip()
    if not told:
        return ""
    last = html.escape(textwrap.shorten(told.splitlines()[-1], 200, placeholder=" ..."))
    return f"<details><summary>{last}</summary><pre>{html.escape(told)}</pre></details>"


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
    return table(seen, head, rows) if rows else "<p>No replica.</p>"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _gpu(gpu: GPU | None) -> str:
    if gpu is None:
        return NOTHING
    used, memory = gpu["memory_used"] / 2**30, gpu["memory"] / 2**30
    return f"{100 * gpu['utilisation']:.0f} %, {used:.1f} of {memory:.0f} GiB"


def protocols(seen: Seen) -> str:
    rows, below = [], []
    for each in seen.protocols:
        addresses = (f"<code>{where}</code>" if where else NOTHING for where in (each["rest"], each["grpc"]))
        state = _dot({"on": "ready"}.get(each["state"], each["state"]), each["state"])
        rows.append([f"<b>{html.escape(each['name'])}</b>", state, *addresses])
        below.append(html.escape(each["trouble"] or ""))
    return table(seen, ("protocol", "state", "REST", "gRPC"), rows, below)


def _dot(word: str, said: str | None = None) -> str:
    colour = _COLOURS.get(word, "#8a8f98")
    dot = f'<span aria-hidden="true" style="color:{colour}">&#9679;</span>'
    return f"{dot} {html.escape(word if said is None else said)}"


def table(seen: Seen, names: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str] = ()) -> str:
    """`below` is what stands below each row, across all of it. Where there is little room
    each row is a card. What is old looks old, and says from when.
    """
    kinds = ["number" if name in _NUMBERS else "word" for name in names]
    top = [f'<th scope="col" class="{kind}">{name}</th>' for kind, name in zip(kinds, names, strict=True)]
    lines = []
    for row, told in zip_longest(rows, below, fillvalue=""):
        cells = [
            f'<td class="{kind}" data-name="{name}">{cell}</td>'
            for kind, name, cell in zip(kinds, names, row, strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
        if told:
            lines.append(f'<tr class="below"><td colspan="{len(names)}" class="told">{told}</td></tr>')
    body = f"<thead><tr>{''.join(top)}</tr></thead><tbody>{''.join(lines)}</tbody>"
    whole = f'<div class="clipper-glance"><table>{body}</table></div>'
    if not seen.trouble:
        return whole
    since = f"{datetime.fromtimestamp(seen.at):%H:%M:%S}"
    return f"<div><small>as it was at {since}</small></div><div{OLD}>{whole}</div>"
