"""What namespaces do for a container, done for the Python of a pod that is only a process.

It is on PYTHONPATH of the stand-in's pods, and of its clients' processes, where it leaves out what no user's
environment has. Each pod has a loopback address of its own: what is bound to all
addresses, or to localhost, is bound to that one, and localhost is found there. Names of Services are looked
up in a file. In-cluster configuration finds the service account's folder.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

IP, NAMES = os.environ.get("STAND_IN_POD_IP", ""), os.environ.get("STAND_IN_NAMES", "")
NAMESPACE, ACCOUNT = os.environ.get("STAND_IN_NAMESPACE", ""), os.environ.get("STAND_IN_ACCOUNT", "")
PARENT = os.environ.get("STAND_IN_PARENT", "")
PR_SET_PDEATHSIG = 1
_EVERYWHERE, _LOCALHOST = ("", "0.0.0.0"), ("127.0.0.1", "localhost")
_getaddrinfo = socket.getaddrinfo


def here(address: Any) -> Any:
    """The pod's own address in place of localhost, or of all addresses."""
    if isinstance(address, tuple) and address[0] in (*_EVERYWHERE, *_LOCALHOST):
        return (IP, *address[1:])
    return address


def names() -> dict[str, list[str]]:
    """The addresses of Services, by name.namespace."""
    try:
        return dict(json.loads(Path(NAMES).read_text()))
    except OSError:
        return {}


def addresses(host: object) -> list[str] | None:
    """Those of a Service; None where the name is none of a Service. Raises gaierror for one that has none."""
    if isinstance(host, bytes):
        host = host.decode()
    if not isinstance(host, str) or host in (*_EVERYWHERE, *_LOCALHOST) or ":" in host:
        return None
    parts = host.rstrip(".").removesuffix(".cluster.local").removesuffix(".svc").split(".")
    if all(part.isdigit() for part in parts):
        return None
    known = names()
    found = known.get(".".join(parts if len(parts) > 1 else [*parts, NAMESPACE]))
    if found:
        return found
    if len(parts) == 1 or host.endswith((".svc", ".cluster.local")) or found is not None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return None


def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
    found = addresses(host)
    if found is None:
        return list(_getaddrinfo(host, port, *arguments, **options))
    return [info for address in found for info in _getaddrinfo(address, port, *arguments, **options)]


def patch_socket() -> None:
    kept = {name: getattr(socket.socket, name) for name in ("bind", "connect", "connect_ex")}

    def redirected(name: str) -> Callable[[socket.socket, Any], Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "pods of the stand-in have IPv4 alone")
            return kept[name](self, here(address) if self.family == socket.AF_INET else address)

        return call

    for name in kept:
        setattr(socket.socket, name, redirected(name))
    socket.getaddrinfo = getaddrinfo
    socket.gethostbyname = lambda host: getaddrinfo(host, None, socket.AF_INET)[0][4][0]
    socket.gethostname = lambda: os.environ.get("HOSTNAME", "pod")


def patch_uvloop(module: ModuleType) -> None:
    loop: Any = module.Loop
    server, connection, info = loop.create_server, loop.create_connection, loop.getaddrinfo

    async def create_server(
        self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if host is not None and not isinstance(host, list):
            host = here((host, port))[0]
        elif host is None and port is not None:
            host = IP
        return await server(self, factory, host, port, **options)

    async def create_connection(
        self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if host is not None:
            host = (addresses(host) or [here((host, port))[0]])[0]
        return await connection(self, factory, host, port, **options)

    async def loop_getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        found = addresses(host)
        if found is None:
            return await info(self, host, port, **options)
        return [each for address in found for each in await info(self, address, port, **options)]

    loop.create_server, loop.create_connection, loop.getaddrinfo = (
        create_server,
        create_connection,
        loop_getaddrinfo,
    )


def patch_grpc(module: ModuleType) -> None:
    """Its sockets are none of Python's."""
    add = module.Server.add_insecure_port

    def add_insecure_port(self: Any, address: str) -> Any:
        host, _, port = address.rpartition(":")
        return add(self, f"{here((host, port))[0]}:{port}")

    module.Server.add_insecure_port = add_insecure_port


def patch_in_cluster(module: ModuleType) -> None:
    module.SERVICE_TOKEN_FILENAME = f"{ACCOUNT}/token"  # type: ignore[attr-defined]
    module.SERVICE_CERT_FILENAME = f"{ACCOUNT}/ca.crt"  # type: ignore[attr-defined]


AFTER = {
    "uvloop": patch_uvloop,
    "grpc.aio._server": patch_grpc,
    "kubernetes.config.incluster_config": patch_in_cluster,
    "kubernetes.aio.config.incluster_config": patch_in_cluster,
}

LEFT_OUT = {"kubernetes_validate", "rfc3987_syntax"}
"""The tests' own, or no use: Kubernetes' client loads the one, and jsonschema the other, for seconds."""


class Finder(importlib.abc.MetaPathFinder):
    """Patches the modules in AFTER as soon as they are imported, and finds none of those in LEFT_OUT."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {fullname!r} in the stand-in", name=fullname)
        if not IP or fullname not in AFTER:
            return None
        patch = AFTER.pop(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if IP:
    if str(os.getppid()) == PARENT and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no pod outlives the stand-in
    patch_socket()
sys.meta_path.insert(0, Finder())
