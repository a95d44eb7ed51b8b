"""Checks: functions that look at what a learner has made, and say what is missing.

A lesson's checks and those of its exercise stand in a module of their own, `lesson_04`:

@check("batching-limit", hints=("Where to look.", "What to call.", "The call in full."))
def limit(wb: Checked, answer: object) -> None:
    if answer is None:
        raise NotYet("There is no answer yet.")
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clipper_container.errors import BadRequest

if TYPE_CHECKING:
    import httpx2

    from ...connection import ClipperConnection

Look = Callable[..., None]
EXERCISE = "exercise-"  # what the ids of an exercise's checks begin with
LATE = {"deadline", "overload"}


class Checked(Protocol):
    """What a check knows of the bench that it looks at."""

    name: str

    @property
    def conn(self) -> ClipperConnection: ...

    @property
    def http(self) -> httpx2.Client: ...


class NotYet(Exception):
    """Raised by a check, with a sentence that says what is missing."""


@dataclass(frozen=True)
class Check:
    """`look(wb, *values)` raises while something is missing. A further try gets the next one of `hints`."""

    id: str
    look: Look
    hints: tuple[str, ...]


_by_module: dict[str, dict[str, Check]] = {}


def check(id: str, *, hints: tuple[str, str, str]) -> Callable[[Look], Look]:
    """Register a check under an id that no other lesson has. Hints go from a nudge to the solution."""

    def register(look: Look) -> Look:
        others = [m for m, known in _by_module.items() if id in known and m != look.__module__]
        if others:
            raise ValueError(f"The check {id!r} is already in {others[0]}: give this one another id.")
        _by_module.setdefault(look.__module__, {})[id] = Check(id, look, hints)
        return look

    return register


def is_answered(load: Mapping[str, Any], lost_at_most: float) -> bool:
    """Whether a model answered half of a load at least, and no more than that part of it was lost: had other
    answers than the model's. Late ones are the machine's doing.
    """
    model, sent = int(load["answers"].get("model", 0)), int(load["sent"])
    lost = sum(count for kind, count in load["answers"].items() if kind not in {"model", *LATE})
    return 0 < sent <= 2 * model and lost <= lost_at_most * sent


def lessons() -> list[str]:
    """The numbers of the lessons that have checks, as "01"."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(name.removeprefix("lesson_") for name in names if name.startswith("lesson_"))


def checks_of(number: str, *, exercise: bool = False) -> dict[str, Check]:
    """The checks of a lesson, or of its exercise, by id. Raises BadRequest where there is no such lesson."""
    if number not in lessons():
        raise BadRequest(f"There is no lesson {number!r}. There are: {', '.join(lessons())}.")
    module = f"{__name__}.lesson_{number}"
    importlib.import_module(module)
    found: dict[str, Any] = _by_module.get(module, {})
    return {id: each for id, each in found.items() if id.startswith(EXERCISE) == exercise}
