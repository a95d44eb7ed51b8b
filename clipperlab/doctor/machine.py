"""The machine itself: Python, packages, disk, memory, and what stands between its programs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .finding import Finding

DISK_MIB = 1024
MEMORY_MIB = 1024
SOCKET_PATH_LIMIT = 100  # macOS takes 104 bytes, Linux 108
NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smbfs", "smb3", "sshfs", "fuse.sshfs", "afpfs", "9p", "lustre")
NEEDED = ("fastapi", "uvicorn", "uvloop", "httptools", "prometheus-client", "psutil", "httpx2")


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
