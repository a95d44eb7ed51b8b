"""Lets a model's functions and classes go to the processes of its own pools, as those of a script do.

They came here by value, and no module has them: by name nobody would find them. So whatever multiprocessing
sends takes them by value again.
"""

from __future__ import annotations

import pickle
import sys
from multiprocessing.reduction import ForkingPickler
from types import FunctionType
from typing import Any

import cloudpickle


def install() -> None:
    """From now on, in this process and in those of its pools."""
    pickler: Any = ForkingPickler
    pickler.reducer_override = _reduce


def load(pickled: bytes) -> Any:
    """In the process that gets it, which may answer with the like."""
    install()
    return pickle.loads(pickled)


def _reduce(_pickler: ForkingPickler, value: Any) -> Any:
    if isinstance(value, FunctionType | type) and not _has_a_name(value):
        return load, (cloudpickle.dumps(value),)
    return NotImplemented


def _has_a_name(value: Any) -> bool:
    found: Any = sys.modules.get(value.__module__ or "")
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value
