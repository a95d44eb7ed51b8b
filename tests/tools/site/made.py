"""The pages that are made of the code, by their names."""

from __future__ import annotations

from collections.abc import Callable

from . import codes, commands, metrics, python_api, routes, wire

MADE: dict[str, Callable[[], str]] = {
    "reference/codes.md": codes.page,
    "reference/command-line.md": commands.page,
    "reference/metrics.md": metrics.page,
    "reference/python.md": python_api.page,
    "reference/rest.md": routes.page,
    "reference/wire.md": wire.page,
}
