"""By which protocols a cluster can be asked, and where."""

from __future__ import annotations

from collections.abc import Sequence
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
