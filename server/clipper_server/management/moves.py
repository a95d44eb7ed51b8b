"""What a model's history means: which version was the current one before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .state import ENDS, Move


def before(history: Sequence[Move], usable: Iterable[str]) -> str | None:
    """The version that a roll-back goes to; None where there is none.

    Rolling back undoes: a second one goes one version further back, and not forward again. Versions that
    are not `usable` any more are passed over.
    """
    able = set(usable)
    path: list[str] = []
    for move in history:
        if move.move in ENDS:
            continue
        if move.move == "rollback" and move.version in path:
            while path[-1] != move.version:
                path.pop()
        elif not path or path[-1] != move.version:
            path.append(move.version)
    return next((version for version in reversed(path[:-1]) if version in able and version != path[-1]), None)
