"""By which protocols a cluster can be asked, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .table import table


class Protocols(list[dict[str, Any]]):
    """One dictionary a protocol, which shows itself as a table.

    It has `name`, `state` (on, off, starting or failed), the addresses `rest` and `grpc`, and `trouble`, a
    sentence where it does not serve.
    """

    def __repr__(self) -> str:
        return "\n".join("  ".join(filter(None, row)) for row in self._rows())

    def _repr_html_(self) -> str:
        return table(["protocol", "", "REST", "gRPC", ""], self._rows())

    def _rows(self) -> list[Sequence[str]]:
        return [(p["name"], p["state"], p["rest"] or "", p["grpc"] or "", p["trouble"] or "") for p in self]


def beside(query: str, found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Those that are not off, and not at `query`, the port for queries: each with where it is asked."""
    for each in found:
        if each["state"] != "off" and each["rest"] != query:
            said = "" if each["state"] == "on" else f", {each['state']}"
            yield f"{each['name']} at {where(each)}{said}"


def where(protocol: Mapping[str, Any]) -> str:
    """ "127.0.0.1:8501 (REST) and 127.0.0.1:8500 (gRPC)"."""
    ways = (("rest", "REST"), ("grpc", "gRPC"))
    return " and ".join(f"{protocol[key]} ({word})" for key, word in ways if protocol[key])
