"""Protocols: how clients may ask, and where."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .calls import Calls


class Protocols(Calls):
    def protocols(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/protocols")
        return found

    def start_protocol(
        self, name: str, port: int | None, grpc_port: int | None, key: tuple[str, str] | None
    ) -> dict[str, Any]:
        signed = None if key is None else {"name": key[0], "secret": key[1]}
        body = {"port": port, "grpc_port": grpc_port, "key": signed}
        found: dict[str, Any] = self._call("PUT", _path(name), body)
        return found

    def stop_protocol(self, name: str) -> None:
        self._call("DELETE", _path(name))


def _path(name: str) -> str:
    return f"/protocols/{quote(name, safe='')}"
