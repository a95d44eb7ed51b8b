"""What a live view leaves in a notebook, for those who see it without its kernel."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any, Literal

MIME = "application/vnd.clipperlab.view+json"
Kind = Literal["panel", "cluster", "application", "model", "rollout"]


def saved(cluster: str, kind: Kind, name: str, still: str) -> dict[str, Any]:
    """What JupyterLab's extension brings to life again, and what all else shows: `still`, HTML, and its time.

    `name` is that of the application or the model; a rollout has its model's. Nothing secret is in it, and no
    script.
    """
    of = f"{kind} {name} of cluster {cluster}" if name else f"cluster {cluster}"
    when = f"{of[0].upper()}{of[1:]}, as it was at {datetime.now():%Y-%m-%d %H:%M:%S}"
    return {
        MIME: {"cluster": cluster, "kind": kind, "name": name},
        "text/html": f"<div><small>{html.escape(when)}</small></div>{still}",
        "text/plain": when,
    }
