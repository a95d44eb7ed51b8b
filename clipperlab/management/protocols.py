"""Protocols: how clients may ask, and where."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import quote

from .calls import Calls


class Protocol(TypedDict):
    name: str
    state: str  # on, off, starting or failed
    rest: str | None  # host:port, where it is asked
    grpc: str | None
    documented: dict[str, int]  # the ports that its clients expect, "rest" and "grpc"
    trouble: str | None  # why it does not serve


class Protocols(Calls):
    def protocols(self) -> list[Protocol]:
        found: list[Protocol] = self._call("GET", "/protocols")
        return found

    def start_protocol(
        self, name: str, port: int | None, grpc_port: int | None, key: tuple[str, str] | None
    ) -> Protocol:
        signed = None if key is None else {"name": key[0], "secret": key[1]}
        body = {"port": port, "grpc_port": grpc_port, "key": signed}
        found: Protocol = self._call("PUT", _path(name), body)
        return found

    def stop_protocol(self, name: str) -> None:
        self._call("DELETE", _path(name))


def _path(name: str) -> str:
    return f"/protocols/{quote(name, safe='')}"
