"""The models as handlers of TorchServe and multi-model-server, whose archives name one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .models import MODELS

Handler = Callable[[list[dict[str, Any]] | None, object], list[float] | None]


def handler(name: str) -> Handler:
    """A function `handle(data, context)`; it is called with no data once, before the first request."""
    model = MODELS[name]()

    def handle(data: list[dict[str, Any]] | None, _context: object) -> list[float] | None:
        return model([row["body"]["input"] for row in data]) if data else None

    return handle
