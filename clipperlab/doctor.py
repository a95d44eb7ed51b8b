"""Says what is wrong with this machine: one finding a check, each with what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from clipper_container.errors import ClipperException

from .places.process import ProcessContainerManager

PORTS = {1337: "query", 1338: "management"}
DISK_MIB = 1024
MEMORY_MIB = 1024
KUBERNETES_ANSWER_S = 3
SOCKET_PATH_LIMIT = 100  # macOS takes 104 bytes, Linux 108
NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smbfs", "smb3", "sshfs", "fuse.sshfs", "afpfs", "9p", "lustre")
NEEDED = ("fastapi", "uvicorn", "uvloop", "httptools", "prometheus-client", "psutil", "httpx2")


@dataclass(frozen=True)
class Finding:
    state: Literal["good", "note", "bad"]
    what: str


def examine(manager: ProcessContainerManager) -> list[Finding]:
    """All findings, in the order in which to look at them."""
    checks: list[Callable[[], Finding | list[Finding]]] = [
        python,
        packages,
        lambda: home(manager.folder),
        lambda: disk(manager.folder),
        memory,
        proxies,
        *(lambda port=port, what=what: one_port(port, what, manager) for port, what in PORTS.items()),
        lambda: cluster(manager),
        lambda: leftovers(manager.folder.parent),
        docker,
        kubernetes,
        gpu,
    ]
    found: list[Finding] = []
    for check in checks:
        finding = check()
        found += finding if isinstance(finding, list) else [finding]
    return found


def python() -> Finding:
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.platform not in ("linux", "darwin"):
        return Finding("bad", f"{sys.platform} is not supported: use Linux, macOS, or WSL on Windows.")
    return Finding("good", f"Python {here}, at {sys.executable}")


def packages(version_of: Callable[[str], str] = version) -> Finding:
    missing = []
    for name in NEEDED:
        try:
            version_of(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        what = f"The serving runtime lacks {', '.join(missing)}: pip install 'clipperlab[client,server]'."
        return Finding("bad", what)
    return Finding("good", f"clipperlab {version('clipperlab')} with the client and the serving runtime")


def home(folder: Path, mounts: Path = Path("/proc/mounts")) -> Finding:
    """Where clusters live: their own folder, on a local disk, with short paths."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        return Finding("bad", f"{existing} cannot be written: set CLIPPERLAB_HOME to a folder of your own.")
    longest = len(os.fsencode(folder / "sockets" / "00.sock"))
    if longest > SOCKET_PATH_LIMIT:
        what = f"The path {folder} is too long for Unix sockets ({longest} bytes): set CLIPPERLAB_HOME."
        return Finding("bad", f"{what} At most {SOCKET_PATH_LIMIT} can be used.")
    kind = _disk_of(existing, mounts)
    if kind in NETWORK_DISKS:
        what = f"{existing} is on a network disk ({kind}), where databases and sockets fail"
        return Finding("bad", f"{what}: set CLIPPERLAB_HOME to a folder on a local one.")
    return Finding("good", f"Clusters live in {folder.parent}")


def _disk_of(folder: Path, mounts: Path) -> str:
    """The kind of file system that the folder is on; "" where that is not known."""
    with suppress(OSError):
        places = [line.split()[1:3] for line in mounts.read_text().splitlines()]
        real = folder.resolve()
        holding = [(place, kind) for place, kind in places if real.is_relative_to(place)]
        if holding:
            return max(holding, key=lambda each: len(each[0]))[1]
    return ""


def disk(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free >> 20
    if free < DISK_MIB:
        return Finding("bad", f"Only {free:,} MiB are free on the disk of {existing}: make room.")
    return Finding("good", f"{free:,} MiB free on the disk")


def memory() -> Finding:
    cores = os.cpu_count() or 1
    try:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") >> 20
    except (ValueError, OSError):
        return Finding("note", f"{cores} cores. How much memory is free is not known here.")
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) >> 10
    if free < MEMORY_MIB:
        what = f"Only {free:,} MiB of memory are free: each replica takes 40 MiB and its model."
        return Finding("bad", f"{what} Close something, or deploy fewer replicas.")
    return Finding("good", f"{cores} cores, {free:,} MiB of memory free")


def proxies() -> Finding:
    named = [name for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)]
    excepted = os.environ.get("no_proxy", "") + os.environ.get("NO_PROXY", "")
    if named and "127.0.0.1" not in excepted:
        what = f"{named[0]} is set, and no_proxy does not name 127.0.0.1: programs of your own that ask an"
        return Finding("note", f"{what} application may be sent to the proxy. Clipper Lab itself is not.")
    return Finding("good", "No proxy stands between programs here and the cluster")


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
    from .management import Management

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
    import json

    identity = json.loads(record.read_text()).get("identity") or {}
    return bool(psutil.pid_exists(identity.get("pid", -1)))  # type: ignore[attr-defined]


def docker(run: Callable[[list[str]], str] | None = None) -> Finding:
    answer = (run or _run)(["docker", "version", "--format", "{{.Server.Version}}"])
    if not answer:
        return Finding("note", "No Docker engine answers. Clusters of plain processes need none.")
    return Finding("good", f"A Docker engine answers, version {answer}")


def kubernetes() -> Finding:
    """Whether the cluster of the kubeconfig's current context answers, or this pod's where there is none."""
    nobody = "No Kubernetes cluster answers: {}. Clusters of plain processes need none."
    kubeconfig = os.environ.get("KUBECONFIG", "") or str(Path("~/.kube/config").expanduser())
    has_config = any(Path(path).is_file() for path in kubeconfig.split(os.pathsep))
    if not has_config and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return Finding("note", nobody.format("there is no kubeconfig"))
    try:
        from kubernetes import client, config  # late: it takes a second to load, where it is there
    except ModuleNotFoundError:
        return Finding("note", nobody.format("its client is missing, `pip install 'clipperlab[server]'`"))
    settings, context = client.Configuration(), "this pod's own"
    settings.retries = False
    try:
        if has_config:
            config.load_kube_config(kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
            _, current = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
            context = f"of the context {current['name']}"
        else:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        with client.ApiClient(settings) as api:
            answer = client.VersionApi(api).get_code(_request_timeout=KUBERNETES_ANSWER_S)
    except Exception as error:  # of the client, of what it reads and of programs that it runs for a token
        said = " ".join(str(error).split())[:200]
        return Finding("note", nobody.format(said or type(error).__name__))
    return Finding("good", f"A Kubernetes cluster answers, {context}, version {answer.git_version}")


def gpu(run: Callable[[list[str]], str] | None = None) -> Finding:
    answer = (run or _run)(["nvidia-smi", "-L"])
    count = sum(line.startswith("GPU ") for line in answer.splitlines())
    return Finding("note", "No NVIDIA GPU") if not count else Finding("good", f"{count} NVIDIA GPU(s)")


def _run(command: list[str]) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""
