"""The clusters of this user: their ports, how the chosen one is, and what others left behind."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path

from clipper_container.errors import ClipperException

from ..places.process import ProcessContainerManager
from .finding import Finding

PORTS = {1337: "query", 1338: "management"}


def one_port(port: int, what: str, manager: ProcessContainerManager) -> Finding:
    record = None
    with suppress(ClipperException):
        record = manager.record()
    address = getattr(record, what) if record is not None else ""
    if address.endswith(f":{port}"):
        return Finding("good", f"Port {port} is the cluster's, for {what}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding("note", f"Port {port} is taken by something else: a free one is used for {what}.")
    return Finding("good", f"Port {port} is free for {what}")


def cluster(manager: ProcessContainerManager) -> Finding:
    name = manager.cluster_name
    try:
        record = manager.record()
    except ClipperException as error:
        return Finding("bad", str(error))
    if record is None:
        return Finding("note", f"Cluster {name} does not run. `clipperlab start` starts it.")
    from ..management import Management

    try:
        status = Management(record).cluster()
    except ClipperException as error:
        return Finding("bad", str(error))
    serving = sum(each["state"] == "serving" for each in status["frontends"])
    if serving < len(status["frontends"]) or not serving:
        what = f"Cluster {name}: {serving} of {len(status['frontends'])} query frontends serve"
        return Finding("bad", f"{what}. `clipperlab logs query-0` tells why.")
    bad = [
        f"{m['model_name']}:{m['model_version']}"
        for m in Management(record).models()
        if m["state"] == "crashing"
    ]
    if bad:
        what = f"Cluster {name}: the replicas of {', '.join(bad)} crash again and again"
        return Finding("bad", f"{what}. `clipperlab logs` tells why, `clipperlab rollback` helps.")
    return Finding("good", f"Cluster {name} runs, with {status['replicas']} replicas")


def leftovers(home: Path) -> list[Finding]:
    """Processes of clusters whose management is dead. They serve on, and nobody looks after them."""
    try:
        import psutil
    except ModuleNotFoundError:
        return []
    found = []
    for path in sorted(home.glob("*/cluster.json")) if home.is_dir() else []:
        manager = ProcessContainerManager(path.parent.name)
        with suppress(ClipperException, OSError, ValueError):
            record = manager.record()
            if record is None:
                continue
            host, _, port = record.management.rpartition(":")
            with socket.socket() as probe:
                probe.settimeout(1)
                alone = probe.connect_ex((host, int(port))) != 0
            records = list((path.parent / "processes").glob("*.json"))
            if alone and any(_runs(each, psutil) for each in records):
                what = f"Cluster {path.parent.name} has processes, and no management looks after them"
                command = f"clipperlab start --cluster-name {path.parent.name}"
                found.append(Finding("bad", f"{what}: `{command}` does, `stop` in its place ends them."))
    return found


def _runs(record: Path, psutil: object) -> bool:
    identity = json.loads(record.read_text()).get("identity") or {}
    return bool(psutil.pid_exists(identity.get("pid", -1)))  # type: ignore[attr-defined]
