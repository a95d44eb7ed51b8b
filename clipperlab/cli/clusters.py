"""`clipperlab clusters`: those of this user."""

from __future__ import annotations

import subprocess

from clipper_container.errors import ClipperException, ClusterError

from ..management import Management
from ..places.process import ProcessContainerManager
from ..places.process import clusters as names
from .app import AsJson, command, console, on, print_json, said
from .summary import table

ANSWER_S = 10.0
# What lists the management of each cluster, as lines of its name and its state.
_LISTING = {
    "docker": [
        *("docker", "ps", "--all", "--filter", "label=org.clipperlab.kind=management", "--format"),
        '{{.Label "org.clipperlab.cluster"}} {{.State}}',
    ],
    "kubernetes": [
        *("kubectl", "get", "deployments", "--all-namespaces", "--no-headers", "--request-timeout=5s"),
        "--selector=app.kubernetes.io/name=clipper,app.kubernetes.io/component=management",
        "--output=custom-columns=:.metadata.namespace,:.status.readyReplicas",
    ],
}


@command("clusters")
def clusters(as_json: AsJson = False) -> None:
    """List your clusters of processes, whether they run or not; with `--on`, those that are up on that."""
    found = [_looked_at(name) for name in names()] if on() == "process" else _elsewhere(on())
    if as_json:
        print_json(found)
    elif not found:
        console().print(f"No clusters yet: `{said('start')}` starts one.")
    else:
        shown = table(*("cluster", "state", "queries", "management")[: len(found[0])])
        for each in found:
            shown.add_row(*each.values())
        console().print(shown)


def running() -> list[str]:
    """The names of those that run."""
    return [each["name"] for each in map(_looked_at, names()) if each["state"] == "running"]


def _looked_at(name: str) -> dict[str, str]:
    """Only looks: unlike connect(), it does not bring dead management back."""
    try:
        record = ProcessContainerManager(name).record()
    except ClipperException:
        return {"name": name, "state": "unreadable", "query": "", "management": ""}
    if record is None:
        return {"name": name, "state": "stopped", "query": "", "management": ""}
    try:
        Management(record).cluster()
        state = "running"
    except ClipperException:
        state = "does not answer"
    return {"name": name, "state": state, "query": record.query, "management": record.management}


def _elsewhere(place: str) -> list[dict[str, str]]:
    """Those on Docker or Kubernetes, as the engine knows them. On Kubernetes one is called by its namespace.

    Raises ClusterError.
    """
    program = _LISTING[place][0]
    try:
        done = subprocess.run(_LISTING[place], capture_output=True, text=True, timeout=ANSWER_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"`{program}` lists the clusters on {place}, and does not run: {error}.") from None
    if done.returncode:
        told = "".join(done.stderr.strip().splitlines()[-1:])
        raise ClusterError(f"`{program}` lists the clusters on {place}, and says: {told}")
    found = []
    for line in filter(str.strip, done.stdout.splitlines()):
        name, _, state = line.partition(" ")
        state = state.strip()
        if place == "kubernetes":
            name = name.removeprefix("clipper-")
            state = "running" if state.isdigit() and int(state) else "not ready"
        found.append({"name": name, "state": state})
    return sorted(found, key=lambda each: each["name"])
