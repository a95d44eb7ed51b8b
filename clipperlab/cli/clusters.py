"""`clipperlab clusters`: those of this user."""

from __future__ import annotations

from clipper_container.errors import BadRequest, ClipperException

from ..management import Management
from ..places.process import ProcessContainerManager
from ..places.process import clusters as names
from .app import AsJson, command, console, on, print_json
from .summary import table

_ELSEWHERE = {
    "docker": "`docker ps --filter label=org.clipperlab.cluster` shows the parts of those on Docker.",
    "kubernetes": "`kubectl get namespaces` shows those on Kubernetes, as clipper-<name>.",
}


@command("clusters")
def clusters(as_json: AsJson = False) -> None:
    """List your clusters of processes on this machine, whether they run or not."""
    if on() != "process":
        raise BadRequest(f"clusters lists those of processes on this machine. {_ELSEWHERE[on()]}")
    found = [_looked_at(name) for name in names()]
    if as_json:
        print_json(found)
    elif not found:
        console().print("No clusters yet: `clipperlab start` starts one.")
    else:
        shown = table("cluster", "state", "queries", "management")
        for each in found:
            shown.add_row(each["name"], each["state"], each["query"], each["management"])
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
